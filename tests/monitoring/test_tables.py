"""The page names every metric with its kind and labels, and no other one."""

from prismq_worker_sdk.model.events import End
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.gauges import STATES
from prismq_worker_sdk.taskmanager.prometheus import STATUSES
from tests.monitoring.exposed import PAGE, families, taskmanager_text, told, worker_text
from tests.support.api import running_api


def test_the_page_names_what_a_worker_exposes_and_nothing_else():
    assert told("A worker") == families(worker_text())


def test_the_page_names_what_a_taskmanager_exposes_and_nothing_else():
    assert told("A TaskManager") == families(taskmanager_text())


def test_a_real_taskmanager_exposes_no_other_number(tmp_path):
    with running_api(tmp_path) as api:
        api.call("PUT", "/limits/youtube", {"units": 100, "period": 60, "at_once": 3})
        api.submit()
        api.claim()
        text = api.call("GET", "/metrics").text

    assert families(text) <= told("A TaskManager")


def test_the_page_names_every_end_settlement_and_state():
    page = PAGE.read_text(encoding="utf-8")

    for kind in (End, Settlement, STATES, STATUSES):
        assert ", ".join(map(str, kind)) in page
