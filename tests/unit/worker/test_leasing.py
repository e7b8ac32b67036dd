"""The lease loop: tells handlers when their time is over, and gives up those that do not end."""

import asyncio

from prismq_worker_sdk import task_handler
from prismq_worker_sdk.decide.leases import ABANDON_AFTER
from prismq_worker_sdk.errors import TaskCancelled
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.events import End, HandlerOverran, Notice, TypePaused
from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.worker.lease_loop import LOOK_EVERY, lease_loop
from tests.support.loops import Stepped, Work


def obey(ctx):
    ctx.check()
    return "finished all the same"


def overrun(place, loop, seconds):
    """Turns the clock over the limit, and then on to the moment of giving up."""
    for step in (seconds, ABANDON_AFTER):
        place.clock.turn(step)
        loop.go_on()


def test_the_lease_loop_looks_at_each_limit_and_often_enough_to_see_that_the_machine_slept(workplace):
    place = workplace(Work(gated=True, time_limit="1m"))
    loop = Stepped(lease_loop(place.services))
    assert loop.wait is None
    place.start("t1")
    loop.go_on()

    assert loop.wait == LOOK_EVERY
    place.clock.turn(58.0)
    loop.go_on()
    assert loop.wait == 2.0


def test_r16_a_handler_is_told_at_its_limit_and_its_task_fails(workplace):
    work = Work(obey, gated=True, time_limit="1m")
    place = workplace(work)
    attempt = place.start("t1")
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(59.0)
    loop.go_on()
    assert attempt.cancelled is None
    place.clock.turn(1.0)
    loop.go_on()
    work.gate.set()
    place.idle()

    assert attempt.cancelled is CancelReason.TIME_LIMIT
    (failed,) = place.outcomes()
    assert (failed.error_type, failed.error) == (
        "time_limit",
        "the handler did not end within its time limit of 1m",
    )
    assert place.services.slots.lost == 0


def test_r16_a_handler_that_does_not_end_is_failed_ten_seconds_later_and_its_slot_is_not_used_again(
    workplace,
):
    work = Work(gated=True, time_limit="1m")
    place = workplace(work, concurrency=2)
    attempt = place.start("t1")
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(60.0)
    loop.go_on()
    place.clock.turn(9.0)
    loop.go_on()
    assert place.outcomes() == []
    place.clock.turn(1.0)
    loop.go_on()

    (failed,) = place.outcomes()
    assert isinstance(failed, Failed)
    assert failed.error_type == "time_limit"
    assert place.ends() == [("t1", End.FAILED)]
    assert attempt.stray
    (overran,) = place.of(HandlerOverran)
    assert "self.gate.wait()" in overran.stack
    assert "prismq_worker_sdk" not in overran.stack
    assert (place.services.slots.free, place.services.slots.lost) == (1, 1)
    assert not place.services.slots.all_lost
    work.gate.set()
    place.idle()
    assert (place.services.slots.free, place.services.slots.lost) == (1, 1)


def test_r10_the_late_end_of_a_stray_is_dropped(workplace):
    work = Work(gated=True, time_limit="1m")
    place = workplace(work)
    place.start("t1")
    overrun(place, Stepped(lease_loop(place.services)), 60.0)
    (failed,) = place.outcomes()
    work.gate.set()
    place.idle()

    assert place.outcomes() == [failed]
    assert place.ends() == [("t1", End.FAILED)]
    assert place.faults() == ()


def test_r16_when_every_slot_is_lost_nothing_more_is_claimed(workplace):
    place = workplace(Work(gated=True, time_limit="1m"), concurrency=1)
    place.start("t1")
    overrun(place, Stepped(lease_loop(place.services)), 60.0)

    assert place.services.slots.all_lost
    assert place.services.slots.free == 0


def test_r19_handlers_that_never_end_count_as_errors_in_a_row(workplace):
    place = workplace(Work(gated=True, time_limit="1m"), concurrency=3, max_consecutive_errors=2)
    loop = Stepped(lease_loop(place.services))
    for task_id in ("t1", "t2"):
        place.start(task_id)
    overrun(place, loop, 60.0)

    assert "2 tasks in a row" in place.of(TypePaused)[0].reason


def test_r05_a_handler_over_which_the_machine_slept_is_told_before_it_is_given_up(workplace):
    work = Work(gated=True, time_limit="1m")
    place = workplace(work)
    attempt = place.start("t1")
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(7200.0)
    loop.go_on()

    assert attempt.cancelled is not None
    assert not attempt.stray
    place.clock.turn(ABANDON_AFTER - 0.1)
    loop.go_on()
    assert not attempt.stray
    work.gate.set()
    place.idle()
    assert place.outcomes() == [Completed('{"done":"t1"}')]


def test_r05_sleep_of_the_machine_beyond_the_claim_revokes_it_and_the_task_lapses(workplace):
    work = Work(obey, gated=True)
    place = workplace(work, server_claim_timeout=300.0)
    attempt = place.start("t1")
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(7200.0)
    loop.go_on()
    work.gate.set()
    place.idle()

    assert attempt.cancelled is CancelReason.EXPIRED
    assert place.ends() == [("t1", End.LAPSED)]
    assert place.waiting() == []


def test_a_handler_is_held_to_the_claim_timeout_of_a_server_that_renews_nothing(workplace):
    place = workplace(Work(gated=True, time_limit="1h"), server_claim_timeout=100.0)

    assert place.start("t1").limit_at == 90.0


def test_r15_handlers_that_run_when_the_worker_is_about_to_exit_are_told_so(workplace):
    work = Work(obey, gated=True)
    place = workplace(work)
    attempt = place.start("t1")
    loop = place.supervised()
    place.stop(grace=25.0)
    loop.go_on()
    place.clock.turn(16.5)
    loop.go_on()
    assert loop.wait == 0.5
    assert attempt.cancelled is None
    place.clock.turn(0.5)
    loop.go_on()
    work.gate.set()
    place.idle()

    assert attempt.cancelled is CancelReason.STOPPING
    assert place.ends() == [("t1", End.LAPSED)]


def test_r36_the_lease_loop_goes_on_until_the_worker_has_stopped(workplace):
    place = workplace()
    loop = Stepped(lease_loop(place.services))
    place.stop()
    for step in ({}, {"flushed": True}):
        loop.go_on()
        assert not loop.ended
        place.advance(**step)
    loop.go_on()

    assert loop.ended


def test_a_cancellation_wakes_a_handler_that_sleeps(workplace):
    work = Work(lambda ctx: ctx.sleep(3600), time_limit="1m")
    place = workplace(work)
    place.start("t1")
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(60.0)
    loop.go_on()
    place.idle()

    assert [outcome.error_type for outcome in place.outcomes()] == ["time_limit"]


def test_a_cancellation_reaches_an_asynchronous_handler_at_its_next_await(workplace):
    work = Work()
    reached = []

    @task_handler("Test.Some", time_limit="1m")
    async def asynchronous(params: dict, ctx):
        work.ran.append(ctx.task.id)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            reached.append(ctx.cancelled)
            raise

    work.handler = asynchronous
    place = workplace(work)
    place.start("t1")
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(60.0)
    loop.go_on()
    place.idle()

    assert reached == [CancelReason.TIME_LIMIT]
    assert [outcome.error_type for outcome in place.outcomes()] == ["time_limit"]


def test_a_hidden_cancellation_is_raised_again_by_the_next_method(workplace):
    told = []

    def stubborn(ctx):
        for _ in range(2):
            try:
                ctx.check()
            except TaskCancelled as cancelled:
                told.append(cancelled.reason)
        ctx.progress(50)

    work = Work(stubborn, gated=True)
    place = workplace(work)
    attempt = place.start("t1")
    attempt.cancel(CancelReason.ASKED)
    work.gate.set()
    place.idle()

    assert told == [CancelReason.ASKED] * 2
    assert [outcome.error_type for outcome in place.outcomes()] == ["cancelled"]


def test_r16_a_handler_whose_process_was_killed_costs_no_slot_however_often_it_is_looked_at(workplace):
    here = workplace(Work(gated=True, time_limit=60.0))
    attempt = here.start("t1")
    forget = attempt.killable(lambda: None)
    loop = Stepped(lease_loop(here.services))
    for step in (60.0, ABANDON_AFTER):
        here.clock.turn(step)
        loop.go_on()
    forget()
    here.clock.turn(ABANDON_AFTER)
    loop.go_on()

    assert here.services.slots.lost == 0
    assert len([notice for notice in here.of(Notice) if "its process is killed" in notice.message]) == 1
