"""A stop signal in the situations that the other files leave out, on the embedded TaskManager with its leases."""

import os
import signal

import pytest

from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from tests.support.api import Api
from tests.support.processes import wait_until
from tests.support.taskmanager import TaskManager

SILENT = FaultPlan(1.0, (Disturbance.DELAY,), seconds=3600)


def disturbed(disturbance, word, seconds=0.5):
    """A plan for the requests that have this word in them."""
    return FaultPlan(1.0, (disturbance,), lambda _method, _path, body: word in body, seconds)


@pytest.fixture
def taskmanager(tmp_path):
    running = TaskManager(tmp_path / "taskmanager", lease="1m", claim_timeout="5m")
    yield running
    running.kill()


@pytest.fixture
def proxy(taskmanager):
    with FaultProxy(taskmanager.url) as running:
        yield running


@pytest.fixture
def api(taskmanager):
    found = Api(taskmanager.url)
    with found.session:
        yield found


def workers(api):
    return api.call("GET", "/workers").json()["workers"]


def verdicts(api, task_id):
    return [claim["verdict"] for claim in api.show(task_id)["history"]]


def test_r36_a_worker_that_waits_on_the_server_for_work_exits_at_the_signal(taskmanager, api, start_worker):
    worker = start_worker(taskmanager.url, "--poll-interval", "60s", "--grace-period", "1h")
    wait_until(lambda: workers(api), "the worker at the server")
    assert workers(api), "an answer later than the one above: the claim waits by now"

    assert worker.terminate(deadline=10) == 0
    assert worker.events("worker_stopped")[0]["message"].endswith("nothing is left")


def test_r36_ctrl_c_to_the_whole_group_lets_the_running_task_end(taskmanager, api, start_worker):
    task_id = api.submit("Test.Gated")
    worker = start_worker(taskmanager.url)
    wait_until(lambda: worker.runs(), "the start of the task")
    os.killpg(worker.process.pid, signal.SIGINT)
    wait_until(lambda: worker.events("phase_draining"), "the drain")
    worker.gate_file.touch()

    assert worker.exit_code() == 0
    assert verdicts(api, task_id) == ["completed"]


def test_r15_a_task_that_does_not_end_in_the_grace_period_is_released_and_counts_no_attempt(
    taskmanager, api, start_worker
):
    task_id = api.submit("Test.Gated")
    worker = start_worker(taskmanager.url, "--grace-period", "1.5s")
    wait_until(lambda: worker.runs(), "the start of the task")

    assert worker.terminate(deadline=10) == 0
    assert verdicts(api, task_id) == ["released"]
    assert (api.show(task_id)["status"], worker.stored("outcomes"), worker.stored("holds")) == (
        "pending",
        0,
        0,
    )


def test_r36_a_handler_that_ignores_its_end_leaves_its_claim_to_the_server(taskmanager, api, start_worker):
    task_id = api.submit("Test.Stubborn")
    worker = start_worker(taskmanager.url, "--grace-period", "1.5s")
    wait_until(lambda: worker.runs(), "the start of the task")

    assert worker.terminate(deadline=10) == 75
    assert verdicts(api, task_id) == [None]
    assert (worker.stored("outcomes"), worker.stored("holds")) == (0, 0)


@pytest.mark.parametrize("away", ["gone", "silent"])
def test_r37_reports_that_wait_while_the_server_is_away_are_left_and_delivered_by_the_next_start(
    taskmanager, proxy, api, start_worker, away
):
    ids = [api.submit("Test.Counted") for _ in range(40)]
    proxy.plan = disturbed(Disturbance.RESET_BEFORE, b'"reports"')
    worker = start_worker(proxy.url, "--concurrency", "40", "--grace-period", "2s")
    wait_until(lambda: worker.stored() == 40, "the reports that wait")
    if away == "gone":
        taskmanager.kill()
    else:
        proxy.plan = SILENT

    assert worker.terminate(deadline=20) == 75
    assert "40 reports are left: start me again" in worker.text()
    assert worker.stored() == 40
    if away == "gone":
        taskmanager.start()
    proxy.plan = FaultPlan()
    again = start_worker(proxy.url)
    wait_until(lambda: taskmanager.counts() == {"completed": 40}, "the deliveries")
    assert again.terminate() == 0
    assert sorted(again.runs()) == sorted(ids)


def test_r36_a_task_whose_claim_is_answered_while_the_worker_drains_is_not_left_behind(
    taskmanager, proxy, api, start_worker
):
    worker = start_worker(proxy.url)
    wait_until(lambda: workers(api), "the worker at the server")
    proxy.plan = disturbed(Disturbance.DELAY, b'"claim"', seconds=1.0)
    wait_until(lambda: proxy.counts[Disturbance.DELAY], "a claim on its way")
    task_id = api.submit("Test.Counted")

    assert worker.terminate() == 0
    assert None not in verdicts(api, task_id)
    assert (worker.stored("outcomes"), worker.stored("holds")) == (0, 0)


def test_r36_a_claim_that_is_never_answered_does_not_keep_the_worker_beyond_its_deadline(
    taskmanager, proxy, api, start_worker
):
    worker = start_worker(proxy.url, "--grace-period", "1.5s")
    wait_until(lambda: workers(api), "the worker at the server")
    proxy.plan = disturbed(Disturbance.DELAY, b'"claim"', seconds=3600)
    wait_until(lambda: proxy.counts[Disturbance.DELAY], "a claim on its way")

    assert worker.terminate(deadline=10) == 0
    assert worker.events("worker_stopped")[0]["message"].endswith("nothing is left")
