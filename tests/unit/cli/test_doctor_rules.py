"""The rules of `prismq-worker doctor`, without a server."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.cli.doctor.command import line, summary, would_run
from prismq_worker_sdk.cli.doctor.server import announced, new_address, other_addresses, unreached
from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.model.json import first_difference
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.wire.checks import LISTING, CheckResult, Level, Record, fail, ok, warn
from prismq_worker_sdk.wire.dialects import recognise
from prismq_worker_sdk.wire.dialects.prismq_client.checks import (
    Evidence,
    evidence,
    judge_offsets,
    judge_zones,
    offset_of,
    zone,
)
from prismq_worker_sdk.wire.dialects.prismq_client.checks import check_type as prismq_client_type
from prismq_worker_sdk.wire.dialects.prismq_client.schema import converted
from prismq_worker_sdk.wire.dialects.v1.checks import check_type as v1_type
from tests.support.dialect import reply

URL = "http://tm.example/api"
NAME, SCHEMA = "Test.Some", {"type": "object"}
NOW = 1_795_444_737
HOUR = 3600.0
QUARTERS = st.integers(-48, 56).map(lambda number: number * 900.0)


def written(seconds):
    """How a database whose clock shows this many seconds since 1970 writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def envelope(**data):
    body = {"success": True, "message": "Success", "data": data, "timestamp": NOW}
    return Record(LISTING, reply(200, body), 0.01)


def middleware(offset):
    body = {"error": "Unauthorized", "message": "no", "timestamp": f"2026-11-23T14:38:57{offset}"}
    return Record(LISTING, reply(401, body), 0.01)


# ---- findings


def test_one_failure_is_enough_and_warnings_are_counted():
    found = [ok("a", "x"), warn("b", "x"), fail("c", "x")]

    assert would_run(found[:2])
    assert not would_run(found)
    assert summary(found[:1]) == "a worker would run"
    assert summary(found[:2]) == "a worker would run, 1 warning"
    assert summary(found) == "a worker would not run as it should: 1 check failed, 1 warning"


def test_a_finding_is_one_line_whatever_a_server_said():
    shown = line(CheckResult(Level.FAIL, "key", "it said\nok    key  fine", "look"))

    assert shown == "FAIL  key         it said\\nok    key  fine; look"


# ---- the server


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("the name of the host cannot be resolved", "check the host of --api-url"),
        ("the connection was refused", "start the TaskManager"),
        ("the answer did not come in time", "firewalls"),
        ("SSLError: [SSL] internal error", "check https or http in --api-url"),
        ("HTTP 502: bad gateway", "the server's log"),
        ("the connection was reset", "check --api-url"),
        ("no connection: Network is unreachable", "this machine's network"),
        ("the name of the host was not resolved in time", "DNS"),
    ],
)
def test_each_reason_for_no_answer_has_its_remedy(reason, remedy):
    failure = Unreachable(reason)
    found = unreached(URL, failure, reply=failure)

    assert (found.level, reason in found.text) == (Level.FAIL, True)
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("https://tm.example/api/health", "https://tm.example/api"),
        ("/v2/api/health/", "http://tm.example/v2/api"),
        ("https://user:secret@tm.example/api/health?key=secret", "https://tm.example/api"),
        ("//[broken", None),
        ("ftp://tm.example/api/health", None),
    ],
)
def test_where_a_redirect_leads_is_an_address_without_secrets(location, address):
    assert new_address(URL, reply(302, b"", location=location)) == address
    assert new_address(URL, reply(404, b"", location=location)) is None


def test_addresses_that_may_have_been_meant_are_near_and_never_the_same():
    assert other_addresses("http://h") == ["http://h/api"]
    assert other_addresses("http://h/api") == ["http://h/api/api", "http://h"]
    assert "http://h/app/api" in other_addresses("http://h/app/api/v1")
    assert "http://h/api" in other_addresses("http://h/api/health")


# ---- schemas


@pytest.mark.parametrize(
    ("ours", "theirs", "place"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}, None),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "/a/b/1"),
        ({"a": [1]}, {"a": [1, 2]}, "/a/1"),
        ({"a/b": 1}, {}, "/a~1b"),
        ({}, {"m~n": 1}, "/m~0n"),
        ({"a": 1}, {"a": True}, "/a"),
        ({"a": 1}, {"a": 1.0}, None),
        ({}, None, ""),
    ],
)
def test_the_first_difference_is_told_by_its_pointer(ours, theirs, place):
    assert first_difference(ours, theirs) == place


def test_a_schema_is_compared_as_the_server_in_production_keeps_it():
    ours = {
        "$schema": "x",
        "type": "object",
        "title": "P",
        "properties": {"a": {"title": "A"}, "b": {"type": "string", "maxLength": 5}},
        "required": ["b"],
    }
    theirs = {
        "required": ["b"],
        "type": "object",
        "properties": {"a": [], "b": {"maxLength": 20, "type": "string"}},
    }

    assert first_difference(converted(ours), theirs) is None
    theirs["properties"]["b"]["maxLength"] = 5
    assert first_difference(converted(ours), theirs) == "/properties/b/maxLength"


def test_a_schema_without_a_bottom_is_different_somewhere():
    deep = reply(200, b'{"a":' * 900 + b"1" + b"}" * 900).json

    assert first_difference(deep, deep).startswith("/a/a/a")


# ---- whatever is answered

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["items", "param_schema", "name", "id", "created_at", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(data=JSON, at=JSON, time=st.text() | st.datetimes().map(str))
def test_whatever_json_a_server_answers_something_is_said_of_it(data, at, time):
    bodies = [data, {"success": True, "data": data, "timestamp": at}, {"error": "x", "timestamp": time}]
    bodies += [{"success": True, "data": {"items": [{"created_at": time, "name": data}]}, "timestamp": at}]
    seen = [Record(LISTING, reply(200, body), 0.0) for body in bodies]

    assert judge_zones(evidence(seen)).text
    assert judge_offsets(database=offset_of(time, at), php=None, taken_at_once=False, claim_timeout=1.0).text
    assert announced(seen) is None
    for one in seen:
        assert v1_type(NAME, SCHEMA, one.answer, publish="p").text
        assert recognise(one.answer)
    found = data if isinstance(data, dict) else None
    result = prismq_client_type(NAME, SCHEMA, found, publish="p")
    assert result is None or result.text


# ---- time zones


@given(database=QUARTERS, php=QUARTERS, age=st.integers(0, 10_000_000))
def test_what_is_said_of_time_zones_without_a_claim_is_never_wrong(database, php, age):
    newest = written(NOW + database - age)
    sign, minutes = "+" if php >= 0 else "-", int(abs(php)) // 60
    seen = [
        middleware(f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"),
        envelope(items=[{"created_at": newest, "completed_at": None}], count=1),
    ]
    found = evidence(seen)
    judged = judge_zones(found)

    assert found == Evidence(php, database - age)
    if judged.level is Level.WARN:
        assert database > php
    if judged.level is Level.OK:
        assert database >= php


def test_without_any_time_or_any_zone_nothing_is_claimed():
    assert evidence([envelope(items=[], count=0)]) == Evidence(None, None)
    assert judge_zones(Evidence(None, None)).level is Level.SKIP
    assert judge_zones(Evidence(None, -5.0)).level is Level.SKIP
    assert judge_zones(Evidence(0.0, None)).level is Level.SKIP


@given(database=QUARTERS, late=st.integers(-60, 60))
def test_a_time_that_was_written_just_now_shows_its_zone(database, late):
    assert offset_of(written(NOW + database + late), NOW) == database


@pytest.mark.parametrize("time", [None, 5, "soon", "2026-11-23T14:38:57+00:00"])
def test_what_is_no_time_without_a_zone_shows_none(time):
    assert offset_of(time, NOW) is None
    assert offset_of("2026-11-23 14:38:57", None) is None


@pytest.mark.parametrize(
    ("database", "php", "at_once", "level", "told"),
    [
        (0.0, 0.0, False, Level.OK, "both at UTC"),
        (HOUR, HOUR, False, Level.OK, "both at UTC+01:00"),
        (0.0, None, False, Level.OK, "a claim holds"),
        (2 * HOUR, None, False, Level.WARN, "if PHP does not"),
        (2 * HOUR, 0.0, False, Level.WARN, "comes back 2h too late"),
        (-HOUR, 0.0, True, Level.FAIL, "every task may run twice"),
        (-900.0, 0.0, False, Level.WARN, "claims run out after 45m"),
        (None, 0.0, False, Level.SKIP, "shows no time"),
        (None, None, True, Level.FAIL, "every task may run twice"),
    ],
)
def test_what_a_claim_showed_is_told_for_what_it_means(database, php, at_once, level, told):
    found = judge_offsets(database=database, php=php, taken_at_once=at_once, claim_timeout=HOUR)

    assert found.level is level
    assert told in found.text


def test_an_offset_is_written_as_people_do():
    assert [zone(seconds) for seconds in (0.0, 5.5 * HOUR, -9.5 * HOUR)] == ["UTC", "UTC+05:30", "UTC-09:30"]
