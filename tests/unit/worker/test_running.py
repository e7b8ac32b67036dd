"""What the end of a handler becomes: one outcome, one end, and a word about its type."""

import math
import threading
from types import SimpleNamespace

import pytest

from prismq_worker_sdk import Defer, Permanent, RetryPolicy, Transient, Unavailable, task_handler
from prismq_worker_sdk.handlers import patterns
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import ClaimEnded, End, OutcomeCommitted, TypePaused, TypeResumed
from prismq_worker_sdk.model.outcome import Completed, Failed, Released
from prismq_worker_sdk.worker import handler_run
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.context import CancelToken
from prismq_worker_sdk.worker.handler_call import call
from tests.support.loops import TYPE, Stepped, Work, grant

CREATES = Capabilities(creates=True)
QUICK = RetryPolicy(max_attempts=3, initial=0.001, ceiling=0.001)


def raising(error):
    def end(ctx):
        raise error

    return end


PLACE = f"(test_running.py:{raising.__code__.co_firstlineno + 2}, in end)"


def test_a_result_is_committed_with_one_end_and_its_slot_is_free(workplace):
    place = workplace()
    place.run("t1")

    assert place.outcomes() == [Completed('{"done":"t1"}')]
    assert place.ends() == [("t1", End.COMPLETED)]
    assert place.services.slots.free == 2
    assert [type(event) for event in place.events[-2:]] == [OutcomeCommitted, ClaimEnded]


def test_r14_a_result_that_cannot_go_is_a_permanent_failure(workplace):
    place = workplace(Work(lambda ctx: {"x": math.nan}))
    place.run("t1")

    (failed,) = place.outcomes()
    assert (failed.error_type, failed.retryable) == ("unfit_result", False)
    assert place.ends() == [("t1", End.FAILED)]


def test_r14_a_result_larger_than_the_server_takes_is_a_permanent_failure(workplace):
    place = workplace(Work(lambda ctx: "x" * 101), capabilities=Capabilities(max_result_bytes=100))
    place.run("t1")

    assert [outcome.error_type for outcome in place.outcomes()] == ["unfit_result"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RuntimeError("broken"), Failed(f"RuntimeError: broken {PLACE}", "RuntimeError")),
        (SystemExit(3), Failed(f"SystemExit: 3 {PLACE}", "SystemExit")),
        (KeyboardInterrupt(), Failed(f"KeyboardInterrupt {PLACE}", "KeyboardInterrupt")),
        (Permanent("never"), Failed("never", "Permanent", retryable=False)),
        (Transient("later", retry_in=7), Failed("later", "Transient", retryable=True, delay_seconds=7.0)),
    ],
)
def test_r17_what_a_handler_raises_is_its_outcome_and_the_slot_lives_on(workplace, error, outcome):
    place = workplace(Work(raising(error)), concurrency=1)
    place.run("t1", "t2")

    assert place.outcomes() == [outcome, outcome]
    assert place.ends() == [("t1", End.FAILED), ("t2", End.FAILED)]


def test_r17_params_that_do_not_fit_fail_for_good_without_a_run(workplace):
    work = Work(params={"type": "object", "required": ["q"]})
    place = workplace(work)
    place.run("t1")

    assert work.ran == []
    (failed,) = place.outcomes()
    assert (failed.error_type, failed.retryable) == ("invalid_params", False)


def test_r13_each_try_inside_a_claim_starts_without_children_and_with_the_last_checkpoint(workplace):
    seen = []

    def end(ctx):
        seen.append(ctx.last_checkpoint)
        ctx.checkpoint({"try": len(seen)})
        ctx.submit("Test.Child", {"n": len(seen)})
        if len(seen) < 3:
            raise Transient("not yet")
        return "done"

    place = workplace(Work(end, retry=QUICK), capabilities=CREATES)
    place.run("t1")

    assert seen == [None, {"try": 1}, {"try": 2}]
    (report,) = place.waiting()
    assert report.outcome == Completed('"done"')
    assert [(child.type, child.params) for child in report.children] == [("Test.Child", '{"n":3}')]


def test_r13_a_handler_that_did_not_ask_for_it_is_tried_once(workplace):
    work = Work(raising(Transient("later")))
    place = workplace(work)
    place.run("t1")

    assert work.ran == ["t1"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), Permanent("never"), Unavailable("closed")])
def test_r13_only_transient_is_tried_again_inside_a_claim(workplace, error):
    work = Work(raising(error), retry=QUICK)
    place = workplace(work)
    place.run("t1")

    assert work.ran == ["t1"]


def test_r13_no_try_is_begun_that_the_claim_has_no_room_for(workplace):
    def end(ctx):
        place.clock.turn(90.0)
        raise Transient("slow")

    work = Work(end, time_limit="90s", retry=QUICK)
    place = workplace(work)
    place.run("t1")

    assert work.ran == ["t1"]


def test_r13_no_try_is_begun_while_the_worker_stops(workplace):
    def end(ctx):
        place.stop()
        raise Transient("again")

    work = Work(end, retry=QUICK)
    place = workplace(work)
    place.run("t1")

    assert work.ran == ["t1"]
    assert [outcome.error_type for outcome in place.outcomes()] == ["Transient"]


def cancelled(workplace, reason, end, **options):
    work = Work(end, gated=True)
    place = workplace(work, **options)
    attempt = place.start("t1")
    attempt.cancel(reason)
    work.gate.set()
    place.idle()
    assert place.faults() == ()
    return place


@pytest.mark.parametrize(
    ("reason", "end", "kinds"),
    [
        (CancelReason.LOST, End.LOST, []),
        (CancelReason.EXPIRED, End.LAPSED, []),
        (CancelReason.TIME_LIMIT, End.FAILED, [("time_limit", None)]),
        (CancelReason.ASKED, End.FAILED, [("cancelled", False)]),
        (CancelReason.STOPPING, End.LAPSED, []),
    ],
)
def test_r15_the_reason_decides_what_a_handler_that_obeys_leaves(workplace, reason, end, kinds):
    place = cancelled(workplace, reason, lambda ctx: ctx.check())

    assert place.ends() == [("t1", end)]
    assert [(outcome.error_type, outcome.retryable) for outcome in place.outcomes()] == kinds


@pytest.mark.parametrize("reason", [CancelReason.EXPIRED, CancelReason.STOPPING])
def test_r15_where_the_server_takes_tasks_back_it_is_given_back(workplace, reason):
    place = cancelled(workplace, reason, lambda ctx: ctx.check(), capabilities=Capabilities(releases=True))

    assert place.ends() == [("t1", End.RELEASED)]
    assert [type(outcome) for outcome in place.outcomes()] == [Released]


@pytest.mark.parametrize("reason", list(CancelReason))
def test_r15_a_handler_that_returns_all_the_same_has_completed_unless_the_claim_is_lost(workplace, reason):
    place = cancelled(workplace, reason, lambda ctx: "all the same")

    lost = reason is CancelReason.LOST
    assert place.ends() == [("t1", End.LOST if lost else End.COMPLETED)]
    assert place.outcomes() == ([] if lost else [Completed('"all the same"')])


def test_r15_an_error_on_the_way_out_is_not_held_against_the_type(workplace):
    place = cancelled(
        workplace, CancelReason.STOPPING, raising(RuntimeError("interrupted")), max_consecutive_errors=1
    )

    assert place.of(TypePaused) == []
    assert place.ends() == [("t1", End.LAPSED)]


def test_r18_unavailable_pauses_its_type_alone(workplace):
    work = Work(raising(Unavailable("quota used up", retry_in=600)))
    place = workplace(work, Work(task_type="Test.Other"))
    place.run("t1")

    assert place.ends() == [("t1", End.LAPSED)]
    assert place.waiting() == []
    (paused,) = place.of(TypePaused)
    assert (paused.task_type, paused.reason, paused.seconds) == ("Test.Some", "quota used up", 600.0)
    assert place.services.availability.closed(place.clock.monotonic()) == {"Test.Some": "quota used up"}
    assert Stepped(claim_loop(place.services)).request.claim.task_types == ("Test.Other",)
    place.clock.turn(600.0)
    assert Stepped(claim_loop(place.services)).request.claim.task_types == ("Test.Some", "Test.Other")
    assert [resumed.task_type for resumed in place.of(TypeResumed)] == ["Test.Some"]


def test_r18_defer_gives_back_one_task_and_pauses_nothing(workplace):
    place = workplace(Work(raising(Defer("not before noon", retry_in=60))))
    place.run("t1")

    assert place.ends() == [("t1", End.LAPSED)]
    assert place.waiting() == []
    assert place.services.availability.closed(place.clock.monotonic()) == {}


@pytest.mark.parametrize("can", [Capabilities(), Capabilities(retries_at_once=True)])
def test_r18_a_defer_that_the_server_cannot_keep_pauses_the_type_where_it_asks_for_that(workplace, can):
    place = workplace(
        Work(raising(Defer("no searches left", retry_in=3600, or_pause=True))), capabilities=can
    )
    place.run("t1")

    (paused,) = place.of(TypePaused)
    assert (paused.task_type, paused.reason, paused.seconds) == ("Test.Some", "no searches left", 3600.0)


def test_r18_a_defer_that_the_server_keeps_pauses_nothing_whatever_it_asks_for(workplace):
    work = Work(raising(Defer("no searches left", retry_in=3600, or_pause=True)))
    place = workplace(work, capabilities=Capabilities(releases=True))
    place.run("t1")

    assert place.ends() == [("t1", End.RELEASED)]
    assert place.of(TypePaused) == []


def test_r18_where_the_server_takes_tasks_back_defer_carries_its_delay(workplace):
    place = workplace(
        Work(raising(Defer("not before noon", retry_in=60))), capabilities=Capabilities(releases=True)
    )
    place.run("t1")

    assert place.ends() == [("t1", End.RELEASED)]
    assert place.outcomes() == [Released("not before noon", 60.0)]


def test_r19_errors_in_a_row_over_distinct_tasks_pause_the_type(workplace):
    place = workplace(Work(raising(RuntimeError("broken"))), max_consecutive_errors=3)
    place.run("t1", "t1", "t2")
    assert place.of(TypePaused) == []
    place.run("t3")

    (paused,) = place.of(TypePaused)
    assert "3 tasks in a row failed unexpectedly, last: RuntimeError: broken" in paused.reason
    assert place.services.availability.all_failing(place.clock.monotonic()) == paused.reason


def test_r19_a_task_that_ends_well_begins_the_count_anew(workplace):
    def end(ctx):
        if ctx.task.id != "good":
            raise RuntimeError("broken")

    place = workplace(Work(end), max_consecutive_errors=2)
    place.run("t1", "good", "t2")

    assert place.of(TypePaused) == []


@pytest.mark.parametrize("error", [Permanent("never"), Transient("later"), Defer()])
def test_r19_what_a_handler_raises_on_purpose_is_no_unexpected_error(workplace, error):
    place = workplace(Work(raising(error)), max_consecutive_errors=1)
    place.run("t1")

    assert place.of(TypePaused) == []


def test_r19_one_type_that_still_works_keeps_the_worker(workplace):
    place = workplace(
        Work(raising(RuntimeError("broken"))), Work(task_type="Test.Other"), max_consecutive_errors=1
    )
    place.run("t1")

    assert place.of(TypePaused)
    assert place.services.availability.all_failing(place.clock.monotonic()) is None


def test_r25_a_task_whose_result_is_still_here_is_answered_without_a_slot(workplace):
    work = Work()
    place = workplace(work)
    place.run("t1")
    place.give(grant("t1", token="again"))

    assert work.ran == ["t1"]
    assert place.ends() == [("t1", End.COMPLETED)] * 2
    assert [(report.identity.token, report.outcome) for report in place.waiting()] == [
        ("again", Completed('{"done":"t1"}'))
    ]
    assert place.of(OutcomeCommitted)[-1].answered
    assert place.faults() == ()


def test_r25_a_task_whose_failure_is_still_here_is_run_again(workplace):
    ends = [raising(RuntimeError("broken")), lambda ctx: "well"]
    place = workplace(Work(lambda ctx: ends.pop(0)(ctx)))
    place.run("t1", "t1")

    assert place.outcomes() == [Completed('"well"')]
    assert place.faults() == ()


def test_r22_a_server_of_the_base_protocol_cannot_create_children(workplace):
    place = workplace(Work(lambda ctx: ctx.submit("Test.Child", {})))
    place.run("t1")

    (failed,) = place.outcomes()
    assert failed.error_type == "NotSupported"
    assert "exchange extension" in failed.error


def test_two_tasks_of_one_type_run_at_the_same_time(workplace):
    together = threading.Barrier(2, timeout=10)
    place = workplace(Work(lambda ctx: together.wait() is not None), concurrency=2)
    place.give(grant("t1"))
    place.give(grant("t2"))
    place.idle()

    assert place.outcomes() == [Completed("true")] * 2


def test_params_whose_pattern_is_not_matched_in_time_are_a_permanent_failure(workplace, monkeypatch):
    def late(_pattern, _text, _seconds):
        raise TimeoutError

    monkeypatch.setattr(patterns, "_PROCESSES", SimpleNamespace(search=late))
    place = workplace(Work(params={"name": {"type": "string", "pattern": "^(?=a)"}}))
    place.give(grant("t1", name="b"))
    place.idle()

    (failed,) = place.outcomes()
    assert (failed.error_type, failed.retryable) == ("invalid_params", False)
    assert "/name: matching its pattern took longer than 5 s" in failed.error


@pytest.mark.parametrize(
    ("wanted", "has", "said"),
    [(3.0, 2.99, "3s"), (3.0, 2.0, "2s"), (3600.0, 270.0, "4m 30s"), (0.2, 0.15, "0.2s")],
)
def test_a_time_limit_is_told_as_it_was_asked_for_unless_the_claim_cut_it(workplace, wanted, has, said):
    place = workplace(Work(gated=True, time_limit=wanted))
    attempt = place.start()
    attempt.limit_at = attempt.started_at + has

    assert attempt.limit_text(place.clock.monotonic()) == said


def test_r15_a_handler_that_has_just_ended_cannot_be_told_to_end_any_more(workplace):
    told = []

    class Late(CancelToken):
        def on_cancel(self, listener):
            told.append(listener)
            return lambda: None

    @task_handler(TYPE)
    async def handle(params: dict, ctx):
        return "done"

    assert call(handle, {}, None, token=Late(), max_bytes=100) == '"done"'
    told[0]()  # as by a thread that was on its way: nothing of its own may break by it


def test_r10_a_task_that_breaks_the_worker_around_it_fails_like_any_other(workplace, monkeypatch):
    def broken(*_):
        raise MemoryError("no room for a context")

    monkeypatch.setattr(handler_run, "AttemptBackend", broken)
    place = workplace(Work())
    place.run("t1")

    assert place.ends() == [("t1", End.FAILED)]
    assert place.outcomes()[0].error_type == "MemoryError"
    assert place.services.slots.free == 2
