"""What operators do to single tasks."""

import threading

import pytest

from prismq_worker_sdk.taskmanager.views import instant
from tests.support.api import TYPE, Api


def expedite(api, task_id):
    return api.call("POST", f"/tasks/{task_id}/expedite")


def change(api, task_id, **body):
    return api.call("PATCH", f"/tasks/{task_id}", body)


def test_an_expedited_task_comes_before_all_others_of_its_type(api):
    api.submit(priority=9)
    late = api.submit(delay_seconds=3600)
    last = api.submit()

    assert expedite(api, late).json()["not_before"] is None
    assert expedite(api, last).status_code == 200
    assert [api.claim()["id"] for _ in range(2)] == [last, late]


def test_an_expedited_task_that_is_first_already_keeps_its_priority(api):
    task_id = api.submit(priority=3)
    api.submit()

    assert expedite(api, task_id).json()["priority"] == 3
    assert expedite(api, api.submit("Test.Other", priority=2)).json()["priority"] == 2


def test_a_claim_that_waits_gets_a_task_that_is_expedited(api):
    task_id, found, own = api.submit(delay_seconds=3600), [], Api(api.url)
    claim = {"task_types": [TYPE], "wait_seconds": 20}

    def wait():
        found.append(own.call("POST", "/tasks/exchange", {"worker_id": "w1", "claim": claim}).json()["tasks"])

    waiting = threading.Thread(target=wait)
    with own.session:
        waiting.start()
        while not api.call("GET", "/workers").json()["workers"]:
            pass
        expedite(api, task_id)
        waiting.join(20)

    assert [one["id"] for one in found[0]] == [task_id]


def test_priority_and_time_of_a_waiting_task_are_changed(api):
    task_id = api.submit()
    at = instant(api.clock.utc().timestamp() + 60)
    changed = change(api, task_id, priority=-5, not_before=at).json()

    assert (changed["priority"], changed["not_before"]) == (-5, at)
    assert api.claim() is None
    api.clock.turn(60)
    assert api.claim()["id"] == task_id


@pytest.mark.parametrize("body", [{"not_before": None}, {"not_before": "2000-01-01T00:00:00Z"}])
def test_a_time_that_is_taken_away_or_over_lets_a_task_be_claimed(api, body):
    task_id = api.submit(delay_seconds=60)
    change(api, task_id, **body)

    assert api.claim()["id"] == task_id


def test_a_task_is_put_off(api):
    task_id = api.submit(delay_seconds=5)
    change(api, task_id, delay_seconds=60)
    api.clock.turn(59)
    assert api.claim() is None
    api.clock.turn(1)
    assert api.claim()["id"] == task_id


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"priority": None},
        {"priority": 1_000_001},
        {"not_before": "soon"},
        {"not_before": "9999-01-01T00:00:00Z"},
        {"delay_seconds": 5, "not_before": None},
        {"params": {}},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(api, body):
    assert change(api, api.submit(), **body).status_code == 422


def test_what_runs_is_neither_changed_nor_expedited_nor_deleted(api):
    task_id = api.submit()
    api.claim()

    assert change(api, task_id, priority=1).status_code == 409
    assert expedite(api, task_id).status_code == 409
    assert api.call("DELETE", f"/tasks/{task_id}").status_code == 409
    assert api.complete(task_id) == 200


def test_a_task_is_deleted_with_its_history(api):
    task_id = api.submit()
    api.claim()
    api.complete(task_id)

    assert api.call("DELETE", f"/tasks/{task_id}").status_code == 200
    assert api.call("GET", f"/tasks/{task_id}").status_code == 404
    assert api.complete(task_id) == 404
    (act,) = api.call("GET", "/audit").json()["audit"]
    assert (act["action"], act["target"]) == ("delete", task_id)


def test_unknown_tasks_are_not_found(api):
    assert change(api, "none", priority=1).status_code == 404
    assert expedite(api, "none").status_code == 404
    assert api.call("DELETE", "/tasks/none").status_code == 404


def test_what_was_changed_is_told_with_the_task(api):
    task_id = api.submit()
    change(api, task_id, priority=4)
    expedite(api, task_id)

    told = [(one["action"], one["detail"]) for one in api.show(task_id)["audit"]]
    assert told == [("change", {"priority": 4}), ("expedite", None)]
