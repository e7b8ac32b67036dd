"""The bundle schedules: tasks that are made again and again."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.base import instant
from prismq_worker_sdk.testing.conformance.checks import bundle, has, holds, same
from prismq_worker_sdk.testing.conformance.manage import listed
from prismq_worker_sdk.testing.conformance.talk import Answer
from prismq_worker_sdk.testing.conformance.trial import Trial

check = bundle("schedules")


@check()
def a_schedule_is_set_and_shown(server: Trial) -> None:
    """`PUT` makes a schedule (201) or changes it (200); it is shown with its next five times, and listed."""
    said = {"cron": "30 3 * * *", "timezone": "Europe/Berlin", "params": {"n": 1}}
    _put(server, **said).json(201)
    _put(server, **said).json(200)
    found = server.get(_path(server)).json(200)
    has("the schedule", found, said)
    times = [instant({"next": one}, "next") for one in found["next_times"]]
    same("times, each a later one", (len(times), times), (5, sorted(set(times))))
    same("03:30 in Berlin, in UTC", {(time.hour, time.minute) for time in times} - {(1, 30), (2, 30)}, set())
    same("its next time", found["next_at"], found["next_times"][0])
    names = [one["name"] for one in server.get("/schedules").json(200)["schedules"]]
    holds(_path(server).rpartition("/")[2] in names, "the schedule is not listed")


@check()
def a_schedule_that_makes_no_sense_is_refused(server: Trial) -> None:
    """A schedule without times, with both kinds, with a cron or a zone that is none is 422."""
    for said in (
        {},
        {"cron": "* * * * *", "every_seconds": 60},
        {"cron": "61 * * * *"},
        {"cron": "* * * * *", "timezone": "Nowhere/Town"},
        {"every_seconds": 0},
    ):
        _put(server, **said).problem(422)


@check()
def a_firing_makes_a_task(server: Trial) -> None:
    """A schedule makes a task when its time has come; while that is unfinished it makes no other, by default."""
    _put(server, every_seconds=1, params={"n": 1}).json(201)
    tasks = server.again(lambda: listed(server))
    same("the params of its tasks", [task["params"] for task in tasks], [{"n": 1}])
    for _second in range(2):
        server.server.pass_time(1.1)
    same("how many tasks there are after two more times", len(listed(server)), 1)
    server.end(server.claimed()).json(200)
    holds(server.again(lambda: len(listed(server)) > 1), "it made no other task once the first was done")


@check()
def a_paused_schedule_makes_nothing(server: Trial) -> None:
    """A paused schedule has no next time and makes no task, until it is resumed."""
    _put(server, every_seconds=3600).json(201)
    same("its next time", server.post(f"{_path(server)}/pause").json(200)["next_at"], None)
    server.server.pass_time(1.1)
    same("tasks", listed(server), [])
    instant(server.post(f"{_path(server)}/resume").json(200), "next_at")


@check()
def a_schedule_can_be_run_now(server: Trial) -> None:
    """`run` makes a task at once, 201; while that is unfinished it is 409."""
    _put(server, every_seconds=3600).json(201)
    task = server.post(f"{_path(server)}/run").json(201)
    same("the tasks", [one["id"] for one in listed(server)], [task["id"]])
    server.post(f"{_path(server)}/run").problem(409)


@check()
def a_schedule_that_is_deleted_is_gone(server: Trial) -> None:
    """`DELETE` takes a schedule away; it is 404 then, and its tasks stay."""
    _put(server, every_seconds=3600).json(201)
    server.post(f"{_path(server)}/run").json(201)
    server.ask("DELETE", _path(server)).json(200)
    server.get(_path(server)).problem(404)
    same("its tasks", len(listed(server)), 1)


def _path(server: Trial) -> str:
    return f"/schedules/{server.worker('schedule')}"


def _put(server: Trial, **said: Any) -> Answer:
    server.needs("manage")
    server.afterwards("DELETE", _path(server))
    return server.ask("PUT", _path(server), {"type": server.type_of(), **said})
