"""Trace contexts on the wire: of tasks that are created, claimed, and that children are made of."""

import json

import pytest

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.outcome import Child, Completed, Follower
from prismq_worker_sdk.model.protocol import ExchangeRequest, ReportAnswer
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.wire.dialects.v1.base import read_health, read_task
from prismq_worker_sdk.wire.dialects.v1.exchange import exchange
from prismq_worker_sdk.wire.messages import HttpReply, perform
from tests.unit.model.test_trace_context import MALFORMED, PARENT

CAN = Capabilities(renews=True, follows=True, keeps_trace=True)
FULL, BARE = TraceContext(PARENT, "a=1"), TraceContext(PARENT)
CHILDREN = (
    Child("0", "T.T", "{}", 3, trace=FULL),
    Child("1", "T.T", "{}"),
    Follower("then", "T.T", "{}", trace=BARE),
)
CALL = ExchangeRequest(
    reports=(Report(1, Identity("s", "v1", "t1", "T.T", "d", "w", "k1"), Completed("1"), CHILDREN),)
)
ACCEPTED = HttpReply(200, b'{"reports": [{"task_id": "t1", "verdict": "accepted"}]}')


def performed(*answers):
    left, sent = list(answers), []

    def send(request):
        sent.append(json.loads(request.body)["reports"][0])
        return left.pop(0)

    return sent, perform(exchange(CALL, CAN), send)


def test_children_go_with_their_trace_contexts():
    (sent,), _ = performed(ACCEPTED)

    assert sent["children"] == [
        {"key": "0", "type": "T.T", "params": {}, "priority": 3, "traceparent": PARENT, "tracestate": "a=1"},
        {"key": "1", "type": "T.T", "params": {}},
    ]
    assert sent["then"] == {"type": "T.T", "params": {}, "traceparent": PARENT}


@pytest.mark.parametrize("status", [413, 422])
def test_r24_a_report_that_a_server_does_not_take_with_them_goes_again_without(status):
    (_, again), found = performed(HttpReply(status, b"{}"), ACCEPTED)

    assert "traceparent" not in json.dumps(again)
    assert [one["key"] for one in again["children"]] == ["0", "1"]
    assert found.reports == (ReportAnswer(Verdict.ACCEPTED),)


def test_a_task_is_read_with_its_trace_context():
    task = {"id": "t1", "type": "T.T"}

    assert read_task(task | {"traceparent": PARENT, "tracestate": "a=1"}).trace == FULL
    assert read_task(task | {"traceparent": PARENT, "tracestate": None}).trace == BARE
    assert read_task(task | {"tracestate": "a=1"}).trace is None


@pytest.mark.parametrize("given", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_one_of_a_server_is_passed_over(given):
    assert read_task({"id": "t1", "type": "T.T", "traceparent": given, "tracestate": given}).trace is None


@pytest.mark.parametrize(
    ("bundles", "keeps"), [({"trace_context": True}, True), ({"trace_context": 1}, False), ({}, False)]
)
def test_a_server_keeps_them_where_it_says_so(bundles, keeps):
    body = json.dumps({"status": "healthy", "capabilities": bundles}).encode()

    assert read_health(HttpReply(200, body)).capabilities.keeps_trace is keeps
