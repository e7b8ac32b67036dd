import json

import pytest

from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.outcome import Completed, Failed, Released
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ReportAnswer,
    Throttled,
    Unauthorised,
    Unreachable,
)
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.wire.client import health
from prismq_worker_sdk.wire.dialects.v1 import base as v1
from tests.support.dialect import CLAIM, reply, report


def asked(*outcomes, claim=None, replies=()):
    """Every request of an exchange, answered in turn, and what it becomes."""
    steps = v1.exchange(ExchangeRequest(tuple(report(outcome) for outcome in outcomes), claim))
    requests, pending = [], [None, *replies]
    try:
        while pending:
            requests.append(steps.send(pending.pop(0)))
    except StopIteration as end:
        return requests, end.value
    return requests, None


def test_the_health_is_asked_for_without_a_body():
    request = next(health())

    assert (request.method, request.segments, request.body) == ("GET", ("health",), None)


def test_a_claim_names_the_worker_and_its_types_and_nothing_else():
    (request,), _ = asked(claim=CLAIM)

    assert (request.method, request.segments) == ("POST", ("tasks", "claim"))
    assert json.loads(request.body) == {"worker_id": "w/1", "task_types": ["Test.Some", "Test.Other"]}


@pytest.mark.parametrize(
    "result", ["null", '{"a":[1,2.50,"ü"]}', '"text"', "12345678901234567890.0", "false"]
)
def test_a_result_goes_out_as_the_very_text_that_was_committed(result):
    (request,), _ = asked(Completed(result))

    assert request.segments == ("tasks", "t1", "complete")
    assert request.body == f'{{"worker_id":"w/1","result":{result}}}'


def test_a_failure_says_its_error_and_nothing_that_the_base_does_not_know():
    (request,), _ = asked(Failed('it "broke"\n', "ValueError", retryable=True, delay_seconds=3))

    assert request.segments == ("tasks", "t1", "fail")
    assert json.loads(request.body) == {"worker_id": "w/1", "error": 'it "broke"\n'}


def test_r01_a_report_goes_out_under_the_worker_id_of_its_claim():
    steps = v1.exchange(ExchangeRequest((report(Completed("1"), worker_id='an "earlier" one'),)))

    assert json.loads(next(steps).body)["worker_id"] == 'an "earlier" one'


@pytest.mark.parametrize(("sign", "size"), [("x", 1), ("ü", 2), ("🎬", 4)])
def test_an_error_is_cut_to_what_the_server_takes_without_tearing_a_character(sign, size):
    (request,), _ = asked(Failed(sign * BASE.max_error_bytes))

    assert json.loads(request.body)["error"] == sign * (BASE.max_error_bytes // size)


def test_an_error_with_lone_surrogates_can_be_sent():
    (request,), _ = asked(Failed("a\ud800b"))

    assert json.loads(request.body.encode())["error"] == "a?b"


def test_a_base_server_takes_nothing_back_so_nothing_is_sent_and_the_claim_lapses():
    requests, exchanged = asked(Released("the worker stops"))

    assert requests == []
    assert exchanged.reports[0].verdict is Verdict.LOST


def test_reports_go_out_one_by_one_before_the_claim_and_each_has_its_own_answer():
    requests, exchanged = asked(
        Completed("1"),
        Failed("x"),
        claim=CLAIM,
        replies=[reply(200, {}), reply(409, {"detail": "not yours"}), reply(200, None)],
    )

    assert [request.call for request in requests] == ["complete", "fail", "claim"]
    assert [found.verdict for found in exchanged.reports] == [Verdict.ACCEPTED, Verdict.CONFLICT]
    assert exchanged.tasks == ()


def test_no_claim_is_sent_to_a_server_that_just_did_not_answer():
    away = Unreachable("the connection was refused", maybe_seen=False)
    requests, exchanged = asked(Completed("1"), Completed("2"), claim=CLAIM, replies=[away, reply(200, {})])

    assert [request.call for request in requests] == ["complete", "complete"]
    assert exchanged.reports == (away, ReportAnswer(Verdict.ACCEPTED))
    assert exchanged.tasks is away


@pytest.mark.parametrize(("answered", "kind"), [(reply(429, {}), Throttled), (reply(401, {}), Unauthorised)])
def test_a_report_that_the_server_answered_does_not_keep_the_claim_back(answered, kind):
    requests, exchanged = asked(Completed("1"), claim=CLAIM, replies=[answered, reply(200, None)])

    assert [request.call for request in requests] == ["complete", "claim"]
    assert isinstance(exchanged.reports[0], kind)


def test_an_exchange_of_nothing_asks_nothing():
    requests, exchanged = asked()

    assert requests == []
    assert (exchanged.reports, exchanged.tasks) == ((), ())
