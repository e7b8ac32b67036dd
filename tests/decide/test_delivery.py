"""What a reply to a report means."""

from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.delivery import PARK_AFTER, Again, Park, Settle, judge
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.model.protocol import (
    Conflict,
    Rejected,
    ReportAnswer,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.report import Report, Settlement, Verdict

REPORT = Report(1, Identity("s", "v1", "t1", "T", "d", "w"), Completed("1"))
FAILURES = [
    Unreachable("reset"),
    Throttled("429", 3.0),
    Unauthorised("401"),
    UnrecognisedServer("HTML 404"),
    Rejected(400, "bad"),
]


def test_an_accepted_report_is_settled():
    assert judge(REPORT, ReportAnswer(Verdict.ACCEPTED)) == Settle(Settlement.ACCEPTED)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("tries", [0, 1000])
def test_r21_no_number_of_tries_ends_a_report_only_a_verdict_does(failure, tries):
    assert isinstance(judge(replace(REPORT, tries=tries), failure), Again)


def test_r26_a_409_at_the_first_try_means_that_the_claim_is_lost():
    judgement = judge(REPORT, ReportAnswer(Verdict.CONFLICT))

    assert isinstance(judgement, Settle)
    assert (judgement.settlement, judgement.keep) == (Settlement.LOST, True)


def test_r26_a_409_after_an_unanswered_try_is_accepted_unconfirmed():
    judgement = judge(replace(REPORT, maybe_seen=True), ReportAnswer(Verdict.CONFLICT))

    assert isinstance(judgement, Settle)
    assert (judgement.settlement, judgement.keep) == (Settlement.UNCONFIRMED, True)


def test_a_conflict_without_a_verdict_s_clothes_is_judged_alike():
    assert judge(REPORT, Conflict()) == judge(REPORT, ReportAnswer(Verdict.CONFLICT, "somebody was faster"))


def test_r26_a_json_404_parks_the_report_and_a_foreign_one_is_no_verdict():
    assert judge(REPORT, ReportAnswer(Verdict.MISSING)) == Park("the server knows no such task")
    assert isinstance(judge(REPORT, UnrecognisedServer("HTML 404")), Again)


def test_r24_refused_content_is_parked_and_replaced_by_a_short_permanent_failure():
    judgement = judge(REPORT, ReportAnswer(Verdict.REFUSED, "result too large"))

    assert isinstance(judgement, Park)
    assert judgement.replacement == Failed(
        "the server refused the result: result too large", "refused", retryable=False
    )


def test_r24_a_refused_replacement_is_parked_without_another_one():
    refused = replace(REPORT, outcome=Failed("the server refused the result", "refused", retryable=False))

    assert judge(refused, ReportAnswer(Verdict.REFUSED, "no")) == Park("no", None)


def test_r25_lost_and_unknown_keep_the_result():
    for verdict in (Verdict.LOST, Verdict.UNKNOWN):
        judgement = judge(REPORT, ReportAnswer(verdict))
        assert isinstance(judgement, Settle)
        assert judgement.keep


def test_r23_a_report_that_fails_while_others_pass_is_parked_at_last():
    assert isinstance(judge(replace(REPORT, passed=PARK_AFTER - 1), Unreachable("500")), Again)
    assert isinstance(judge(replace(REPORT, passed=PARK_AFTER), Unreachable("500")), Park)


def test_r24_a_result_that_never_passes_is_replaced_by_a_short_failure_and_may_have_been_seen():
    stuck = replace(REPORT, passed=PARK_AFTER)
    parked = judge(stuck, Unreachable("the connection was reset"))

    assert parked.replacement.error_type == "refused"
    assert not parked.replacement.retryable
    assert "13 times while others passed, last: the connection was reset" in parked.replacement.error
    assert parked.maybe_seen
    assert not judge(stuck, Rejected(400, "odd")).maybe_seen
    assert judge(replace(stuck, outcome=parked.replacement), Unreachable("x")).replacement is None


def test_a_throttled_report_keeps_the_server_s_wish():
    judgement = judge(REPORT, Throttled("429", 7.0))

    assert isinstance(judgement, Again)
    assert (judgement.retry_after, judgement.maybe_seen) == (7.0, False)
