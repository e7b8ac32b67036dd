"""Every route of the TaskManager with every kind of key, held to the table in docs/reference/access.md."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.taskmanager.app import PARTS
from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.taskmanager.listening import PREFIX
from tests.support.api import TYPE, running_api
from tests.support.routes import routes_of

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "access.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+) (/\S*)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
TABLE = {(method, path): (set(who.split(", ")), bound) for method, path, who, bound in ROW.findall(PAGE)}
ADMIN = "admin-key-of-the-file"
SCOPES = [str(one) for one in Scope]
BOUND_TO = "Test.Other"
NEW = {"type": TYPE}
CLAIM = {"worker_id": "w1", "task_types": [TYPE]}
BOUND = {
    ("GET", "/health"): (None, 200),
    ("GET", "/openapi.json"): (None, 200),
    ("POST", "/tasks/claim"): (CLAIM, 403),
    ("POST", "/tasks/{task_id}/complete"): ({"worker_id": "w1"}, 404),
    ("POST", "/tasks/{task_id}/fail"): ({"worker_id": "w1", "error": "x"}, 404),
    ("POST", "/tasks/exchange"): ({"worker_id": "w1", "claim": {"task_types": [TYPE]}}, 403),
    ("POST", "/tasks"): (NEW, 403),
    ("POST", "/tasks/batch"): ({"tasks": [NEW]}, 200),
    ("GET", "/tasks"): (None, 200),
    ("GET", "/tasks/{task_id}"): (None, 404),
    ("GET", "/tasks/{task_id}/logs"): (None, 404),
    ("GET", "/tasks/{task_id}/children"): (None, 404),
    ("GET", "/task-types"): (None, 200),
    ("GET", "/task-types/{name}"): (None, 404),
    ("PUT", "/task-types/{name}"): ({"version": "1", "param_schema": {}}, 403),
    ("GET", "/task-types/{name}/limits"): (None, 403),
    ("GET", "/stats"): (None, 200),
    ("GET", "/metrics"): (None, 200),
}
"""What a key is answered that is bound to other types than what the call is about: body, status."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with a key of every kind, and a task that is claimed."""
    with running_api(tmp_path_factory.mktemp("server"), keys=(ApiKey.of(ADMIN, Scope.ADMIN),)) as api:

        def make(name, scope, **more):
            made = api.call("POST", "/keys", {"name": name, "scope": scope, **more}, key=ADMIN)
            assert made.status_code == 201, made.text
            return made.json()["key"]

        api.keys = {"none": None, "wrong": "prismq_key_" + "x" * 43}
        for scope in SCOPES:
            api.keys[scope] = make(scope, scope)
            if scope != "admin":
                api.keys[f"bound {scope}"] = make(f"bound {scope}", scope, task_types=[BOUND_TO])
        api.keys["revoked"] = make("revoked", "admin")
        assert api.call("DELETE", "/keys/revoked", key=ADMIN).status_code == 200
        api.keys["expired"] = make("expired", "admin", expires_in_seconds=60)
        api.clock.turn(60)
        api.chore(AppState.look_at_keys)
        publish = {"version": "1", "param_schema": {}}
        assert api.call("PUT", f"/task-types/{TYPE}", publish, key=ADMIN).status_code == 200
        api.task_id = api.call("POST", "/tasks", NEW, key=ADMIN).json()["id"]
        assert api.call("POST", "/tasks/claim", CLAIM, key=ADMIN).json()["id"] == api.task_id
        yield api


def status(api, route, kind, body, **names):
    path = re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "none"), route[1])
    return api.call(route[0], path, body, key=api.keys[kind]).status_code


def test_the_table_has_every_route_and_no_other():
    api = SimpleNamespace(routes=[route for part in PARTS for route in part.router.routes])

    assert set(TABLE) - {("GET", "/openapi.json")} == routes_of(api, PREFIX), (
        "docs/reference/access.md is to say who may call each route"
    )


def test_each_row_that_takes_a_key_bound_to_types_says_in_this_test_what_becomes_of_another_type():
    assert {route for route, (_who, bound) in TABLE.items() if bound not in {"-", "refused"}} == set(BOUND)
    assert {bound for who, bound in TABLE.values() if who == {"admin"}} == {"-"}


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_no_key_and_one_that_does_not_hold_open_nothing_that_is_not_open_to_anyone(guarded, route):
    anyone = TABLE[route][0] == {"anyone"}
    found = {kind: status(guarded, route, kind, {}) for kind in ("none", "wrong", "revoked", "expired")}

    assert found == {
        kind: 200 if anyone and (kind == "none" or "a wrong key too" in TABLE[route][1]) else 401
        for kind in found
    }


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_a_key_opens_what_its_scope_says_and_admin_opens_all(guarded, route):
    who = {*TABLE[route][0], "admin"}
    found = {scope: status(guarded, route, scope, {}) for scope in SCOPES}

    assert 401 not in found.values()
    assert {scope for scope in SCOPES if found[scope] != 403} == (set(SCOPES) if "anyone" in who else who)


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_a_key_bound_to_types_opens_no_other(guarded, route):
    who, (body, expected) = TABLE[route][0], BOUND.get(route, ({}, 403))
    names = {"task_id": guarded.task_id, "name": TYPE}
    kinds = [scope for scope in SCOPES if scope != "admin"]
    found = {scope: status(guarded, route, f"bound {scope}", body, **names) for scope in kinds}

    assert found == {scope: expected if who & {scope, "anyone"} else 403 for scope in kinds}
