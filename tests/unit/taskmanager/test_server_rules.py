import threading

from prismq_worker_sdk.taskmanager import app_state
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.server import RunningServer
from prismq_worker_sdk.testing import FakeClock
from tests.support.api import TYPE, Api
from tests.support.processes import wait_until


def exchange(api, worker="w1", **said):
    answer = api.call("POST", "/tasks/exchange", {"worker_id": worker, **said})
    assert answer.status_code == 200, answer.text
    return answer.json()


def claim(api, worker="w1", **more):
    return exchange(api, worker, claim={"task_types": [TYPE]}, **more)["tasks"]


def report(api, task, outcome, **said):
    item = {"task_id": task["id"], "lease_token": task["lease_token"], "outcome": outcome, **said}
    return exchange(api, reports=[item])["reports"][0]["verdict"]


def renew(api, task):
    item = {"task_id": task["id"], "lease_token": task["lease_token"]}
    return exchange(api, leases=[item])["leases"][0]["verdict"]


def lapse(api):
    (task,) = claim(api)
    api.clock.turn(61)
    return task


def test_r06_a_repeat_is_not_given_what_another_worker_has_by_now(api):
    api.submit()
    claim(api, "w1", request_id="r1")
    api.clock.turn(61)
    assert len(claim(api, "w2", request_id="r2")) == 1

    assert claim(api, "w1", request_id="r1") == []


def test_r07_a_report_makes_the_attempt_count(api):
    task_id = api.submit(max_attempts=2)
    for attempt in (1, 2):
        (task,) = claim(api)
        assert task["attempt"] == attempt
        assert report(api, task, "failed", error="x", delay_seconds=0) == "accepted"

    assert api.show(task_id)["status"] == "failed"


def test_r07_a_sign_of_life_forgives_the_claims_that_expired_without_one(api):
    api.submit(max_attempts=3)
    for _ in range(10):
        lapse(api)
    (task,) = claim(api)
    assert renew(api, task) == "renewed"
    api.clock.turn(61)

    assert [lapse(api)["attempt"] for _ in range(11)] == [2] * 11
    assert claim(api)[0]["attempt"] == 3


def test_r08_a_late_report_that_was_never_renewed_is_taken_until_the_task_is_claimed_again(api):
    task_id = api.submit()
    task = lapse(api)

    assert report(api, task, "completed", result=1) == "accepted"
    assert api.show(task_id)["result"] == 1


def test_r22_a_failure_creates_no_children(api):
    api.submit()
    (task,) = claim(api)
    child = {"key": "c", "type": "Test.Child"}

    assert report(api, task, "failed", error="x", children=[child]) == "accepted"
    assert api.call("GET", "/tasks?type=Test.Child").json()["tasks"] == []


def test_r28_the_same_result_with_other_children_is_another_outcome(api):
    api.submit()
    (task,) = claim(api)
    child = {"key": "c", "type": "Test.Child", "params": {"n": 1}}
    report(api, task, "completed", result=1, children=[child])

    assert report(api, task, "completed", result=1, children=[{**child, "params": {"n": 2}}]) == "refused"
    assert report(api, task, "completed", result=1) == "refused"
    assert report(api, task, "completed", result=1, children=[child]) == "duplicate"


def test_r40_a_claim_that_waits_hears_that_its_worker_is_to_be_quiet_and_takes_no_task(tmp_path, monkeypatch):
    monkeypatch.setattr(app_state, "LOOK_EVERY", 3600.0)
    clock, answers = FakeClock(), []
    with RunningServer(TaskManagerConfig(database=str(tmp_path / "tasks.db"), port=0), clock=clock) as server:
        api, own = Api(server.url, clock), Api(server.url)
        with api.session, own.session:
            task_id = api.submit(delay_seconds=60)
            wanted = {"task_types": [TYPE], "wait_seconds": 15}
            asking = threading.Thread(
                target=lambda: answers.append(exchange(own, claim=wanted, request_id="r1"))
            )
            asking.start()
            wait_until(lambda: api.call("GET", "/workers").json()["workers"], "the end of its first look")
            clock.turn(61)
            api.call("POST", "/workers/w1/quiet")
            asking.join(20)

            assert answers == [{"reports": [], "leases": [], "tasks": [], "worker": "quiet"}]
            assert api.show(task_id)["status"] == "pending"
