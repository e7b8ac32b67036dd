import json
from dataclasses import replace

import pytest

from prismq_worker_sdk.model.outcome import Completed, Failed, Released
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    LeaseAnswer,
    LeaseVerdict,
    Rejected,
    ReportAnswer,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.report import Verdict
from tests.support.prismq_talk import (
    ANOTHER,
    DEADLOCK,
    NOT_CLAIMED,
    NOTHING,
    OWNER,
    SILENCE,
    TOO_LONG,
    UNKNOWN,
    Talk,
    raw,
    refused,
    renewal,
    report,
    said,
    shown,
)

DONE, BROKEN = Completed('{"n":1}'), Failed("it broke")


def accepted(status):
    return said({"id": "20", "status": status, "message": "Task completed"})


def sent(one, *replies):
    talk = Talk()
    found = talk(ExchangeRequest(reports=(one,)), *replies)
    return talk, found.reports[0]


def test_a_result_and_a_failure_go_the_same_way_under_the_claim_s_own_id():
    talk, reply = sent(report(DONE), accepted("completed"))
    assert talk.paths == ["POST /tasks/20/complete"]
    assert talk.body() == {"worker_id": OWNER, "success": True, "result": {"n": 1}}
    assert reply == ReportAnswer(Verdict.ACCEPTED, "the task is completed")

    talk, reply = sent(report(BROKEN), accepted("pending (retry)"))
    assert talk.paths == ["POST /tasks/20/complete"]
    assert talk.body() == {"worker_id": OWNER, "success": False, "error": "it broke"}
    assert reply.verdict is Verdict.ACCEPTED


def test_r26_a_claim_of_another_worker_is_lost():
    assert sent(report(DONE), refused(*ANOTHER))[1].verdict is Verdict.LOST


def test_r26_a_first_report_of_a_task_that_is_not_claimed_asks_how_it_stands():
    theirs = shown(status="completed", claimed_by="w/2")
    assert sent(report(DONE), refused(*NOT_CLAIMED), theirs)[1].verdict is Verdict.LOST

    ours = shown(status="completed", claimed_by=OWNER)
    assert sent(report(DONE), refused(*NOT_CLAIMED), ours)[1].verdict is Verdict.ACCEPTED

    still = shown(status="claimed", claimed_by=OWNER)
    assert isinstance(sent(report(DONE), refused(*NOT_CLAIMED), still)[1], Rejected)


def test_r26_a_task_that_is_gone_is_missing_and_never_deletes_the_outcome():
    for unknown in (UNKNOWN, (404, "Record not found")):
        assert sent(report(DONE), refused(*unknown))[1].verdict is Verdict.MISSING
        assert sent(report(DONE, maybe_seen=True), refused(*unknown))[1].verdict is Verdict.MISSING
    assert sent(report(DONE, maybe_seen=True), NOTHING)[1].verdict is Verdict.MISSING
    assert isinstance(sent(report(DONE), raw(404, b"<h1>"))[1], UnrecognisedServer)
    assert isinstance(sent(report(DONE), refused(404, "Endpoint not found"))[1], UnrecognisedServer)


@pytest.mark.parametrize(
    ("outcome", "fields", "verdict"),
    [
        (DONE, {"status": "completed", "claimed_by": OWNER}, Verdict.ACCEPTED),
        (DONE, {"status": "completed", "claimed_by": "w/2"}, Verdict.LOST),
        (DONE, {"status": "claimed", "claimed_by": "w/2"}, Verdict.LOST),
        (DONE, {"status": "pending"}, Verdict.LOST),
        (DONE, {"status": "failed", "claimed_by": OWNER}, Verdict.LOST),
        (BROKEN, {"status": "failed", "claimed_by": OWNER}, Verdict.ACCEPTED),
        (BROKEN, {"status": "pending", "error_message": "it broke"}, Verdict.CONFLICT),
        (BROKEN, {"status": "claimed", "claimed_by": "w/2"}, Verdict.CONFLICT),
    ],
)
def test_r26_what_an_unanswered_report_came_to_is_read_from_the_task(outcome, fields, verdict):
    talk, reply = sent(report(outcome, maybe_seen=True), shown(**fields))

    assert talk.paths == ["GET /tasks/20"]
    assert reply.verdict is verdict


def test_r26_a_report_is_repeated_only_while_the_claim_is_still_ours():
    talk, reply = sent(
        report(DONE, maybe_seen=True), shown(status="claimed", claimed_by=OWNER), accepted("completed")
    )

    assert talk.paths == ["GET /tasks/20", "POST /tasks/20/complete"]
    assert reply.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    "answer", [SILENCE, refused(500, "Internal server error"), raw(429, b"", retry_after="3")]
)
def test_r26_a_question_that_is_not_answered_sends_no_report(answer):
    talk, reply = sent(report(DONE, maybe_seen=True), answer)

    assert talk.paths == ["GET /tasks/20"]
    assert not isinstance(reply, ReportAnswer)


def test_a_task_that_the_server_gives_for_another_id_is_not_believed():
    assert (
        sent(report(DONE, maybe_seen=True), shown(number=21, status="completed"))[1].verdict
        is Verdict.MISSING
    )


def test_r26_a_report_that_met_a_double_of_something_is_looked_up_before_it_is_sent_again():
    talk, reply = sent(report(DONE), refused(500, "SQLSTATE[23000]: Integrity constraint violation: 1062"))

    assert talk.paths == ["POST /tasks/20/complete"]
    assert isinstance(reply, Unreachable)
    assert reply.maybe_seen


def test_a_deadlock_is_repeated_at_once_and_after_some_of_them_later():
    talk, reply = sent(report(DONE), refused(*DEADLOCK), refused(*DEADLOCK), accepted("completed"))
    assert reply.verdict is Verdict.ACCEPTED
    assert len({request.body for request in talk.asked}) == 1

    assert isinstance(sent(report(DONE), *[refused(*DEADLOCK)] * 4)[1], Rejected)


def test_a_failure_that_the_server_did_by_half_is_found_with_its_attempt():
    failed = shown(status="failed", claimed_by=OWNER, attempts=2)
    talk, reply = sent(report(Failed("it broke")), refused(*DEADLOCK), refused(*NOT_CLAIMED), failed)

    assert talk.paths == ["POST /tasks/20/complete"] * 2 + ["GET /tasks/20"]
    assert (reply.verdict, reply.failed_at) == (Verdict.ACCEPTED, 2)
    assert sent(report(Failed("it broke")), accepted("failed"))[1].failed_at is None


@pytest.mark.parametrize(
    "answer",
    [
        refused(*TOO_LONG),
        refused(500, "SQLSTATE[22007]: Invalid datetime format: 1366 Incorrect string value"),
        refused(400, "Invalid JSON in request body"),
        raw(413, {"error": "Request Too Large", "message": "exceeds 1 MB"}),
    ],
)
def test_r24_content_that_will_never_fit_is_refused(answer):
    assert sent(report(DONE), answer)[1].verdict is Verdict.REFUSED


@pytest.mark.parametrize(("letters", "fits"), [(65_533, True), (65_534, False)])
def test_r14_the_size_is_checked_before_sending(letters, fits):
    text = json.dumps("x" * letters)

    talk, reply = sent(report(Completed(text)), *([accepted("completed")] if fits else []))

    assert (reply.verdict is Verdict.ACCEPTED) is fits
    assert len(talk.asked) == fits


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (raw(401, {"error": "Unauthorized", "message": "Invalid key"}), Unauthorised),
        (raw(403, {"error": "Access Denied", "message": "blocked"}), Unauthorised),
        (raw(429, b"", retry_after="9"), Throttled),
        (refused(500, "Internal server error"), Unreachable),
        (raw(500, b""), Unreachable),
        (raw(200, b"Fatal error: Uncaught TypeError"), Unreachable),
        (refused(400, "Missing required field: success"), Rejected),
        (SILENCE, Unreachable),
    ],
)
def test_an_answer_without_a_verdict_is_none(answer, kind):
    assert isinstance(sent(report(DONE), answer)[1], kind)


@pytest.mark.parametrize("task_id", ["5f0c1d3e-0000-4000-8000-000000000000", "5abc", "", "../5", "\uff19"])
def test_r01_an_id_of_another_kind_never_stands_in_a_path(task_id):
    talk, reply = sent(report(DONE, task_id=task_id))

    assert talk.asked == []
    assert reply.verdict is Verdict.MISSING


def test_r01_a_claim_of_another_dialect_is_not_reported_here():
    assert sent(report(DONE, dialect="v1"))[1].verdict is Verdict.MISSING
    assert sent(report(DONE, token=None))[1].verdict is Verdict.MISSING


def test_what_is_given_back_is_told_as_a_failure_that_says_so():
    talk, reply = sent(report(Released("the worker stops")), accepted("pending (retry)"))

    assert talk.body() == {"worker_id": OWNER, "success": False, "error": "given back: the worker stops"}
    assert (reply.verdict, reply.notice) == (Verdict.ACCEPTED, "")


@pytest.mark.parametrize("outcome", [Failed("it broke"), Released("later")])
def test_once_a_failure_was_done_by_half_what_is_given_back_is_left_to_lapse(outcome):
    talk = Talk()
    half = [shown(status="failed", claimed_by=OWNER, attempts=1)]
    repeat = [refused(*NOT_CLAIMED)] if isinstance(outcome, Failed) else []
    talk(ExchangeRequest(reports=(report(outcome),)), refused(*DEADLOCK), *repeat, *half)
    asked = len(talk.asked)
    reply = talk(ExchangeRequest(reports=(report(Released("later"), task_id="21"),))).reports[0]

    assert (reply.verdict, len(talk.asked)) == (Verdict.LOST, asked)


@pytest.mark.parametrize(
    ("status", "verdict", "failed_at"), [("failed", Verdict.ACCEPTED, 1), ("claimed", Verdict.LOST, None)]
)
def test_what_was_given_back_without_an_answer_is_looked_for_before_it_is_left_to_lapse(
    status, verdict, failed_at
):
    talk = Talk()
    talk(
        ExchangeRequest(reports=(report(Released("later")),)),
        refused(*DEADLOCK),
        shown(status="failed", claimed_by=OWNER, attempts=1),
    )
    unanswered = replace(report(Released("later"), task_id="21"), maybe_seen=True)
    again = ExchangeRequest(reports=(unanswered,))
    reply = talk(again, shown(id=21, status=status, claimed_by=OWNER, attempts=1)).reports[0]

    assert talk.paths[-1] == "GET /tasks/21"
    assert (reply.verdict, reply.failed_at) == (verdict, failed_at)


def test_a_deadlock_that_did_no_harm_keeps_no_other_task_from_being_given_back():
    talk = Talk()
    talk(
        ExchangeRequest(reports=(report(Failed("it broke")),)),
        refused(*DEADLOCK),
        accepted("pending (retry)"),
    )
    later = ExchangeRequest(reports=(report(Released("later"), task_id="21"),))

    assert talk(later, accepted("pending (retry)")).reports[0].verdict is Verdict.ACCEPTED


def test_what_is_given_back_is_not_told_again_after_a_deadlock_and_lapses():
    talk, reply = sent(
        report(Released("later")), refused(*DEADLOCK), shown(status="claimed", claimed_by=OWNER)
    )

    assert talk.paths == ["POST /tasks/20/complete", "GET /tasks/20"]
    assert reply.verdict is Verdict.LOST


def test_what_was_given_back_and_failed_by_half_is_found():
    failed = shown(status="failed", claimed_by=OWNER, attempts=1)
    _talk, reply = sent(report(Released("later")), refused(*DEADLOCK), failed)

    assert (reply.verdict, reply.failed_at) == (Verdict.ACCEPTED, 1)


def test_a_task_that_fails_for_good_by_being_given_back_is_told_and_no_other_one_does():
    talk = Talk()
    first = talk(ExchangeRequest(reports=(report(Released("later")),)), accepted("failed")).reports[0]
    second = talk(ExchangeRequest(reports=(report(Released("later"), task_id="21"),))).reports[0]

    assert "less than --server-max-attempts" in first.notice
    assert (second.verdict, len(talk.asked)) == (Verdict.LOST, 1)


def test_an_error_that_utf8_cannot_carry_is_made_plain():
    talk, _ = sent(report(Failed("bad \ud800")), accepted("failed"))

    assert talk.body()["error"] == "bad ?"


def told(word, *replies):
    talk = Talk()
    return talk, talk(ExchangeRequest(renewals=(word,)), *replies).renewals[0]


def test_progress_is_a_whole_number_and_extends_nothing():
    talk, reply = told(renewal(49.6, "page 2"), said({"id": "20", "progress": 50}))

    assert talk.paths == ["POST /tasks/20/progress"]
    assert talk.body() == {"worker_id": OWNER, "progress": 50, "message": "page 2"}
    assert type(talk.body()["progress"]) is int
    assert reply == LeaseAnswer(LeaseVerdict.RENEWED, None)


@pytest.mark.parametrize(
    "answer", [refused(*one) for one in (ANOTHER, NOT_CLAIMED, UNKNOWN, (404, "Record not found"))]
)
def test_r15_progress_of_a_claim_that_is_lost_says_so(answer):
    assert told(renewal(50), answer)[1] == LeaseAnswer(LeaseVerdict.LOST)


@pytest.mark.parametrize(
    "answer", [SILENCE, refused(500, "Internal server error"), raw(401, b"{}"), raw(200, b"")]
)
def test_progress_that_is_not_answered_says_nothing_about_the_claim(answer):
    assert not isinstance(told(renewal(50), answer)[1], LeaseAnswer)


def test_a_claim_is_not_sent_after_a_report_that_was_not_answered():
    from tests.support.prismq_talk import claim_call

    talk = Talk()
    call = ExchangeRequest(reports=(report(DONE),), claim=claim_call().claim, request_id="1")

    found = talk(call, SILENCE)

    assert found.tasks == SILENCE
    assert talk.paths == ["POST /tasks/20/complete"]
