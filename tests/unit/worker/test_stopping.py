"""From the wish to stop to the exit code: flushing, the books, and what is left."""

import pytest

from prismq_worker_sdk.model.events import End, Notice, Phase
from prismq_worker_sdk.model.protocol import Throttled, Unreachable
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.supervision.supervisor import close_books, never_begun
from tests.support.loops import Stepped, Work, grant


def rested(place, loop):
    """The loop with every report in a long back-off."""
    while hasattr(loop.effect, "request"):
        loop.answer(Throttled("busy", retry_after=600.0))
    return loop


def test_r36_flushing_sends_everything_once_whatever_its_back_off(workplace):
    place = workplace()
    place.run("t1", "t2", "t3")
    loop = rested(place, Stepped(delivery_loop(place.services)))
    place.stop()
    assert place.advance() is Phase.FLUSHING
    loop.go_on()
    sent = []
    while not loop.ended:
        sent.append(loop.report.identity.task_id)
        if loop.report.identity.task_id == "t2":
            loop.verdict(Verdict.ACCEPTED)
        else:
            loop.answer(Unreachable("away"))

    assert sent == ["t1", "t2", "t3"]
    assert place.services.shared.flushed
    assert [report.identity.task_id for report in place.waiting()] == ["t1", "t3"]
    assert place.advance(flushed=True) is Phase.STOPPED


def test_r36_a_replacement_made_while_flushing_is_sent_in_the_same_flush(workplace):
    place = workplace()
    place.run("t1")
    loop = rested(place, Stepped(delivery_loop(place.services)))
    place.stop()
    place.advance()
    loop.go_on()
    loop.verdict(Verdict.REFUSED)

    assert loop.report.outcome.error_type == "refused"
    loop.verdict(Verdict.ACCEPTED)
    assert loop.ended
    assert place.waiting() == []


def test_r36_while_draining_what_is_committed_goes_on_being_delivered(workplace):
    work = Work(gated=True)
    place = workplace(work)
    place.start("t1")
    loop = Stepped(delivery_loop(place.services))
    place.stop()
    assert place.advance(busy=True) is None
    work.gate.set()
    place.idle()
    loop.go_on()

    assert loop.report.identity.task_id == "t1"


def test_r36_a_handler_that_does_not_end_does_not_cost_the_others_their_last_try(workplace):
    work = Work(gated=True)
    place = workplace(work, Work(task_type="Test.Quick"))
    for task_id in ("t1", "t2"):
        place.give(grant(task_id, "Test.Quick"))
        place.idle()
    loop = rested(place, Stepped(delivery_loop(place.services)))
    attempt = place.start("stubborn")
    supervisor = place.supervised()
    place.stop(grace=25.0)
    place.clock.turn(17.0)
    supervisor.go_on()
    assert attempt.cancelled
    place.advance(busy=True)
    loop.go_on()
    for task_id in ("t1", "t2"):
        assert loop.report.identity.task_id == task_id
        loop.verdict(Verdict.ACCEPTED)

    assert place.waiting() == []
    assert loop.wait is None


def test_r36_what_was_sent_when_handlers_were_cancelled_is_not_sent_again_by_the_flush(workplace):
    place = workplace()
    place.run("t1")
    loop = rested(place, Stepped(delivery_loop(place.services)))
    place.stop(grace=25.0)
    place.clock.turn(17.0)
    loop.go_on()
    loop.answer(Unreachable("away"))
    assert place.advance() is Phase.FLUSHING
    loop.go_on()

    assert loop.ended
    assert place.services.shared.flushed


def test_r36_a_flush_ends_at_the_deadline(workplace):
    place = workplace()
    place.run("t1", "t2")
    loop = rested(place, Stepped(delivery_loop(place.services)))
    place.stop(grace=10.0)
    place.advance()
    loop.go_on()
    place.clock.turn(10.0)
    assert place.advance() is Phase.STOPPED
    loop.answer(Unreachable("away"))

    assert loop.ended
    assert len(place.waiting()) == 2


def test_r36_a_second_wish_brings_the_deadline_nearer_and_never_puts_it_off(workplace):
    place = workplace()
    place.stop(grace=25.0)
    place.stop(grace=60.0)
    assert place.services.lifecycle.plan.deadline == 24.0
    place.stop(grace=0.0)
    assert place.services.lifecycle.plan.deadline == 0.0
    assert place.advance(busy=True) is Phase.STOPPED


def test_r37_a_worker_with_nothing_left_exits_with_0(workplace):
    place = workplace()
    place.run("t1")
    loop = Stepped(delivery_loop(place.services))
    loop.verdict(Verdict.ACCEPTED)
    place.stop()

    assert close_books(place.services) == (0, "the test stops it; nothing is left")


def test_r37_waiting_reports_are_left_with_75(workplace):
    place = workplace()
    place.run("t1", "t2")
    place.stop()

    assert close_books(place.services) == (
        75,
        "the test stops it; 2 reports are left: start me again on this state folder",
    )


def test_r37_a_handler_that_does_not_end_is_left_with_75_and_its_claim_lapses(workplace):
    work = Work(gated=True)
    place = workplace(work)
    place.start("t1")
    place.stop()

    assert close_books(place.services) == (
        75,
        "the test stops it; 1 handler is left: start me again on this state folder",
    )
    assert place.ends() == [("t1", End.LAPSED)]
    work.gate.set()
    place.idle()
    assert place.ends() == [("t1", End.LAPSED)]
    assert place.waiting() == []


def test_r37_reports_for_other_servers_do_not_count_as_left(workplace):
    workplace(server="http://one.invalid/api").run("t1")
    place = workplace(server="http://two.invalid/api")
    place.stop()

    assert close_books(place.services)[0] == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda ledger: ledger.claim(), "claimed 2, but 1 claims ended"),
        (lambda ledger: ledger.commit(), "committed 2 and recovered 0, but 1 accounted for"),
    ],
)
def test_r38_books_that_are_off_end_with_1_and_are_shown(workplace, spoil, said):
    place = workplace()
    place.run("t1")
    spoil(place.services.accounting)
    place.stop()

    assert close_books(place.services)[0] == 1
    assert said in place.of(Notice)[-1].message


def test_a_worker_that_failed_ends_with_1_whatever_is_left(workplace):
    place = workplace()
    place.services.lifecycle.ask_stop("it failed", grace=1.0, now=0.0, failed=True)

    assert close_books(place.services)[0] == 1


def test_r37_a_worker_stopped_before_it_found_its_server_counts_what_is_stored(workplace):
    workplace().run("t1")
    place = workplace()
    place.stop()

    code, reason = never_begun(place.services.lifecycle, place.outbox)
    assert code == 75
    assert "1 report is left" in reason
