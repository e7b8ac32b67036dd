"""The bundle worker_status: what workers say of themselves, shown to people."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.checks import bundle, same
from prismq_worker_sdk.testing.conformance.trial import Trial

check = bundle("worker_status")


@check()
def what_a_worker_says_of_itself_is_shown(server: Trial) -> None:
    """The `status` of an exchange is shown by `GET /workers` until the worker says something else."""
    server.needs("exchange", "manage")
    said = _said(server)
    server.exchange(status=said)
    server.exchange()
    found = _shown(server)
    same("what is shown", {name: found.get(name) for name in said}, said)
    server.exchange(status={**said, "slots": 7})
    same("the slots that it says then", _shown(server).get("slots"), 7)


@check()
def the_reason_of_a_type_is_shown(server: Trial) -> None:
    """A type that a worker claims nothing of is shown with its reason, and with the time at which a pause ends."""
    server.needs("exchange", "manage")
    kind = server.type_of()
    for seconds in (None, 60):
        server.exchange(
            status={**_said(server), "closed": [{"type": kind, "reason": "x", "seconds": seconds}]}
        )
        (closed,) = _shown(server)["closed"]
        found = closed["type"], closed["reason"], closed["until"] is None
        same("what is shown of the type", found, (kind, "x", seconds is None))


@check()
def a_status_that_makes_no_sense_is_refused(server: Trial) -> None:
    """A state that is none, and slots that are no number, are 422."""
    server.needs("exchange")
    for wrong in ({"state": "asleep"}, {"slots": "many"}):
        body = {"worker_id": server.worker(), "status": {**_said(server), **wrong}}
        server.post("/tasks/exchange", body).problem(422)


def _said(server: Trial) -> dict[str, Any]:
    return {
        "version": "1",
        "host": "conformance",
        "pid": 1,
        "state": "running",
        "slots": 3,
        "task_types": [server.type_of()],
        "started_at": "2026-01-02T03:04:05.000Z",
    }


def _shown(server: Trial) -> dict[str, Any]:
    """What is shown of the worker's own words."""
    found = server.get("/workers").json(200)["workers"]
    (status,) = [one["status"] for one in found if one["worker_id"] == server.worker()]
    return status or {}
