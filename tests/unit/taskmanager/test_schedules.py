"""Schedules: each firing makes exactly one task, whoever fires and whatever the clock does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from prismq_worker_sdk.taskmanager.app import CHORES
from prismq_worker_sdk.taskmanager.firing import MOST_MISSED
from prismq_worker_sdk.taskmanager.schedules import FIRE_SCHEDULES
from prismq_worker_sdk.testing import FakeClock
from tests.support.api import TYPE, running_api

HOURLY = {"type": TYPE, "params": {"q": "x"}, "every_seconds": 3600}
PATH = "/schedules/hourly"


def put(api, name="hourly", status=201, **body):
    answer = api.call("PUT", f"/schedules/{name}", {**HOURLY, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def show(api, name="hourly"):
    return api.call("GET", f"/schedules/{name}").json()


def fire(api, seconds=0.0):
    """What there is to do so much later."""
    api.clock.turn(seconds)
    api.chore(FIRE_SCHEDULES.run)


def made(api, task_type=TYPE):
    return api.call("GET", f"/tasks?type={task_type}&limit=500").json()["tasks"]


def seconds_of(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_a_schedule_makes_a_task_at_each_of_its_times(api):
    assert FIRE_SCHEDULES in CHORES
    first = put(api, priority=3, max_attempts=2)
    fire(api, 3599)
    assert made(api) == []
    fire(api, 1)
    (task,) = made(api)
    fire(api)

    assert (task["params"], task["priority"], task["max_attempts"]) == ({"q": "x"}, 3, 2)
    assert len(made(api)) == 1
    told = show(api)
    assert (told["last_at"], told["last_task_id"], told["last_error"]) == (first["next_at"], task["id"], None)
    assert seconds_of(told["next_at"]) == seconds_of(first["next_at"]) + 3600


def test_the_next_five_times_are_told_on_the_clocks_of_the_zone(tmp_path):
    clock = FakeClock(datetime(2026, 3, 27, 12, tzinfo=timezone.utc))
    with running_api(tmp_path, clock) as api:
        put(api, every_seconds=None, cron="30 2 * * *", timezone="Europe/Berlin")
        times = show(api)["next_times"]

    assert times == [
        "2026-03-28T01:30:00.000Z",
        "2026-03-29T01:00:00.000Z",  # 02:30 is left out this night
        "2026-03-30T00:30:00.000Z",
        "2026-03-31T00:30:00.000Z",
        "2026-04-01T00:30:00.000Z",
    ]


def test_a_firing_tells_claims_that_wait_of_its_task(api, monkeypatch):
    told = []
    monkeypatch.setattr(api.state.waiting, "notify", told.append)
    put(api)
    fire(api, 3600)

    assert told == [{TYPE: 1}]


@pytest.mark.parametrize(("missed", "number"), [("skip", 0), ("once", 1), ("all", 5)])
def test_missed_firings_are_made_up_for_as_the_schedule_says(api, missed, number):
    put(api, missed=missed, overlap="allow")
    fire(api, 5 * 3600 + 300)

    assert len(made(api)) == number
    assert seconds_of(show(api)["next_at"]) == pytest.approx(api.clock.utc().timestamp() + 3300)
    assert (show(api)["last_error"] is None) == (number > 0)
    fire(api, 3300)
    assert len(made(api)) == number + 1


def test_of_missed_firings_that_must_not_overlap_the_latest_is_made(api):
    put(api, missed="all")
    fire(api, 5 * 3600)

    assert len(made(api)) == 1
    assert seconds_of(show(api)["last_at"]) == api.clock.utc().timestamp()


def test_at_most_a_hundred_missed_firings_are_made_up_for_and_no_two_of_them_are_one(api):
    put(api, missed="all", overlap="allow", every_seconds=10)
    fire(api, 86400)

    assert len(made(api)) == MOST_MISSED
    assert len({task["id"] for task in made(api)}) == MOST_MISSED


def test_a_firing_is_passed_over_while_the_last_task_is_unfinished_unless_they_may_overlap(api):
    put(api)
    put(api, "overlaps", type="Test.Other", overlap="allow")
    for _ in range(3):
        fire(api, 3600)

    (task,) = made(api)
    assert len(made(api, "Test.Other")) == 3
    assert show(api)["last_error"] == f"its last task {task['id']} is pending"
    api.claim()
    fire(api, 3600)
    assert show(api)["last_error"] == f"its last task {task['id']} is processing"
    api.complete(task["id"])
    fire(api, 3600)
    assert len(made(api)) == 2
    assert show(api)["last_error"] is None


def test_a_paused_schedule_makes_nothing_and_what_came_meanwhile_is_not_missed(api):
    put(api, missed="all", overlap="allow")
    paused = api.call("POST", f"{PATH}/pause").json()
    fire(api, 10 * 3600 + 60)

    assert (paused["paused"], paused["next_at"]) == (True, None)
    assert len(show(api)["next_times"]) == 5
    assert made(api) == []
    resumed = api.call("POST", f"{PATH}/resume").json()
    fire(api)
    assert made(api) == []
    assert seconds_of(resumed["next_at"]) == pytest.approx(api.clock.utc().timestamp() + 3540)
    fire(api, 3540)
    assert len(made(api)) == 1


def test_run_now_makes_a_task_at_once_and_the_next_time_stays(api):
    before = put(api)
    api.call("POST", f"{PATH}/pause")
    answer = api.call("POST", f"{PATH}/run")
    again = api.call("POST", f"{PATH}/run")
    after = api.call("POST", f"{PATH}/resume").json()

    assert (answer.status_code, answer.json()["type"]) == (201, TYPE)
    assert again.status_code == 409
    assert f"task {answer.json()['id']} is pending" in again.json()["detail"]
    assert after["last_task_id"] == answer.json()["id"]
    assert after["next_at"] == before["next_at"]


def test_setting_a_schedule_again_leaves_its_time_unless_the_times_change(api):
    first = put(api)
    api.clock.turn(1800)
    same = put(api, status=200, params={"q": "y"}, overlap="allow")
    other = put(api, status=200, every_seconds=7200)

    assert (same["next_at"], same["params"]) == (first["next_at"], {"q": "y"})
    assert seconds_of(other["next_at"]) == seconds_of(first["next_at"]) + 5400
    fire(api, 7200)
    assert len(made(api)) == 1


def test_a_clock_that_is_set_back_makes_no_firing_come_twice(tmp_path):
    start = datetime(2026, 5, 4, 9, 30, tzinfo=timezone.utc)
    with running_api(tmp_path, FakeClock(start)) as api:
        put(api, every_seconds=None, cron="0 * * * *", overlap="allow")
        fire(api, 1800)
        first = show(api)["last_at"]
    with running_api(tmp_path, FakeClock(start - timedelta(minutes=30))) as api:  # a start, an hour back
        for _ in range(11):
            fire(api, 600)
        assert [task["id"] for task in made(api)] == [show(api)["last_task_id"]]
        fire(api, 600)
        assert len(made(api)) == 2
        assert seconds_of(show(api)["last_at"]) == seconds_of(first) + 3600


def test_a_clock_that_is_set_forward_is_a_time_in_which_nobody_was_there(api):
    put(api, missed="once", overlap="allow")
    fire(api, 50 * 3600)

    assert len(made(api)) == 1


def test_params_that_fit_no_longer_are_a_failed_firing_that_is_told_until_they_fit_again(api):
    put(api)
    schema = {"properties": {"q": {"type": "integer"}}}
    published = {"version": "2", "param_schema": schema, "allow_breaking": True}
    assert api.call("PUT", f"/task-types/{TYPE}", published).status_code == 200
    fire(api, 3600)

    assert made(api) == []
    said = show(api)["last_error"]
    assert said.startswith(f"the params do not fit {TYPE} (version 2 of its schema); /q: ")
    assert api.call("POST", f"{PATH}/run").status_code == 422
    put(api, status=200, params={"q": 1})
    fire(api, 3600)
    assert (len(made(api)), show(api)["last_error"]) == (1, None)


def test_a_pattern_of_the_schema_that_takes_time_holds_no_firing_up(api):
    slow = {"properties": {"q": {"type": "string", "pattern": r"^(\w+\s?)*$"}}}
    api.call("PUT", f"/task-types/{TYPE}", {"version": "1", "param_schema": slow})
    put(api, params={"q": "some words that fit"})
    fire(api, 3600)

    assert len(made(api)) == 1


def test_schedules_are_listed_by_name_and_taken_away(api):
    for name in ("b", "a.b-c_1", "A"):
        put(api, name)
    assert api.call("DELETE", "/schedules/b").json()["name"] == "b"
    fire(api, 3600)

    listed = api.call("GET", "/schedules").json()["schedules"]
    assert [one["name"] for one in listed] == ["A", "a.b-c_1"]
    assert len(made(api)) == 2
    assert show(api, "b")["status"] == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/schedules/none", 404),
        ("DELETE", "/schedules/none", 404),
        ("POST", "/schedules/none/run", 404),
        ("POST", "/schedules/none/pause", 404),
        ("POST", "/schedules/none/resume", 404),
        ("POST", "/schedules/hourly/dance", 404),
        ("GET", f"/schedules/{'n' * 300}", 404),
        ("GET", "/schedules/%F0%9F%98%80", 404),
    ],
)
def test_a_schedule_that_is_none_is_not_found(api, method, path, status):
    assert api.call(method, path).status_code == status


@pytest.mark.parametrize(
    "bad",
    [
        {"every_seconds": 0},
        {"every_seconds": 1e9},
        {"every_seconds": None},
        {"cron": "* * * * *"},
        {"every_seconds": None, "cron": "often"},
        {"every_seconds": None, "cron": "\ud800"},
        {"every_seconds": None, "cron": "0 0 * * *", "timezone": "Mars/Olympus"},
        {"missed": "never"},
        {"overlap": "queue"},
        {"params": []},
        {"type": "no type"},
        {"max_attempts": 0},
        {"more": 1},
    ],
)
def test_what_makes_no_schedule_is_refused(api, bad):
    answer = api.call("PUT", PATH, {**HOURLY, **bad})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert show(api)["status"] == 404


@pytest.mark.parametrize("name", [".", "a%20b", "a" * 129, "%C3%A9", "-x"])
def test_a_name_that_could_not_be_typed_is_refused(api, name):
    assert api.call("PUT", f"/schedules/{name}", HOURLY).status_code in {404, 405, 422}


def test_params_are_checked_when_the_schedule_is_set(api):
    schema = {"properties": {"q": {"type": "integer"}}}
    api.call("PUT", f"/task-types/{TYPE}", {"version": "1", "param_schema": schema})
    refused = api.call("PUT", PATH, HOURLY)

    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/q"]


def test_who_set_and_steered_a_schedule_is_written_down(api):
    put(api)
    for action in ("pause", "resume", "run"):
        api.call("POST", f"{PATH}/{action}")
    api.call("DELETE", PATH)

    told = api.call("GET", "/audit?kind=schedule").json()["audit"]
    assert [one["action"] for one in told] == ["delete", "run", "resume", "pause", "set"]


def test_two_servers_on_one_database_make_one_task_for_each_firing(tmp_path):
    clock = FakeClock()
    with running_api(tmp_path, clock) as one, running_api(tmp_path, clock) as two:
        names = [f"s{n}" for n in range(6)]
        for name in names:
            put(one, name, every_seconds=60, overlap="allow")
        for _ in range(10):
            clock.turn(60)
            start = threading.Barrier(2)

            def look(api, start=start):
                start.wait(30)
                api.chore(FIRE_SCHEDULES.run)

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(look, (one, two)))
        assert len(made(one)) == 60
        assert {show(two, name)["last_error"] for name in names} == {None}


def test_health_announces_schedules(api):
    assert api.call("GET", "/health").json()["capabilities"]["schedules"] is True
