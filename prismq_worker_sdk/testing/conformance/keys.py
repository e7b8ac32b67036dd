"""The bundle keys: keys that are made, bound and revoked over the wire.

A server without any key would want one of everybody once it has its first, so nothing is made there.
"""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.checks import NotChecked, bundle, holds, same
from prismq_worker_sdk.testing.conformance.trial import Trial

check = bundle("keys")
MANY = 8


@check()
def a_key_may_do_what_its_scope_says(server: Trial) -> None:
    """A key may make the calls of its scope; others are 403."""
    for scope, may in (
        ("reader", (200, 403, 403)),
        ("worker", (200, 403, 200)),
        ("producer", (200, 201, 403)),
    ):
        key = _made(server, scope)["key"]
        found = (
            server.ask("GET", "/stats", key=key).status,
            server.ask("POST", "/tasks", {"type": server.type_of(scope)}, key=key).status,
            server.ask("POST", "/tasks/claim", _claim(server, "None"), key=key).status,
        )
        same(f"what a key of scope {scope} is told: look, create, claim", found, may)


@check()
def a_key_is_shown_once(server: Trial) -> None:
    """The text of a key is in the answer that makes it and nowhere else; what is known of it is listed."""
    made = _made(server, "reader", requests_per_minute=60)
    answer = server.get("/keys")
    (listed,) = [one for one in answer.json(200)["keys"] if one["name"] == made["name"]]
    wanted = {"id": made["id"], "scope": "reader", "requests_per_minute": 60, "revoked_at": None}
    same("what is listed", {name: listed[name] for name in wanted}, wanted)
    holds(made["key"] not in answer.content.decode(), "the list of keys shows the text of a key")


@check()
def a_revoked_key_holds_no_more(server: Trial) -> None:
    """A key that was revoked is 401, within seconds, and its name is taken for ever."""
    made = _made(server, "reader")
    same("before", server.ask("GET", "/stats", key=made["key"]).status, 200)
    server.ask("DELETE", f"/keys/{made['id']}").json(200)
    holds(server.again(lambda: _is_refused(server, made["key"])), "a revoked key still holds")
    server.post("/keys", {"name": made["name"], "scope": "reader"}).problem(409)


@check()
def a_key_holds_until_it_expires(server: Trial) -> None:
    """A key with `expires_in_seconds` is 401 after them."""
    key = _made(server, "reader", expires_in_seconds=2)["key"]
    server.server.pass_time(2.5)
    holds(server.again(lambda: _is_refused(server, key)), "an expired key still holds")


@check()
def a_key_may_be_bound_to_task_types(server: Trial) -> None:
    """A key that is bound to task types claims these; a claim of others is 403."""
    key = _made(server, "worker", task_types=[server.type_of("Bound")])["key"]
    found = [server.post("/tasks/claim", _claim(server, kind), key=key).status for kind in ("Bound", "Other")]
    holds(found[0] in {200, 404} and found[1] == 403, f"claims of its type and of another are {found}")  # noqa: PLR2004


@check()
def a_key_that_makes_no_sense_is_refused(server: Trial) -> None:
    """A key without a name, of an unknown scope, or of an admin bound to types is 422."""
    _need_key(server)
    for said in (
        {"scope": "reader"},
        {"name": server.worker("odd"), "scope": "king"},
        {"name": server.worker("odd"), "scope": "admin", "task_types": [server.type_of()]},
    ):
        server.post("/keys", said).problem(422)


def _need_key(server: Trial) -> None:
    if server.server.talk.key is None:
        raise NotChecked(
            "the first key of a server shuts everybody else out; give one of an admin with --key"
        )


def _made(server: Trial, scope: str, **said: Any) -> dict[str, Any]:
    _need_key(server)
    found: dict[str, Any] = server.secret(
        "/keys", {"name": server.worker(f"key-{scope}"), "scope": scope, **said}
    )
    server.afterwards("DELETE", f"/keys/{found['id']}")
    holds(server.again(lambda: _is_known(server, found["key"])), "a new key does not hold")
    return found


def _claim(server: Trial, kind: str) -> dict[str, Any]:
    return {"worker_id": server.worker(), "task_types": [server.type_of(kind)]}


def _is_known(server: Trial, key: str) -> bool:
    """Whether every process of the server, as far as several calls meet them all, has heard of a new key."""
    return not any(server.ask("GET", "/health", key=key).status == 401 for _ in range(MANY))  # noqa: PLR2004


def _is_refused(server: Trial, key: str) -> bool:
    return server.ask("GET", "/stats", key=key).status == 401  # noqa: PLR2004
