"""R12: an outcome that the disk refuses stays in its slot, is reported from memory, and is committed later."""

import pytest

from prismq_worker_sdk.model.events import End, Notice, ReportSettled
from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.model.report import Settlement, Verdict
from prismq_worker_sdk.worker.attempt import Ending
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.commit_loop import commit
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.lease_loop import lease_loop
from prismq_worker_sdk.worker.supervision.supervisor import close_books
from prismq_worker_sdk.worker.task_path import accept, arrive
from tests.support.loops import Stepped, Work, grant
from tests.support.processes import wait_until

LARGE = "x" * 500_000


@pytest.fixture
def refused(workplace):
    """A workplace with one task whose end the disk refuses, and its attempt."""
    work = Work(lambda ctx: LARGE, gated=True, time_limit="1m")
    place = workplace(work, concurrency=1)
    attempt = place.start("t1")
    place.fill_disk()
    work.gate.set()
    wait_until(lambda: attempt.report() is not None, "the refusal", deadline=10)
    yield place, attempt
    place.free_disk()
    place.services.wakeups.commit()


def test_r12_the_slot_stays_taken_until_the_commit_succeeds(refused):
    place, _attempt = refused
    loop = Stepped(claim_loop(place.services))
    assert loop.wait is None
    assert place.services.slots.free == 0
    assert place.ends() == []
    assert "keeps its slot" in place.of(Notice)[0].message

    place.free_disk()
    place.services.wakeups.commit()
    place.idle()
    loop.go_on()
    assert loop.request.claim is not None
    assert place.ends() == [("t1", End.COMPLETED)]
    assert [report.maybe_seen for report in place.waiting()] == [False]


def test_r12_it_is_reported_straight_from_memory_and_not_again_after_the_verdict(refused):
    place, attempt = refused
    loop = Stepped(delivery_loop(place.services))
    assert loop.report.outcome == Completed(f'"{LARGE}"')
    assert loop.report.identity == attempt.claim.identity
    loop.verdict(Verdict.ACCEPTED)
    place.idle()

    assert place.ends() == [("t1", End.COMPLETED)]
    assert place.waiting() == []
    assert loop.go_on().seconds is None
    assert [settled.settlement for settled in place.of(ReportSettled)] == [Settlement.ACCEPTED]
    assert place.faults() == ()


def test_r12_an_unanswered_report_from_memory_has_its_own_next_try(refused):
    place, _attempt = refused
    loop = Stepped(delivery_loop(place.services))
    loop.answer(Unreachable("connection refused", maybe_seen=False))
    assert loop.wait > 0
    loop.go_on()
    assert loop.wait > 0
    place.clock.turn(60.0)
    loop.go_on()

    assert not loop.report.maybe_seen
    loop.verdict(Verdict.ACCEPTED)
    place.idle()


def test_r26_a_conflict_after_an_unanswered_report_from_memory_is_accepted_unconfirmed(refused):
    place, _attempt = refused
    loop = Stepped(delivery_loop(place.services))
    loop.answer(Unreachable("cut", maybe_seen=True))
    place.clock.turn(60.0)
    loop.go_on()
    loop.verdict(Verdict.CONFLICT)
    place.idle()

    assert [settled.settlement for settled in place.of(ReportSettled)] == [Settlement.UNCONFIRMED]
    assert place.faults() == ()


def test_r26_a_report_that_was_on_its_way_from_memory_when_it_was_committed_may_have_been_seen(refused):
    place, _attempt = refused
    loop = Stepped(delivery_loop(place.services))
    assert loop.report.number is None
    place.free_disk()
    place.services.wakeups.commit()
    place.idle()
    loop.verdict(Verdict.ACCEPTED)
    assert place.of(ReportSettled) == []

    assert loop.report.maybe_seen
    loop.verdict(Verdict.CONFLICT)
    assert [settled.settlement for settled in place.of(ReportSettled)] == [Settlement.UNCONFIRMED]
    assert place.faults() == ()


def test_r12_a_handler_that_has_ended_is_no_stray_because_the_disk_is_full(refused):
    place, attempt = refused
    loop = Stepped(lease_loop(place.services))
    for _ in range(3):
        place.clock.turn(60.0)
        loop.go_on()

    assert not attempt.stray
    assert place.services.slots.lost == 0
    assert place.ends() == []


def test_r12_at_the_end_of_the_worker_an_uncommitted_outcome_is_left_to_lapse(refused):
    place, _attempt = refused
    place.stop(grace=0.0)
    place.advance(busy=True)
    code, reason = close_books(place.services)

    assert code == 75
    assert "1 handler is left" in reason
    assert place.ends() == [("t1", End.LAPSED)]


def test_a_task_claimed_again_while_its_outcome_is_kept_in_memory_is_not_run_twice(refused):
    place, _attempt = refused
    now = place.clock.monotonic()
    started, _settled = accept(place.services, arrive(place.services, [grant("t1")], now))

    assert not started
    assert place.works[0].ran == ["t1"]
    place.free_disk()
    place.services.wakeups.commit()
    place.idle()
    assert place.outcomes() == [Completed(f'"{LARGE}"')]
    assert place.faults() == ()


def test_r10_what_was_offered_from_memory_is_the_end_whatever_its_handler_says_later(workplace):
    work = Work(gated=True, time_limit="1m")
    place = workplace(work)
    attempt = place.start("t1")
    place.lock_disk()
    assert commit(place.services, [(attempt, Ending(Failed("too long", "time_limit")))])
    loop = Stepped(delivery_loop(place.services))
    assert loop.report.outcome == Failed("too long", "time_limit")
    loop.verdict(Verdict.ACCEPTED)
    work.gate.set()
    place.free_disk()
    place.services.wakeups.commit()
    place.idle()

    assert place.ends() == [("t1", End.FAILED)]
    assert place.waiting() == []
    assert place.faults() == ()
