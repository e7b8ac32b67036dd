"""The delivery loop: oldest first, until the server gives a verdict."""

from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.delivery import PARK_AFTER
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.events import End, Notice, ReportDelayed, ReportSettled
from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.model.protocol import (
    ExchangeResponse,
    Rejected,
    ReportAnswer,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.report import Settlement, Verdict
from prismq_worker_sdk.worker.delivery_loop import TIDY_EVERY, delivery_loop
from tests.support.loops import Stepped, Work, grant

DAY = 24 * 3600.0


def delivering(place):
    """The delivery loop after its first look at an empty line."""
    loop = Stepped(delivery_loop(place.services))
    assert loop.wait is None
    return loop


def past(place, loop):
    """Lets the whole rest pass, and gives the loop at its next call."""
    for _ in range(10):
        if loop.effect is None or not hasattr(loop.effect, "seconds"):
            return loop
        place.clock.turn(loop.wait or 0.0)
        loop.go_on()
    raise AssertionError(f"still resting: {loop.effect}")


def settlements(place):
    return [(event.ref.task_id, event.settlement) for event in place.of(ReportSettled)]


def test_reports_go_out_oldest_first_and_an_accepted_one_leaves_the_line(workplace):
    place = workplace()
    loop = delivering(place)
    place.run("t1", "t2")
    loop.go_on()

    assert loop.report.identity.task_id == "t1"
    loop.verdict(Verdict.ACCEPTED)
    assert loop.report.identity.task_id == "t2"
    loop.verdict(Verdict.DUPLICATE)
    assert loop.wait is None
    assert place.waiting() == []
    assert settlements(place) == [("t1", Settlement.ACCEPTED), ("t2", Settlement.ACCEPTED)]
    assert place.faults() == ()


@pytest.mark.parametrize(
    "failure",
    [
        Unreachable("refused", maybe_seen=False),
        Unreachable("cut"),
        Throttled("busy"),
        Unauthorised("HTTP 401"),
        UnrecognisedServer("HTML 404"),
        Rejected(400, "odd"),
        ExchangeResponse(),
    ],
)
def test_r21_no_failure_and_no_clock_ends_a_report(workplace, failure):
    place = workplace(server_claim_timeout=60.0)
    place.run("t1")
    loop = Stepped(delivery_loop(place.services))
    for _ in range(30):
        loop.answer(failure)
        place.clock.turn(DAY)
        past(place, loop)

    assert loop.report.outcome == Completed('{"done":"t1"}')
    assert loop.report.tries == 30
    assert settlements(place) == []
    loop.verdict(Verdict.ACCEPTED)
    assert settlements(place) == [("t1", Settlement.ACCEPTED)]


def test_r34_a_refused_key_keeps_the_reports_and_their_order(workplace):
    place = workplace()
    place.run("t1", "t2")
    loop = Stepped(delivery_loop(place.services))
    for _ in range(4):
        loop.answer(Unauthorised("HTTP 401"))
        past(place, loop)

    assert len(place.waiting()) == 2
    assert len([notice for notice in place.of(Notice) if "refuses the API key" in notice.message]) == 1


def test_the_whole_line_rests_when_the_server_is_away_and_longer_each_time(workplace):
    place = workplace()
    loop = delivering(place)
    place.run("t1", "t2")
    loop.go_on()
    rests = []
    for _ in range(8):
        loop.answer(Unreachable("away"))
        rests.append(loop.wait)
        past(place, loop)

    assert rests[-1] > 8 * rests[0]
    assert max(rests) <= 30.0


def test_the_wish_of_the_server_for_patience_is_kept(workplace):
    place = workplace()
    loop = delivering(place)
    place.run("t1")
    loop.go_on()
    loop.answer(Throttled("busy", retry_after=120.0))

    (delayed,) = place.of(ReportDelayed)
    assert 120.0 <= delayed.retry_in <= 133.0
    place.clock.turn(119.0)
    loop.go_on()
    assert loop.wait > 0
    past(place, loop)
    assert loop.report.tries == 1


def test_a_server_that_asks_for_patience_gets_no_other_report_meanwhile_either(workplace):
    place = workplace()
    loop = delivering(place)
    place.run("t1")
    place.run("t2")
    loop.go_on()
    loop.answer(Throttled("busy", retry_after=120.0))
    place.clock.turn(119.0)
    loop.go_on()

    assert loop.wait > 0


def test_r23_a_report_that_fails_goes_to_the_end_of_the_line_and_is_parked_at_last(workplace):
    place = workplace()
    loop = delivering(place)
    place.run("bad")
    loop.go_on()
    sent = []
    for number in range(PARK_AFTER + 5):
        assert loop.report.identity.task_id == "bad"
        loop.answer(Rejected(400, "odd"))
        if settlements(place)[-1:] == [("bad", Settlement.PARKED)]:
            break
        place.run(f"good{number}")
        past(place, loop)
        sent.append(loop.report.identity.task_id)
        loop.verdict(Verdict.ACCEPTED)
        past(place, loop)

    assert sent == [f"good{number}" for number in range(PARK_AFTER + 1)]
    assert settlements(place)[-1] == ("bad", Settlement.PARKED)
    assert place.outbox.count("parked") == 1
    assert place.faults() == ()


def test_r23_a_result_whose_task_is_claimed_again_and_again_is_parked_all_the_same(workplace):
    work = Work()
    place = workplace(work)
    loop = delivering(place)
    place.run("bad")
    loop.go_on()
    failures = 0
    for number in range(20 * PARK_AFTER):
        if loop.report.identity.task_id == "bad":
            failures += 1
            loop.answer(Rejected(400, "odd"))
            if settlements(place)[-1:] == [("bad", Settlement.PARKED)]:
                break
            place.give(grant("bad", token=f"claim {number}"))
            place.run(f"good{number}")
        else:
            loop.verdict(Verdict.ACCEPTED)
        past(place, loop)

    assert settlements(place)[-1] == ("bad", Settlement.PARKED)
    assert failures <= 2 * PARK_AFTER
    assert work.ran.count("bad") == 1


def test_r23_a_server_that_answers_claims_but_takes_no_report_has_none_parked(workplace):
    place = workplace()
    place.run("t1", "t2")
    loop = Stepped(delivery_loop(place.services))
    for _ in range(5 * PARK_AFTER):
        loop.answer(Unreachable("HTTP 500", maybe_seen=False))
        place.services.server_status.answered()
        place.clock.turn(60.0)
        past(place, loop)

    assert settlements(place) == []
    assert len(place.waiting()) == 2


def test_r24_refused_content_is_parked_and_a_short_failure_is_reported_instead(workplace):
    place = workplace()
    loop = delivering(place)
    place.run("t1")
    loop.go_on()
    loop.verdict(Verdict.REFUSED, "the result does not fit")

    assert settlements(place) == [("t1", Settlement.PARKED)]
    assert loop.report.outcome == Failed(
        "the server refused the result: the result does not fit", "refused", retryable=False
    )
    loop.verdict(Verdict.ACCEPTED)
    assert place.waiting() == []
    assert place.outbox.count("parked") == 1
    assert place.faults() == ()


def test_r24_a_refused_replacement_is_parked_and_ends_it(workplace):
    place = workplace()
    loop = delivering(place)
    place.run("t1")
    loop.go_on()
    loop.verdict(Verdict.REFUSED)
    loop.verdict(Verdict.REFUSED)

    assert loop.wait is None
    assert place.outbox.count("parked") == 2
    assert place.faults() == ()


@pytest.mark.parametrize("verdict", [Verdict.LOST, Verdict.UNKNOWN, Verdict.CONFLICT])
def test_r25_a_lost_result_answers_its_task_when_it_comes_again(workplace, verdict):
    work = Work()
    place = workplace(work)
    loop = delivering(place)
    place.run("t1")
    loop.go_on()
    loop.verdict(verdict)
    assert settlements(place) == [("t1", Settlement.LOST)]
    place.give(grant("t1", token="again"))
    loop.go_on()

    assert work.ran == ["t1"]
    assert loop.report.identity.token == "again"
    assert loop.report.outcome == Completed('{"done":"t1"}')
    loop.verdict(Verdict.ACCEPTED)
    assert place.ends() == [("t1", End.COMPLETED)] * 2
    assert place.faults() == ()


def test_r25_a_lost_failure_is_not_kept_and_the_task_runs_again(workplace):
    def broken(ctx):
        raise RuntimeError("broken")

    work = Work(broken)
    place = workplace(work)
    loop = delivering(place)
    place.run("t1")
    loop.go_on()
    loop.verdict(Verdict.LOST)
    place.run("t1")

    assert work.ran == ["t1", "t1"]
    assert place.faults() == ()


def test_r26_a_conflict_at_the_first_try_is_lost(workplace):
    place = workplace()
    place.run("t1")
    loop = Stepped(delivery_loop(place.services))
    loop.verdict(Verdict.CONFLICT)

    assert settlements(place) == [("t1", Settlement.LOST)]


def test_r26_a_conflict_after_an_unanswered_try_is_accepted_unconfirmed(workplace):
    place = workplace()
    place.run("t1")
    loop = Stepped(delivery_loop(place.services))
    loop.answer(Unreachable("cut"))
    past(place, loop)
    loop.verdict(Verdict.CONFLICT)

    assert settlements(place) == [("t1", Settlement.UNCONFIRMED)]
    assert place.services.accounting.settled[Settlement.UNCONFIRMED] == 1
    assert place.faults() == ()


def test_r26_a_conflict_after_tries_that_never_reached_the_server_is_lost(workplace):
    place = workplace()
    place.run("t1")
    loop = Stepped(delivery_loop(place.services))
    loop.answer(Unreachable("refused", maybe_seen=False))
    past(place, loop)
    loop.verdict(Verdict.CONFLICT)

    assert settlements(place) == [("t1", Settlement.LOST)]


def test_r26_a_task_that_the_server_does_not_know_is_parked_and_a_foreign_404_is_tried_again(workplace):
    place = workplace()
    place.run("t1")
    loop = Stepped(delivery_loop(place.services))
    loop.answer(UnrecognisedServer("HTML 404"))
    past(place, loop)
    loop.verdict(Verdict.MISSING)

    assert settlements(place) == [("t1", Settlement.PARKED)]
    assert place.outbox.count("parked") == 1
    assert place.faults() == ()


def test_r01_a_report_is_sent_under_the_identity_of_its_claim_by_a_later_process_too(workplace):
    first = workplace(worker_id="first", server_claim_timeout=60.0)
    first.run("t1")
    second = workplace(worker_id="second")
    loop = Stepped(delivery_loop(second.services))

    assert loop.report.identity.worker_id == "first"
    second.run("t2")
    loop.verdict(Verdict.ACCEPTED)
    assert loop.report.identity.worker_id == "second"


def test_r01_a_report_never_goes_to_another_server(workplace):
    workplace(server="http://one.invalid/api").run("t1")
    other = workplace(server="http://two.invalid/api")
    loop = Stepped(delivery_loop(other.services))

    assert loop.wait is None
    other.stop()
    other.advance()
    loop.go_on()
    assert loop.ended
    back = workplace(server="http://one.invalid/api")
    assert Stepped(delivery_loop(back.services)).report.identity.task_id == "t1"


def test_a_verdict_that_the_disk_does_not_take_is_stored_when_it_can_be(workplace):
    place = workplace()
    place.run("t1")
    loop = Stepped(delivery_loop(place.services))
    place.lock_disk()
    loop.verdict(Verdict.CONFLICT)
    assert loop.wait > 0
    assert "could not be written" in place.of(Notice)[-1].message
    assert settlements(place) == []
    place.free_disk()
    loop.go_on()

    assert settlements(place) == [("t1", Settlement.LOST)]
    assert loop.wait is None


def test_disk_space_is_looked_at_once_much_was_delivered_or_ten_minutes_have_passed(workplace, monkeypatch):
    place = workplace(Work(lambda _ctx: "x" * 600_000))
    loop = delivering(place)
    looks = []
    monkeypatch.setattr(place.outbox, "tidy", lambda: bool(looks.append(place.clock.monotonic())))

    def delivers(task_id):
        place.run(task_id)
        loop.go_on()
        loop.verdict(Verdict.ACCEPTED)
        return len(looks)

    assert [delivers("t1"), delivers("t2"), delivers("t3")] == [0, 1, 1]
    place.clock.turn(TIDY_EVERY)
    loop.go_on()
    assert len(looks) == 2


def test_a_server_that_answers_a_batch_has_answered_once(workplace):
    place = workplace(concurrency=4, capabilities=replace(BASE, max_reports=8))
    loop = delivering(place)
    place.run("t1", "t2", "t3")
    before = place.services.server_status.answers
    loop.go_on()
    loop.answer(ExchangeResponse(reports=(ReportAnswer(Verdict.ACCEPTED),) * 3))

    assert place.waiting() == []
    assert place.services.server_status.answers == before + 1
