"""The rules of `prismq-worker doctor`, without a server."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.cli.doctoring.asking import Seen, get
from prismq_worker_sdk.cli.doctoring.finding import Finding, Level, bad, line, ok, summary, warn, would_run
from prismq_worker_sdk.cli.doctoring.folder import look_at_folder, stored
from prismq_worker_sdk.cli.doctoring.limits import Limit, announced, rate_limit
from prismq_worker_sdk.cli.doctoring.reaching import new_address, other_addresses, unreached
from prismq_worker_sdk.cli.doctoring.schemas import as_stored_there, first_difference, published_there
from prismq_worker_sdk.cli.doctoring.zones import (
    Evidence,
    evidence,
    judge_offsets,
    judge_zones,
    offset_of,
    zone,
)
from prismq_worker_sdk.model.calls import Unreachable
from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.outbox.looking import Entry
from tests.support.dialect import reply

URL = "http://tm.example/api"
NOW = 1_795_444_737
HOUR = 3600.0
QUARTERS = st.integers(-48, 56).map(lambda number: number * 900.0)


def written(seconds):
    """How a database whose clock shows this many seconds since 1970 writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def envelope(**data):
    body = {"success": True, "message": "Success", "data": data, "timestamp": NOW}
    return Seen(get("list", "tasks"), reply(200, body), 0.01)


def middleware(offset):
    body = {"error": "Unauthorized", "message": "no", "timestamp": f"2026-11-23T14:38:57{offset}"}
    return Seen(get("list", "tasks"), reply(401, body), 0.01)


# ---- findings


def test_one_failure_is_enough_and_warnings_are_counted():
    found = [ok("a", "x"), warn("b", "x"), bad("c", "x")]

    assert would_run(found[:2])
    assert not would_run(found)
    assert summary(found[:1]) == "a worker would run"
    assert summary(found[:2]) == "a worker would run, 1 warning"
    assert summary(found) == "a worker would not run as it should: 1 check failed, 1 warning"


def test_a_finding_is_one_line_whatever_a_server_said():
    shown = line(Finding("key", Level.FAIL, "it said\nok    key  fine", "look"))

    assert shown == "FAIL  key         it said\\nok    key  fine; look"


# ---- the server


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("the name of the host cannot be resolved", "check the host of --api-url"),
        ("the connection was refused", "start the TaskManager"),
        ("the answer did not come in time", "firewalls"),
        ("SSLError: certificate verify failed", "REQUESTS_CA_BUNDLE"),
        ("HTTP 502: bad gateway", "the server's log"),
        ("the connection was reset", "check --api-url"),
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

    assert first_difference(published_there(ours), as_stored_there(theirs)) is None
    theirs["properties"]["b"]["maxLength"] = 5
    assert first_difference(published_there(ours), as_stored_there(theirs)) == "/properties/b/maxLength"


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


# ---- limits


def test_the_window_is_the_longest_that_an_answer_shows():
    def said(left):
        headers = {"x-ratelimit-limit": "100", "x-ratelimit-reset": str(NOW + left)}
        headers["date"] = "Tue, 24 Nov 2026 00:00:00 GMT" if left is None else httpdate(NOW)
        return Seen(
            get("list", "tasks"), reply(200, {}, **{k.replace("-", "_"): v for k, v in headers.items()}), 0.0
        )

    assert announced([said(12), said(60), said(59)]) == Limit(100, 60.0)
    assert announced([envelope()]) is None


def httpdate(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize(
    ("types", "poll", "level"),
    [(1, 10.0, Level.OK), (8, 10.0, Level.OK), (9, 10.0, Level.WARN), (1, 0.5, Level.WARN)],
)
def test_a_second_worker_must_fit_into_the_limit(types, poll, level):
    assert rate_limit(Limit(100), types=types, poll_interval=poll, can=BASE).level is level


def test_a_worker_that_waits_on_the_server_asks_less():
    waiting = Capabilities(max_wait_seconds=30.0, renews=True)
    found = rate_limit(Limit(100), types=1, poll_interval=0.1, can=waiting)

    assert found.level is Level.OK
    assert "idle this one sends 2 claims" in found.text


def test_a_limit_that_was_hit_is_a_warning():
    assert rate_limit(Limit(100, hit=True), types=1, poll_interval=10.0, can=BASE).level is Level.WARN


# ---- the state folder


def entry(state, server=URL):
    return Entry("instance-0", 1, state, "completed", server, "v1", "t", "T", "w", "", 1, 0.0, 0, 0.0, "")


def test_what_waits_is_parked_or_belongs_to_another_server_is_told():
    entries = [entry("waiting"), entry("waiting", "http://old.example/api"), entry("parked"), entry("held")]
    first, parked, foreign = stored(Path("state"), entries, server=URL)

    assert (first.level, parked.level, foreign.level) == (Level.OK, Level.WARN, Level.WARN)
    assert "reports waiting: 2, claims without an outcome: 1" in first.text
    assert parked.remedy == "see prismq-worker outbox list --state parked"
    assert "http://old.example/api" in foreign.text
    assert [one.level for one in stored(Path("state"), [entry("waiting", "x")], server=None)] == [Level.OK]


def test_r12_a_disk_without_room_for_the_results_of_every_slot_is_a_failure(tmp_path):
    found = list(look_at_folder(tmp_path / "not" / "there", None, server=None, needed=2**62))

    assert [one.level for one in found] == [Level.FAIL, Level.OK]
    assert "MiB are needed before claiming" in found[0].text


def test_an_instance_that_cannot_be_read_is_a_warning(tmp_path):
    (tmp_path / "instance-0").mkdir()
    (tmp_path / "instance-0" / "outbox.db").write_bytes(b"no database" * 100)
    found = list(look_at_folder(tmp_path, None, server=None, needed=0))

    assert [one.level for one in found] == [Level.WARN, Level.OK]
    assert "cannot be read" in found[0].text
