"""The page names every metric with its kind and labels, and no other one."""

from prismq_worker_sdk.model.events import End
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.gauges import STATES
from tests.monitoring.exposed import PAGE, families, told, worker_text


def test_the_page_names_what_a_worker_exposes_and_nothing_else():
    assert told("A worker") == families(worker_text())


def test_the_page_names_every_end_settlement_and_state():
    page = PAGE.read_text(encoding="utf-8")

    for kind in (End, Settlement, STATES):
        assert ", ".join(map(str, kind)) in page
