"""Odd bodies, paths and queries at every route: each is answered with a status and a problem, and nothing fails.

The routes, their fields and parameters come from the OpenAPI file, so that new ones are tried too.
"""

import json
import logging
import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from prismq_worker_sdk.taskmanager import app
from tests.support.api import SERVER, TYPE, running_api

DOCUMENT = yaml.safe_load((Path(__file__).parents[3] / "docs/reference/openapi.yaml").read_text("utf-8"))
METHODS = ("get", "post", "put", "patch", "delete")
PARTS = [
    *(
        "%00",
        "x" * 300,
        "%C3%A9%F0%9F%92%A9",
        "%ff",
        "a%2Fb",
        "%2e%2e%2fx",
        "%20",
        "%25s",
        "%22'%3C",
        "a%0Ab",
    ),
    *("9" * 40, "-1", "%ED%A0%80", TYPE, "w1"),
]
RAW = [
    b"",
    b"{nope",
    b"null",
    b"[]",
    b'"x"',
    b"1e999",
    b'{"a": 1e999}',
    b"\xff",
    b'{"a": "\\ud800"}',
    b"[" * 100_000,
]
RAW += [b'{"a":' * 600 + b"1" + b"}" * 600, b"{} {}", "{}".encode("utf-16")]
ODD = [
    None,
    True,
    -1,
    0,
    2**63,
    1e308,
    "",
    "\x00",
    "x" * 300,
    "💩'\"%_\\",
    "\ud800",
    [],
    [None],
    {},
    {"$ref": "#"},
]
FITTING = ("Test.Some", "a", "0 3 * * *", "2099-01-01T00:00:00Z", "http://127.0.0.1:9/x")


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("server")) as running:
        running.submit(max_attempts=1)
        running.claim()
        yield running


def operations():
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield (
                    (method, path),
                    [*item.get("parameters", []), *item[method].get("parameters", [])],
                    item[method],
                )


def resolved(found):
    while "$ref" in found:
        place = DOCUMENT
        for step in found["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        found = place
    return found


def fields(schema):
    """The members of an object, of all the schemas that it is made of."""
    schema = resolved(schema)
    found = dict(schema.get("properties", {}))
    for one in schema.get("allOf", []):
        found |= fields(one)
    return found


def sample(schema):
    """A small value that fits."""
    schema = resolved(schema)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return sample(schema[several][0])
    kinds = schema.get("type", "object" if "properties" in schema or "allOf" in schema else "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        parts = [schema, *map(resolved, schema.get("allOf", ()))]
        required = {name for one in parts for name in one.get("required", ())}
        return {name: sample(inner) for name, inner in fields(schema).items() if name in required}
    if kind == "array":
        return [sample(schema.get("items", {}))] * schema.get("minItems", 0)
    if kind == "string":
        return next(one for one in FITTING if re.search(schema.get("pattern", ""), one))
    return {
        "integer": max(1, schema.get("minimum", 1)),
        "number": schema.get("minimum", 1) + 1,
        "boolean": True,
    }[kind]


def body_schema(said):
    content = said.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("schema")


def bodies(schema):
    """Bodies in which one thing is odd."""
    base = sample(schema)
    yield base
    for name, inner in fields(schema).items():
        yield from ({**base, name: odd} for odd in ODD)
        inside = resolved(inner).get("items")
        if inside is not None and fields(inside):
            item = sample(inside)
            yield from ({**base, name: [{**item, field: odd}]} for field in fields(inside) for odd in ODD)


def filled(path, part="none"):
    return re.sub(r"\{\w+\}", part, path)


OPERATIONS = {route: ([resolved(one) for one in given], said) for route, given, said in operations()}


def judge(route, answer, what):
    """Fails unless the answer is one that the file knows: a problem where it refuses."""
    said = OPERATIONS[route][1]["responses"] if route in OPERATIONS else ["default"]
    status = answer.status_code
    assert status < 500, f"{route} {what!r:.300}: {status} {answer.text[:300]}"
    assert str(status) in said or (status >= 400 and "default" in said), f"{route} {what!r:.300}: {status}"
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json", f"{route} {what!r:.300}"
        assert answer.json()["status"] == status
        assert answer.json()["detail"]


def send(api, route, path, data=None):
    return api.call(route[0].upper(), path, data=data)


@pytest.fixture(autouse=True)
def _nothing_is_logged_as_an_error(caplog):
    caplog.set_level(logging.ERROR)
    yield
    assert [record.getMessage() for record in caplog.records] == []


WITH_BODY = [route for route, (_given, said) in OPERATIONS.items() if body_schema(said) is not None]
WITH_QUERY = [
    route for route, (given, _said) in OPERATIONS.items() if any(one["in"] == "query" for one in given)
]


@pytest.mark.parametrize("route", WITH_BODY, ids=" ".join)
def test_what_is_no_json_or_no_object_is_refused(api, route):
    for data in RAW:
        answer = send(api, route, filled(route[1]), data)
        judge(route, answer, data)
        assert answer.status_code >= 400 or data == b""


@pytest.mark.parametrize("route", WITH_BODY, ids=" ".join)
def test_a_body_with_something_odd_in_it_is_taken_or_refused_and_never_fails(api, route):
    for part in ("none", TYPE) if "{" in route[1] else ("none",):
        for body in bodies(body_schema(OPERATIONS[route][1])):
            judge(route, send(api, route, filled(route[1], part), json.dumps(body).encode()), body)


@pytest.mark.parametrize("route", [route for route in OPERATIONS if "{" in route[1]], ids=" ".join)
def test_an_odd_part_of_a_path_is_no_name_or_unknown(api, route):
    schema = body_schema(OPERATIONS[route][1])
    data = None if schema is None else json.dumps(sample(schema)).encode()
    schemas = [resolved(one["schema"]) for one in OPERATIONS[route][0] if one["in"] == "path"]
    for part in PARTS:
        answer = send(api, route, filled(route[1], part), data)
        if "%2F" not in part.upper():
            judge(route, answer, part)
        assert answer.status_code < 500, part  # a slash may lead to another route
        if not all(re.search(one.get("pattern", ""), unquote(part)) for one in schemas):
            assert answer.status_code >= 400, (route, part)


@pytest.mark.parametrize("route", WITH_QUERY, ids=" ".join)
def test_an_odd_query_is_taken_or_refused_and_never_fails(api, route):
    names = [one["name"] for one in OPERATIONS[route][0] if one["in"] == "query"]
    values = [*PARTS, "", "%", "null", "x" * 10_000, "2099-01-01T00:00:00Z", "1e400", "1&{0}=2"]
    for name in [*names, "unknown"]:
        for value in values:
            path = f"{filled(route[1])}?{name}={value.format(name)}"
            judge(route, send(api, route, path), f"{name}={value}")


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_a_method_that_a_path_has_not_is_refused(api, path):
    for method in ("OPTIONS", "TRACE", "PROPFIND"):
        answer = api.call(method, filled(path))
        judge((method, path), answer, method)
        assert answer.status_code == 405


@pytest.mark.skipif(SERVER in os.environ, reason="it is SQLite that is told to be so")
@pytest.mark.parametrize("trouble", ["query_only = ON", "max_page_count = 1"])
def test_a_database_that_is_read_only_or_full_is_told_by_every_route_that_writes(
    tmp_path, trouble, caplog, monkeypatch
):
    monkeypatch.setattr(app, "TELL_EVERY", 1e9)
    with running_api(tmp_path) as api:
        task_id = api.submit(max_attempts=1)
        api.chore(lambda state: state.run(lambda db, _now: db.exec_driver_sql(f"PRAGMA {trouble}").close()))
        large = {"type": TYPE, "params": {"x": "a" * 100_000}}
        refused = [api.call("POST", "/tasks", large)]
        for route, (_given, said) in OPERATIONS.items():
            schema = body_schema(said)
            data = None if schema is None else json.dumps(sample(schema)).encode()
            refused.append(send(api, route, filled(route[1], task_id), data))
        said = [one.getMessage() for one in caplog.records if "the database failed" in one.getMessage()]
        caplog.clear()

    told = [answer for answer in refused if answer.status_code >= 500]
    assert refused[0] in told
    assert {answer.status_code for answer in told} == {503}
    assert {answer.headers["retry-after"] for answer in told} == {"1"}
    assert all("nothing was stored" in answer.json()["detail"] for answer in told)
    assert len(said) == 1
