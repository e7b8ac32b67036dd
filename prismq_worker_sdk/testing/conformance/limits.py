"""The bundle limits: what the whole fleet may do at once, and in a period."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.checks import bundle, has, holds, same
from prismq_worker_sdk.testing.conformance.trial import ANOTHER, ONE, Trial, ids

check = bundle("limits")


@check()
def a_limit_is_set_and_shown(server: Trial) -> None:
    """`PUT /limits/{name}` makes or changes a limit; it is shown with its use, and 404 once it is deleted."""
    wanted = {"units": 5, "period": 60, "at_once": 2}
    _limit(server, units=9, period=60)
    _limit(server, **wanted)
    found = server.get(_path(server)).json(200)
    has("the limit", found, wanted)
    same("what is used of it", (found["used"], found["running"]), (0, 0))
    server.ask("DELETE", _path(server)).json(200)
    server.get(_path(server)).problem(404)


@check()
def a_limit_that_makes_no_sense_is_refused(server: Trial) -> None:
    """Units without a period, none at all, and a use without a name are 422."""
    for said in ({"units": 5}, {"units": 0, "period": 60}, {"at_once": 0}):
        server.ask("PUT", _path(server), said).problem(422)
    server.ask("PUT", f"/task-types/{server.type_of()}/limits", {"limits": [{}]}).problem(422)


@check()
def no_more_begins_in_a_period_than_there_are_units(server: Trial) -> None:
    """In a period tasks begin for the units of their limit and no more, at every worker and by every kind of claim."""
    _limited(server, 5, units=4, period=60, each=2)
    same("tasks for the first claim", len(server.take(5, ONE)), 2)
    same("tasks for another worker", server.take(5, ANOTHER), [])
    same("a claim of the base protocol", server.claim(), None)
    same("units used", server.get(_path(server)).json(200)["used"], 4)


@check()
def units_come_back_after_the_period(server: Trial) -> None:
    """What was used counts for one period."""
    _limited(server, 2, units=1, period=2)
    same("tasks in the first period", (len(server.take(2)), len(server.take(2))), (1, 0))
    server.server.pass_time(2.2)
    same("tasks in the next one", len(server.again(lambda: server.take(2))), 1)


@check()
def no_more_run_at_once_than_allowed(server: Trial) -> None:
    """`at_once` tasks run at the same time; the next begins when one of them has ended."""
    _limited(server, 2, at_once=1)
    tasks = server.take(2)
    same("tasks at once", (len(tasks), len(server.take(2, ANOTHER))), (1, 0))
    same("the verdict", server.report(tasks[0]), "accepted")
    same("tasks after its end", len(server.again(lambda: server.take(2))), 1)


@check()
def many_claims_at_once_keep_to_a_limit(server: Trial) -> None:
    """Claims at the same time are given no more together than the limit allows, and all of it."""
    _limited(server, 12, units=5, period=600)
    calls = [lambda name=f"w{number}": server.take(2, name) for number in range(8)]
    found = ids(task for tasks in server.at_once(*calls) for task in tasks)
    found += ids(server.take(12))
    same("tasks that began", len(set(found)), 5)


@check()
def a_name_may_stand_in_the_params(server: Trial) -> None:
    """A use with a `path` takes the limit that the params name; tasks of other names go on."""
    server.needs("exchange", "manage")
    prefix = server.worker("tenant-")
    server.afterwards("DELETE", f"/limits/{prefix}a")
    server.ask("PUT", f"/limits/{prefix}a", {"at_once": 1}).json(200)
    _uses(server, key=None, path="/tenant", prefix=prefix)
    for tenant in "aaab":
        server.submit({"tenant": tenant})
    found = server.take(9)
    found += server.take(9, ANOTHER)
    same("tenants whose tasks began", sorted(task["params"]["tenant"] for task in found), ["a", "b"])


@check()
def a_paused_limit_stops_its_tasks(server: Trial) -> None:
    """No task begins that uses a paused limit, until it is resumed or the pause is over."""
    _limited(server, 1, at_once=9)
    paused = server.post(f"{_path(server)}/pause", {"seconds": 3600, "reason": "quota"}).json(200)
    same("why it is paused", paused["pause_reason"], "quota")
    same("tasks while it is paused", server.take(1), [])
    server.post(f"{_path(server)}/resume").json(200)
    same("tasks after that", len(server.again(lambda: server.take(1))), 1)


@check()
def a_pause_rides_on_an_exchange(server: Trial) -> None:
    """`pauses` of an exchange stop a limit before the same call claims anything."""
    _limited(server, 1, at_once=9)
    pause = {"name": _name(server), "seconds": 3600, "reason": "HTTP 429"}
    same("tasks of the call that pauses", server.take(1, pauses=[pause]), [])
    holds(server.get(_path(server)).json(200)["paused_until"], "the limit does not show its pause")


def _name(server: Trial) -> str:
    return server.worker("limit")


def _path(server: Trial) -> str:
    return f"/limits/{_name(server)}"


def _limit(server: Trial, **said: Any) -> None:
    server.needs("exchange", "manage")
    server.afterwards("DELETE", _path(server))
    server.ask("PUT", _path(server), said).json(200)


def _uses(server: Trial, **said: Any) -> None:
    use = {name: value for name, value in {"key": _name(server), **said}.items() if value is not None}
    server.ask("PUT", f"/task-types/{server.type_of()}/limits", {"limits": [use]}).json(200)


def _limited(server: Trial, number: int, *, each: int = 1, **said: Any) -> None:
    """Creates so many tasks, each of which uses units of a limit."""
    _limit(server, **said)
    _uses(server, units=each)
    server.submit_many(number)
