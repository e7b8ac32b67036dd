"""The bundle alerts: rules whose breach a webhook is told. No webhook is called: these alerts find nothing."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.base import instant
from prismq_worker_sdk.testing.conformance.checks import bundle, has, holds, same
from prismq_worker_sdk.testing.conformance.talk import Answer
from prismq_worker_sdk.testing.conformance.trial import Trial

check = bundle("alerts")
HOOK = "https://hooks.example/prismq"


@check()
def an_alert_is_set_and_shown(server: Trial) -> None:
    """`PUT /alerts/{name}` makes an alert (201) or changes it (200); it is shown and listed, and 404 once deleted."""
    said = {"rule": "oldest", "task_type": server.type_of(), "seconds": 3600}
    made = _made(server, **said)
    instant(made, "created_at")
    same("the changed alert", _put(server, **{**said, "seconds": 60}).json(200)["seconds"], 60)
    found = server.get(_path(server)).json(200)
    wanted = {**said, "seconds": 60, "url": HOOK, "states": [], "last_delivery": None}
    has("the alert", found, wanted)
    names = [one["name"] for one in server.get("/alerts").json(200)["alerts"]]
    holds(found["name"] in names, "the alert is not listed")
    server.ask("DELETE", _path(server)).json(200)
    server.get(_path(server)).problem(404)


@check()
def the_secret_of_an_alert_is_shown_once(server: Trial) -> None:
    """The secret that signs an alert's messages is in the answer that makes it, and in no other."""
    made = _made(server, rule="no_worker", task_type=server.type_of(), seconds=3600)
    holds(made["secret"], "a new alert has no secret")
    holds("secret" not in server.get(_path(server)).json(200), "the secret is shown again")


@check()
def an_alert_that_makes_no_sense_is_refused(server: Trial) -> None:
    """An unknown rule, failures without a share, a time of 0 and an address that is none are 422."""
    for said in (
        {"rule": "moon", "seconds": 60},
        {"rule": "failures", "seconds": 60},
        {"rule": "oldest", "seconds": 0},
        {"rule": "oldest", "seconds": 60, "url": "ftp://hooks.example/"},
    ):
        _put(server, **said).problem(422)


def _made(server: Trial, **said: Any) -> dict[str, Any]:
    """A new alert; its secret is shown nowhere."""
    found: dict[str, Any] = _put(server, **said).json(201)
    server.secrets.add(str(found["secret"]))
    return found


def _path(server: Trial) -> str:
    return f"/alerts/{server.worker('alert')}"


def _put(server: Trial, **said: Any) -> Answer:
    server.afterwards("DELETE", _path(server))
    return server.ask("PUT", _path(server), {"url": HOOK, **said})
