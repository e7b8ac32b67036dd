import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prismq_worker_sdk.model.json import digest
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    Conflict,
    Grant,
    Rejected,
    ReportAnswer,
    ServerInfo,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.reading import retry_after
from tests.support.dialect import value

FAILURES = (Unreachable, Throttled, Unauthorised, UnrecognisedServer, Conflict, Rejected)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 0, -1])
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=20) | st.sampled_from(
    ["t1", "Test.Some", "pending", "2026-11-23T10:00:00Z", "0001-01-01T00:00:00+23:59", "\ud800", ".", ".."]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=10,
)
NAMES = ("id", "type", "status", "params", "created_at", "claimed_at", "completed_at", "worker_id", "result")
MORE_NAMES = (
    "error",
    "attempt",
    "max_attempts",
    "priority",
    "progress",
    "checkpoint",
    "not_before",
    "server",
)
OBJECTS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys((*NAMES, *MORE_NAMES, "detail", "success"), VALUES)
)
TASKS = st.builds(lambda more: {"id": "t1", "type": "Test.Some", "params": {}, **more}, OBJECTS)
BODIES = st.binary(max_size=60) | st.builds(
    lambda found: json.dumps(found).encode(), VALUES | OBJECTS | TASKS
)
STATUSES = st.sampled_from([200, 200, 200, 404, 409, 413, 422, 429, 503]) | st.integers(100, 999)
DATES = st.sampled_from(["Mon, 23 Nov 2026 10:00:30 GMT", "Mon, 1 Jan 0001 00:00:00 +2359", "31 Feb 99"])
LATIN = st.text(st.characters(max_codepoint=255), max_size=30)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": LATIN | DATES | st.integers().map(str),
        "date": LATIN | DATES,
        "location": LATIN | st.sampled_from(["http://[", "//", "http://h:port/"]),
        "content-type": LATIN,
    },
)
ANSWERS = st.builds(HttpReply, STATUSES, BODIES, HEADERS)


def storable(*texts):
    for text in texts:
        text.encode()


@given(ANSWERS)
def test_r33_no_answer_whatever_makes_a_probe_raise(answered):
    found = value("health", answered)

    assert isinstance(found, (ServerInfo, *FAILURES))
    storable(getattr(found, "instance", ""), getattr(found, "reason", ""))


@given(ANSWERS)
@example(HttpReply(200, b'{"id": "t1", "type": "T", "params": {"x": NaN}}'))
@example(HttpReply(200, b'{"id": "t1", "type": "T", "params": {"x": 1e999}}'))
@example(HttpReply(200, b'{"id": "t1", "type": "T", "params": {"x": ' + b"[" * 800 + b"]" * 800 + b"}}"))
@example(HttpReply(200, b'{"id": "t1", "type": "T", "status": ' + b"[" * 900 + b"]" * 900 + b"}"))
def test_r03_no_answer_whatever_makes_a_claim_raise_and_what_is_granted_can_be_held(answered):
    found = value("claim", answered)

    if isinstance(found, FAILURES):
        storable(found.reason)
        return
    for grant in found:
        match grant:
            case Grant(task=task):
                storable(task.id, digest(dict(task.params)))
            case BadGrant(task_id=task_id, task_type=task_type, reason=reason):
                storable(task_id or "", task_type, reason)
            case _:
                pytest.fail(f"{grant!r} is no grant")


@pytest.mark.parametrize("call", ["complete", "fail"])
@given(answered=ANSWERS)
def test_r21_no_answer_whatever_makes_a_report_raise(call, answered):
    found = value(call, answered)

    assert isinstance(found, (ReportAnswer, *FAILURES))
    storable(found.detail if isinstance(found, ReportAnswer) else found.reason)


@given(HEADERS)
def test_a_wait_that_a_server_asks_for_is_a_finite_number_of_seconds_or_none(headers):
    seconds = retry_after(HttpReply(503, b"", headers))

    assert seconds is None or 0 <= seconds <= 86400
