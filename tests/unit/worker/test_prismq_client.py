"""The loops against a server that renews nothing, retries at once, and tells claims apart by their worker id."""

from dataclasses import replace

import pytest

from prismq_worker_sdk import Defer, Permanent, Transient, Unavailable
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.events import End, Notice, ServerLost, TaskFailedEarly, TaskRef, TypePaused
from prismq_worker_sdk.model.outcome import Completed, Failed, Released
from prismq_worker_sdk.model.protocol import (
    ExchangeResponse,
    LeaseAnswer,
    LeaseVerdict,
    ReportAnswer,
    Throttled,
    Unreachable,
)
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import CAPABILITIES
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.lease_loop import lease_loop
from prismq_worker_sdk.worker.supervision.recovery import recover
from prismq_worker_sdk.worker.supervision.supervisor import announce
from tests.support.loops import TYPE, Stepped, Work
from tests.support.loops import grant as base_grant
from tests.support.processes import wait_until


def grant(task_id="1", attempt=1, token="w1/1", **params):
    found = base_grant(task_id, token=token, **params)
    return replace(found, task=replace(found.task, attempt=attempt))


def raising(error):
    def end(ctx):
        raise error

    return end


@pytest.fixture
def place(workplace):
    def made(*works, **config):
        return workplace(*works, capabilities=CAPABILITIES, **config)

    return made


def run(place, *grants):
    for one in grants:
        place.give(one)
        place.idle()


def begun(place, one):
    """The attempt at a task that was handed out, once its handler runs."""
    place.give(one)
    wait_until(place.works[0].begun.is_set, "the start of the handler", deadline=10)
    (attempt,) = place.services.attempts.all()
    return attempt


def test_r02_a_claim_is_held_under_the_id_that_stands_in_for_a_token(place):
    here = place()
    run(here, grant(token="w1/abc"))

    (report,) = here.waiting()
    assert report.identity.token == "w1/abc"


def test_r06_a_claim_that_was_not_answered_is_asked_for_again_with_its_id(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    first = loop.request
    loop.answer(Unreachable("lost"))
    here.clock.turn(loop.wait)
    loop.go_on()

    assert first.request_id
    assert not first.maybe_seen
    assert (loop.request.request_id, loop.request.maybe_seen) == (first.request_id, True)
    loop.hand_out()
    here.clock.turn(loop.wait)
    loop.go_on()
    assert loop.request.request_id != first.request_id
    assert not loop.request.maybe_seen


def test_r06_a_claim_as_old_as_the_claim_timeout_is_left_to_lapse(place):
    here = place(server_claim_timeout=100.0)
    loop = Stepped(claim_loop(here.services))
    first = loop.request
    loop.answer(Unreachable("lost"))
    here.clock.turn(90.0)
    loop.go_on()

    assert loop.request.request_id != first.request_id


def test_r17_a_failure_is_reported_only_when_its_retry_is_due(place):
    here = place(Work(raising(Transient("busy", retry_in=40))))
    run(here, grant())
    loop = Stepped(delivery_loop(here.services))
    loop.verdict(Verdict.ACCEPTED)  # the sweep of a start sends all; this worker's own reports come after it
    here.give(grant("2", token="w1/2"))
    here.idle()
    loop.go_on()

    assert 30.0 < loop.wait <= 40.0
    here.clock.turn(40.0)
    loop.go_on()
    assert loop.report.identity.task_id == "2"


@pytest.mark.parametrize("error", [Permanent("never"), None])
def test_a_failure_for_good_and_a_result_are_reported_at_once(place, error):
    here = place(Work(raising(error) if error else lambda ctx: 1))
    run(here, grant())

    assert here.outbox.due(1)


def test_r36_a_worker_that_stops_holds_no_failure_back(place):
    here = place(Work(raising(Transient("busy", retry_in=40)), gated=True))
    here.start("1", token="w1/1")
    here.stop()
    here.works[0].gate.set()
    here.idle()

    assert here.outbox.due(1)


def test_a_task_that_the_server_hands_out_for_ever_fails_without_work(place):
    here = place(max_attempts=5)
    run(here, grant(attempt=6))

    assert here.works[0].ran == []
    (failed,) = here.outcomes()
    assert isinstance(failed, Failed)
    assert failed.error_type == "too_many_attempts"
    assert here.ends() == [("1", End.FAILED)]
    assert here.faults() == ()


def test_claims_that_were_given_back_here_are_not_held_against_a_task(place):
    here = place(Work(raising(Defer("later", retry_in=60))), max_attempts=2)
    for attempt in range(1, 6):
        run(here, grant(attempt=attempt, token=f"w1/{attempt}"))

    assert here.works[0].ran == ["1"] * 5
    assert here.ends() == [("1", End.LAPSED)] * 5
    assert here.faults() == ()


@pytest.mark.parametrize(
    ("error", "attempt", "most", "end"),
    [
        (Defer("later", retry_in=60), 1, 3, End.RELEASED),
        (Defer("later", retry_in=60), 2, 3, End.RELEASED),
        (Unavailable("no quota", retry_in=60), 1, 3, End.RELEASED),
        (Defer("later", retry_in=60), 3, 3, End.LAPSED),
        (Defer("later", retry_in=60), 1, 1, End.LAPSED),
        (Defer("later", retry_in=60), 1, 0, End.LAPSED),
        (Defer("later", retry_in=290), 1, 3, End.LAPSED),
    ],
)
def test_r18_a_task_goes_back_by_a_failure_only_while_that_is_certain_not_to_be_its_last(
    place, error, attempt, most, end
):
    here = place(Work(raising(error)), server_max_attempts=most)
    run(here, grant(attempt=attempt))

    assert here.ends() == [("1", end)]
    assert len(here.waiting()) == (end is End.RELEASED)
    assert here.faults() == ()


def test_r18_a_task_that_is_given_back_is_handed_out_to_nobody_before_its_time(place):
    here = place(Work(raising(Defer("later", retry_in=60))), server_max_attempts=3)
    run(here, grant())

    assert here.outbox.due(1) == []
    here.clock.turn(60.0)
    assert [type(one.outcome) for one in here.outbox.due(1)] == [Released]


def test_r36_a_task_that_runs_when_the_worker_stops_goes_back_at_once(place):
    here = place(Work(lambda ctx: ctx.check(), gated=True), server_max_attempts=3)
    attempt = begun(here, grant())
    here.stop(grace=5.0)
    attempt.cancel(CancelReason.STOPPING)
    here.works[0].gate.set()
    here.idle()

    assert [type(one.outcome) for one in here.outbox.due(1)] == [Released]
    assert here.ends() == [("1", End.RELEASED)]


def test_r36_a_task_that_comes_as_the_worker_stops_runs_while_there_is_time_and_else_goes_back(place):
    here = place(server_max_attempts=3)
    loops = [Stepped(claim_loop(here.services)) for _ in range(2)]
    here.stop(grace=20.0)
    loops[0].hand_out(grant("1", token="w1/1"))
    here.idle()
    here.clock.turn(15.0)
    loops[1].hand_out(grant("2", token="w1/2"))

    assert here.works[0].ran == ["1"]
    assert here.ends() == [("1", End.COMPLETED), ("2", End.RELEASED)]


@pytest.mark.parametrize(("attempt", "reported"), [(2, True), (3, False)])
def test_r27_a_crash_is_reported_at_once_while_that_is_certain_not_to_be_the_last_attempt(
    place, attempt, reported
):
    here = place(Work(gated=True), server_max_attempts=3)
    here.outbox.hold(begun(here, grant(attempt=attempt)).claim)
    recover(here.services, ())

    assert [one.outcome.retryable for one in here.waiting()] == [True] * reported


def test_given_back_at_once_is_not_held_against_a_task_either(place):
    here = place(Work(raising(Defer("later", retry_in=1))), max_attempts=1, server_max_attempts=9)
    for attempt in range(1, 4):
        run(here, grant(attempt=attempt, token=f"w1/{attempt}"))

    assert here.works[0].ran == ["1"] * 3


def test_r25_a_result_that_is_here_answers_a_task_however_often_it_was_claimed(place):
    here = place(max_attempts=1)
    run(here, grant(attempt=1))
    here.give(grant(attempt=9, token="w1/9"))

    assert [type(one) for one in here.outcomes()] == [Completed]
    assert here.works[0].ran == ["1"]


def test_progress_is_told_every_few_seconds_and_only_when_it_is_new(place):
    here = place(Work(gated=True))
    attempt = here.start("1", token="w1/1")
    loop = Stepped(lease_loop(here.services))
    assert loop.wait <= 5.0  # nothing to say yet

    attempt.progress = (40.0, "page 1")
    loop.go_on()
    (word,) = loop.request.renewals
    assert (word.progress, word.message, word.identity.token) == (40.0, "page 1", "w1/1")
    loop.answer(ExchangeResponse(renewals=(LeaseAnswer(LeaseVerdict.RENEWED),)))
    before = attempt.claim.expires_at

    attempt.progress = (50.0, "page 2")
    loop.go_on()
    assert loop.wait <= 5.0
    here.clock.turn(5.0)
    loop.go_on()
    assert loop.request.renewals[0].progress == 50.0
    loop.answer(ExchangeResponse(renewals=(LeaseAnswer(LeaseVerdict.RENEWED),)))
    assert loop.wait <= 5.0
    assert attempt.claim.expires_at == before


def test_progress_is_told_by_a_clock_that_never_stands_still(place, monkeypatch):
    here = place(Work(gated=True))
    attempt = here.start("1", token="w1/1")
    attempt.progress = (40.0, "page 1")
    frozen = here.clock.monotonic

    def moving():
        here.clock.turn(1e-6)
        return frozen()

    monkeypatch.setattr(here.clock, "monotonic", moving)
    loop = Stepped(lease_loop(here.services))

    assert loop.request.renewals[0].progress == 40.0


def test_r09_a_word_under_an_old_claim_ends_no_attempt_that_goes_on_under_a_new_one(place):
    here = place(Work(gated=True))
    attempt = here.start("1", token="w1/1")
    attempt.progress = (40.0, "")
    loop = Stepped(lease_loop(here.services))
    assert loop.request.renewals[0].identity.token == "w1/1"
    here.give(grant(token="w1/2"))
    assert attempt.claim.identity.token == "w1/2"
    loop.answer(ExchangeResponse(renewals=(LeaseAnswer(LeaseVerdict.LOST),)))

    assert attempt.cancelled is None


def test_r15_a_claim_that_progress_finds_lost_ends_its_handler_and_is_not_reported(place):
    here = place(Work(lambda ctx: ctx.check(), gated=True))
    attempt = here.start("1", token="w1/1")
    attempt.progress = (40.0, "")
    loop = Stepped(lease_loop(here.services))
    loop.answer(ExchangeResponse(renewals=(LeaseAnswer(LeaseVerdict.LOST),)))

    assert attempt.cancelled is CancelReason.LOST
    here.works[0].gate.set()
    here.idle()
    assert here.waiting() == []
    assert here.ends() == [("1", End.LOST)]


def test_progress_that_is_not_answered_is_told_again_and_ends_nothing(place):
    here = place(Work(gated=True))
    attempt = here.start("1", token="w1/1")
    attempt.progress = (40.0, "")
    loop = Stepped(lease_loop(here.services))
    loop.answer(Unreachable("gone"))

    assert attempt.cancelled is None
    here.clock.turn(5.0)
    loop.go_on()
    assert loop.request.renewals[0].progress == 40.0


def test_the_order_of_claims_is_asked_for_and_where_it_has_no_effect_that_is_said(place, workplace):
    here, base = place(claim_order="lifo"), workplace(claim_order="lifo")

    assert Stepped(claim_loop(here.services)).request.claim.order == "lifo"
    for one in (here, base):
        announce(one.services, state_dir="", recovered=0)
    told = [
        [event.message for event in one.of(Notice) if "--claim-order" in event.message]
        for one in (here, base)
    ]
    assert told == [
        [],
        ["--claim-order lifo has no effect on this server: it chooses the order of tasks itself"],
    ]


def test_a_type_that_is_not_registered_is_not_asked_for_until_a_minute_later(place):
    here = place(Work(), Work(task_type="Test.New"))
    loop = Stepped(claim_loop(here.services))
    loop.answer(ExchangeResponse(unknown_types=("Test.New",)))
    here.clock.turn(loop.wait)
    loop.go_on()

    assert loop.request.claim.task_types == (TYPE,)
    assert "register it" in here.of(TypePaused)[0].reason
    here.clock.turn(60.0)
    loop.hand_out()
    here.clock.turn(loop.wait)
    loop.go_on()
    assert loop.request.claim.task_types == (TYPE, "Test.New")


def test_a_server_that_limits_requests_is_not_away(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    for _ in range(3):
        loop.answer(ExchangeResponse(tasks=Throttled("100 in a minute", 20.0, limited=True)))
        assert loop.wait >= 20.0
        here.clock.turn(loop.wait)
        loop.go_on()

    assert here.services.server_status.trouble() is None
    assert here.of(ServerLost) == []
    assert len(here.of(Notice)) == 1


def test_what_people_should_know_of_a_report_is_said(place):
    here = place()
    run(here, grant())
    loop = Stepped(delivery_loop(here.services))
    loop.answer(
        ExchangeResponse(reports=(ReportAnswer(Verdict.ACCEPTED, notice="the child is an old task"),))
    )

    assert [one.message for one in here.of(Notice)] == ["task 1: the child is an old task"]


def test_a_task_that_the_server_failed_by_half_is_told_and_one_that_used_up_its_attempts_is_not(place):
    here = place(Work(raising(RuntimeError("broken"))), server_max_attempts=3)
    for number, failed_at in (("1", 2), ("2", 3)):
        run(here, grant(number, attempt=failed_at, token=f"w1/{number}"))
    loop = Stepped(delivery_loop(here.services))
    for failed_at in (2, 3):
        loop.answer(ExchangeResponse(reports=(ReportAnswer(Verdict.ACCEPTED, failed_at=failed_at),)))

    assert here.of(TaskFailedEarly) == [TaskFailedEarly(TaskRef("1", TYPE, 2))]


def test_r22_children_that_are_too_large_for_this_server_are_refused_at_once(place):
    def submit(size):
        def end(ctx):
            ctx.submit("Test.Kid", {"text": "x" * size})

        return end

    for size, kind in ((60_000, Completed), (66_000, Failed)):
        here = place(Work(submit(size)))
        run(here, grant(str(size)))
        assert isinstance(here.outcomes()[-1], kind)


@pytest.mark.parametrize(
    "end",
    [Permanent("never"), Transient("later"), RuntimeError("broken"), "x" * 65_536],
    ids=lambda end: type(end).__name__,
)
@pytest.mark.parametrize("full_disk", [False, True])
def test_r22_children_of_a_task_that_does_not_complete_are_not_created(place, end, full_disk):
    def handle(ctx):
        ctx.submit("Test.Kid", {"n": 1})
        if isinstance(end, Exception):
            raise end
        return end

    here = place(Work(handle, gated=True))
    attempt = here.start("1", token="w1/1")
    if full_disk:
        here.lock_disk()
    here.works[0].gate.set()
    if full_disk:
        wait_until(lambda: attempt.report() is not None, "the refusal", deadline=10)
        report = attempt.report()
        here.free_disk()
        here.services.wakeups.commit()
    here.idle()
    if not full_disk:
        (report,) = here.waiting()

    assert isinstance(report.outcome, Failed)
    assert report.children == ()


def test_r14_a_result_that_does_not_fit_becomes_a_short_failure(place):
    here = place(Work(lambda ctx: "x" * 65_536))
    run(here, grant())

    (failed,) = here.outcomes()
    assert failed.error_type == "unfit_result"
    assert "65535 at most" in failed.error


def test_words_about_progress_leave_time_to_watch_the_handlers(place):
    here = place(Work(gated=True), concurrency=2)
    attempts = [here.start(number, token=f"w1/{number}") for number in ("1", "2")]
    loop = Stepped(lease_loop(here.services))
    for attempt in attempts:
        attempt.progress = (10.0, "")
    loop.go_on()
    loop.answer(Unreachable("gone"))

    assert 0 < loop.wait <= 5.0
    here.clock.turn(attempts[0].handler.time_limit)
    loop.go_on()
    loop.answer(Unreachable("gone"))
    assert [one.cancelled for one in attempts] == [CancelReason.EXPIRED] * 2


def test_a_task_that_comes_again_before_its_claim_is_over_is_said_once_and_not_held_against_it(place):
    here = place(Work(gated=True), concurrency=2, max_attempts=2, poll_interval=4.0)
    here.start("1", token="w1/1")
    loop = Stepped(claim_loop(here.services))
    for attempt in range(2, 8):
        loop.hand_out(grant("1", attempt=attempt, token=f"w1/{attempt}"))
        here.clock.turn(loop.wait)
        loop.go_on()
    told = [one.message for one in here.of(Notice)]
    here.works[0].gate.set()
    here.idle()
    run(here, grant("2", attempt=9, token="w1/9"))

    assert len(told) == 1
    assert "time zones" in told[0]
    assert here.works[0].ran == ["1", "2"]
    assert here.faults() == ()


def test_a_task_that_comes_again_and_again_while_it_runs_does_not_make_a_worker_ask_without_a_pause(place):
    here = place(Work(gated=True), concurrency=2, poll_interval=4.0)
    here.start("1", token="w1/1")
    loop = Stepped(claim_loop(here.services))
    waits = []
    for attempt in range(2, 9):
        loop.hand_out(grant("1", attempt=attempt, token=f"w1/{attempt}"))
        waits.append(loop.wait)
        here.clock.turn(loop.wait)
        loop.go_on()

    assert waits[-1] >= 2.0
