import threading

import pytest

from prismq_worker_sdk.taskmanager.views import instant
from tests.support.api import TYPE, Api


def pause(api, name=TYPE, **body):
    return api.call("POST", f"/task-types/{name}/pause", body)


def resume(api, name=TYPE):
    return api.call("POST", f"/task-types/{name}/resume")


def exchange(api, types=(TYPE,), wait=0.0):
    claim = {"task_types": list(types), "wait_seconds": wait, "max_tasks": 4}
    answer = api.call("POST", "/tasks/exchange", {"worker_id": "w1", "claim": claim})
    return [task["id"] for task in answer.json()["tasks"]]


def test_waiting_tasks_of_a_paused_type_stay_and_running_ones_go_on(api):
    running, waiting, other = api.submit(), api.submit(), api.submit("Test.Other")
    assert api.claim()["id"] == running
    assert pause(api).status_code == 200

    assert api.claim() is None
    assert exchange(api, [TYPE, "Test.Other"]) == [other]
    assert api.complete(running) == 200
    assert api.show(waiting)["status"] == "pending"
    resume(api)
    assert api.claim()["id"] == waiting


def test_a_task_whose_claim_ran_out_is_not_handed_out_again_while_its_type_is_paused(api):
    task_id = api.submit()
    api.claim()
    pause(api)
    api.clock.turn(301)

    assert api.claim() is None
    resume(api)
    assert api.claim()["id"] == task_id


def test_a_pause_ends_by_itself(api):
    task_id = api.submit()
    pause(api, seconds=60)
    api.clock.turn(59)
    assert api.claim() is None
    api.clock.turn(1)
    assert api.claim()["id"] == task_id


def test_a_pause_may_name_its_end_and_a_later_one_takes_its_place(api):
    until = instant(api.clock.utc().timestamp() + 60)
    assert pause(api, until=until, reason="quota").json() == {
        "name": TYPE,
        "paused": {
            "until": until,
            "reason": "quota",
            "paused_at": instant(api.clock.utc().timestamp()),
            "paused_by": "anonymous",
        },
    }
    assert pause(api).json()["paused"]["until"] is None
    api.clock.turn(61)
    api.submit()
    assert api.claim() is None


@pytest.mark.parametrize("end", [lambda api: resume(api), lambda api: api.clock.turn(60)])
def test_a_claim_that_waits_gets_a_task_once_the_pause_is_over(api, end):
    task_id, found, own = api.submit(), [], Api(api.url)
    pause(api, seconds=60)
    waiting = threading.Thread(target=lambda: found.append(exchange(own, wait=20)))
    with own.session:
        waiting.start()
        while not api.call("GET", "/workers").json()["workers"]:
            pass
        end(api)
        waiting.join(20)

    assert found == [[task_id]]


def test_pauses_are_shown_for_types_without_a_schema_too(api):
    api.call("PUT", "/task-types/Test.Known", {"version": "1", "param_schema": {}})
    pause(api, "Test.Known", reason="quota")
    pause(api)
    api.submit()
    listed = api.call("GET", "/task-types").json()

    assert listed["task_types"][0]["paused"]["reason"] == "quota"
    assert [one["name"] for one in listed["paused"]] == ["Test.Known", TYPE]
    assert api.call("GET", "/task-types/Test.Known").json()["paused"]["reason"] == "quota"
    stats = api.call("GET", "/stats").json()["types"]
    assert (stats[TYPE]["pending"], stats[TYPE]["paused"]) == (1, 1)
    assert (stats["Test.Known"]["pending"], stats["Test.Known"]["paused"]) == (0, 1)
    resume(api)
    assert api.call("GET", "/stats").json()["types"][TYPE]["paused"] == 0


def test_who_paused_and_resumed_is_written_down(api):
    pause(api, reason="quota")
    resume(api)
    acts = api.call("GET", f"/audit?kind=type&target={TYPE}").json()["audit"]

    assert [(one["action"], one["detail"]) for one in acts] == [
        ("resume", None),
        ("pause", {"until": None, "reason": "quota"}),
    ]


def test_resuming_what_is_not_paused_is_no_error(api):
    assert resume(api).json() == {"name": TYPE, "paused": None}


@pytest.mark.parametrize(
    "body",
    [
        {"until": "tomorrow"},
        {"until": "2026-11-29T12:00:00"},
        {"until": 7},
        {"until": "1999-01-01T00:00:00Z"},
        {"until": "9999-01-01T00:00:00Z", "seconds": 5},
        {"seconds": -1},
        {"for": "5m"},
        {"reason": "x" * 2001},
    ],
)
def test_a_pause_that_makes_no_sense_is_refused(api, body):
    assert pause(api, **body).status_code == 422


def test_only_names_of_types_are_paused(api):
    assert pause(api, "no%20type").status_code == 422
    assert resume(api, "no%20type").status_code == 422
