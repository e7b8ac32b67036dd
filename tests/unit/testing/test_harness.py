import asyncio
import gc
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import datetime, timedelta

import pytest

from prismq_worker_sdk import (
    CancelReason,
    Defer,
    NotSupported,
    Permanent,
    RetryPolicy,
    TaskCancelled,
    TaskHandler,
    TaskParams,
    Transient,
    Unavailable,
    task_handler,
)
from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.errors import InvalidParams, PluginError, UnfitResult
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Released
from prismq_worker_sdk.model.task import TaskStatus
from prismq_worker_sdk.testing import FakeClock, HandlerHarness
from prismq_worker_sdk.worker import handler_call


class Params(TaskParams):
    n: int = 2


def harness(function, *, options=None, **more):
    return HandlerHarness(task_handler("Test.Type", **(options or {}))(function), **more)


def raising(error):
    def handle(params, ctx):
        raise error

    return handle


PLACE = f"(test_harness.py:{raising.__code__.co_firstlineno + 2}, in handle)"


def test_a_handler_that_returns_has_completed_with_its_result():
    def handle(params: Params, ctx):
        return {"twice": params.n * 2}

    found = harness(handle).run({"n": 4})

    assert found.completed
    assert found.result == {"twice": 8}
    assert (found.outcome, found.error) == (Completed('{"twice":8}'), None)
    assert harness(handle).run().result == {"twice": 4}


def test_an_async_handler_runs_too():
    async def handle(params, ctx):
        ctx.progress(50)
        return params

    found = harness(handle).run({"a": 1})

    assert (found.result, found.progress) == ({"a": 1}, ((50.0, ""),))


def test_what_an_async_handler_has_left_running_and_cannot_be_ended_is_never_taken_away_amid_something_else(
    monkeypatch,
):
    monkeypatch.setattr(handler_call, "LEFT_OVER", 0.01)
    raised = []

    async def obstinate():
        while "GeneratorExit" not in raised:
            try:
                await asyncio.sleep(3600)
            except BaseException as error:
                raised.append(type(error).__name__)

    async def handle(params, ctx):
        task = asyncio.ensure_future(obstinate())
        await asyncio.sleep(0)
        return task.done()

    assert harness(handle).run().result is False
    gc.collect()
    assert raised == ["CancelledError"]


def test_harnesses_that_run_at_the_same_time_keep_their_lines_apart():
    def inner(params, ctx):
        ctx.log.info("inner")

    def outer(params, ctx):
        ctx.log.info("before")
        with ThreadPoolExecutor(1) as thread:
            lines = thread.submit(harness(inner).run).result().logs
        ctx.log.info("after")
        return [message for _, message, _ in lines]

    found = harness(outer).run()

    assert found.result == ["inner"]
    assert [message for _, message, _ in found.logs] == ["before", "after"]


def test_what_the_handler_said_is_kept_in_order():
    def handle(params, ctx):
        ctx.progress(-5, "begun")
        ctx.log.info("page read", shorts=25)
        ctx.checkpoint({"page": 1})
        ctx.progress(140, "done")
        ctx.log.warning("slow")
        ctx.checkpoint({"page": 2})
        ctx.submit("Test.Child", {"n": 1})
        ctx.submit("Test.Child", {"n": 2}, priority=9)
        return ctx.last_checkpoint

    found = harness(handle).run()

    assert found.progress == ((0.0, "begun"), (100.0, "done"))
    assert found.checkpoints == ({"page": 1}, {"page": 2})
    assert found.logs == (("INFO", "page read", {"shorts": 25}), ("WARNING", "slow", {}))
    assert found.children == (
        Child("0", "Test.Child", '{"n":1}'),
        Child("1", "Test.Child", '{"n":2}', 9),
    )
    assert found.result == {"page": 2}


def test_the_task_and_its_attempt_are_what_the_harness_was_given():
    def handle(params, ctx):
        return [
            ctx.task.type,
            dict(ctx.task.params),
            ctx.attempt,
            ctx.last_checkpoint,
            ctx.settings,
            ctx.task.status,
        ]

    found = harness(handle, attempt=3, last_checkpoint={"page": 7}, settings="own").run({"a": 1})

    assert found.result == ["Test.Type", {"a": 1}, 3, {"page": 7}, "own", TaskStatus.PROCESSING]


def test_the_idempotency_key_is_the_same_for_every_attempt():
    def handle(params, ctx):
        return ctx.idempotency_key

    assert harness(handle, attempt=1).run().result == harness(handle, attempt=2).run().result


def test_a_handler_can_fit_its_result_to_what_the_server_stores():
    def handle(params, ctx):
        return "x" * (ctx.max_result_bytes - 2 + params["more"])

    small = harness(handle, max_result_bytes=100)

    assert small.run({"more": 0}).result == "x" * 98
    assert small.run({"more": 1}).outcome.error_type == "unfit_result"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Transient("later", retry_in=30), Failed("later", "Transient", retryable=True, delay_seconds=30.0)),
        (Permanent("never"), Failed("never", "Permanent", retryable=False)),
        (Defer("not yet", retry_in=5), Released("not yet", 5.0)),
        (
            Defer("tomorrow", until=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=90)),
            Released("tomorrow", 90.0),
        ),
        (Unavailable("quota used up", retry_in=60), Released("quota used up", 60.0)),
        (KeyError("k"), Failed(f"KeyError: 'k' {PLACE}", "KeyError")),
        (SystemExit(3), Failed(f"SystemExit: 3 {PLACE}", "SystemExit")),
        (TaskCancelled("mine"), Failed("TaskCancelled: task cancelled: mine", "TaskCancelled")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_handler_raises_becomes_the_outcome_that_a_worker_makes_of_it(error, outcome):
    found = harness(raising(error)).run()

    assert (found.outcome, found.error) == (outcome, error)
    assert not found.completed
    with pytest.raises(AssertionError, match="was not completed") as asserted:
        found.result  # noqa: B018 - reading it is the test
    assert asserted.value.__cause__ is error


def test_params_that_do_not_fit_fail_the_task_before_the_handler_runs():
    ran = []

    def handle(params: Params, ctx):
        ran.append(params)

    found = harness(handle).run({"n": "2", "m": 1})

    assert (found.outcome.error_type, found.outcome.retryable) == ("invalid_params", False)
    assert isinstance(found.error, InvalidParams)
    assert [fault.pointer for fault in found.error.faults] == ["/m", "/n"]
    assert ran == []


@pytest.mark.parametrize(
    "value", [math.nan, {1}, "\ud800", "x" * (8 * 1024 * 1024)], ids=["nan", "set", "text", "size"]
)
def test_r14_a_result_that_cannot_go_fails_the_task(value):
    found = harness(lambda params, ctx: value).run()

    assert (found.outcome.error_type, found.outcome.retryable) == ("unfit_result", False)
    assert isinstance(found.error, UnfitResult)


def test_children_of_a_failed_task_are_not_created():
    def handle(params, ctx):
        ctx.submit("Test.Child", {})
        raise Permanent("no")

    assert harness(handle).run().children == ()


def test_r22_a_server_that_cannot_create_refuses_children_at_once():
    def handle(params, ctx):
        ctx.submit("Test.Child", {})

    found = harness(handle, creates=False).run()

    assert isinstance(found.error, NotSupported)
    assert found.outcome.error_type == "NotSupported"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda ctx: ctx.submit("no type", {}), PluginError),
        (lambda ctx: ctx.submit("Test.Child", {"a": math.nan}), UnfitResult),
        (lambda ctx: ctx.checkpoint({"a": {1}}), UnfitResult),
        (lambda ctx: ctx.checkpoint("x" * 64 * 1024), UnfitResult),
    ],
)
def test_what_no_server_takes_is_refused_where_it_is_said(call, error):
    found = harness(lambda params, ctx: call(ctx)).run()

    assert isinstance(found.error, error)
    assert found.checkpoints == ()


def test_a_transient_failure_is_tried_again_where_the_handler_asks_for_it():
    tries = []

    def handle(params, ctx):
        tries.append(1)
        ctx.submit("Test.Child", {"try": len(tries)})
        ctx.checkpoint(len(tries))
        if len(tries) < 3:
            raise Transient("again")
        return ctx.last_checkpoint

    found = harness(handle, options={"retry": RetryPolicy(max_attempts=3, initial=1, factor=2)}).run()

    assert (len(tries), found.result, found.slept) == (3, 3, 3.0)
    assert [child.params for child in found.children] == ['{"try":3}']


@pytest.mark.parametrize(
    ("error", "retry", "tries"),
    [
        (Transient("x"), None, 1),
        (Transient("x"), RetryPolicy(max_attempts=2), 2),
        (Transient("x"), RetryPolicy(max_attempts=9, initial=20, factor=1), 5),
        (Permanent("x"), RetryPolicy(), 1),
        (ValueError("x"), RetryPolicy(), 1),
    ],
    ids=["not asked for", "used up", "no time left", "permanent", "unexpected"],
)
def test_r13_a_try_is_repeated_only_after_transient_and_while_there_is_time(error, retry, tries):
    seen = []

    def handle(params, ctx):
        seen.append(1)
        raise error

    found = harness(handle, options={"retry": retry, "time_limit": 90}).run()

    assert (len(seen), found.error) == (tries, error)


def test_time_passes_only_when_the_handler_sleeps():
    clock = FakeClock()
    clock.turn(1000)

    def handle(params, ctx):
        before = ctx.time_left
        ctx.sleep(20)
        ctx.sleep(-1)
        return [before, ctx.time_left]

    run = harness(handle, options={"time_limit": "1m"}, clock=clock)

    assert [run.run().result, run.run().result] == [[60.0, 40.0], [60.0, 40.0]]
    assert clock.monotonic() == 1040.0


def test_r16_a_handler_that_sleeps_past_its_limit_is_told_to_end():
    seen = []

    def handle(params, ctx):
        try:
            ctx.sleep(90)
        finally:
            seen.append((ctx.cancelled, ctx.time_left))

    found = harness(handle, options={"time_limit": 60}).run()

    assert found.outcome == Failed("the handler did not end within its time limit of 1m", "time_limit")
    assert (found.slept, seen) == (60.0, [(CancelReason.TIME_LIMIT, 0.0)])


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (CancelReason.LOST, None),
        (CancelReason.EXPIRED, Released("the claim ran out before the handler ended")),
        (
            CancelReason.TIME_LIMIT,
            Failed("the handler did not end within its time limit of 1h", "time_limit"),
        ),
        (CancelReason.ASKED, Failed("the task was cancelled on request", "cancelled", retryable=False)),
        (CancelReason.STOPPING, Released("the worker stops")),
    ],
)
def test_r15_the_reason_decides_what_a_cancelled_handler_leaves(reason, outcome):
    cleaned = []

    def handle(params, ctx):
        try:
            while True:
                ctx.progress(1)
        finally:
            cleaned.append(ctx.cancelled)

    found = harness(handle).run(cancel=reason, cancel_after=2)

    assert (found.outcome, cleaned) == (outcome, [reason])
    assert len(found.progress) == 2
    assert isinstance(found.error, TaskCancelled)


@pytest.mark.parametrize("reason", CancelReason)
def test_r15_a_handler_that_returns_all_the_same_has_completed_unless_the_claim_is_lost(reason):
    def handle(params, ctx):
        seen = 0
        while not ctx.cancelled:
            seen += 1
        return seen

    found = harness(handle).run(cancel=reason)

    assert found.outcome == (None if reason is CancelReason.LOST else Completed("0"))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Permanent("no"), Failed("no", "Permanent", retryable=False)),
        (OSError("closed"), Released("the worker stops")),
    ],
)
def test_r15_what_a_cancelled_handler_raises_on_purpose_stands(error, outcome):
    def handle(params, ctx):
        assert ctx.stopping
        raise error

    assert harness(handle).run(cancel=CancelReason.STOPPING).outcome == outcome


@pytest.mark.parametrize(
    "call",
    [
        lambda ctx: ctx.check(),
        lambda ctx: ctx.progress(1),
        lambda ctx: ctx.sleep(1),
        lambda ctx: ctx.submit("Test.Child", {}),
        lambda ctx: ctx.checkpoint(1),
    ],
)
def test_every_method_of_ctx_ends_a_cancelled_handler(call):
    found = harness(lambda params, ctx: call(ctx)).run(cancel=CancelReason.ASKED)

    assert found.outcome.error_type == "cancelled"
    assert (found.progress, found.slept, found.children) == ((), 0.0, ())


def test_r30_a_checkpoint_is_stored_before_the_handler_is_ended():
    found = harness(lambda params, ctx: ctx.checkpoint({"page": 4})).run(cancel=CancelReason.STOPPING)

    assert found.checkpoints == ({"page": 4},)
    assert found.outcome == Released("the worker stops")


def test_an_async_handler_is_told_to_end_at_its_next_await():
    async def handle(params, ctx):
        await asyncio.sleep(0)
        ctx.progress(50)
        await asyncio.sleep(3600)

    found = harness(handle).run(cancel=CancelReason.STOPPING, cancel_after=1)

    assert (found.outcome, found.progress) == (Released("the worker stops"), ((50.0, ""),))


def test_a_handler_runs_where_an_event_loop_runs_too():
    context = ContextVar("context")

    async def waits(params, ctx):
        await asyncio.sleep(0)
        return context.get()

    def loops(params, ctx):
        return asyncio.run(waits(params, ctx))

    async def test():
        context.set("of the test")
        return [harness(handle).run().result for handle in (waits, loops)]

    assert asyncio.run(test()) == ["of the test"] * 2


def test_without_an_event_loop_a_handler_runs_in_the_thread_of_the_test():
    found = harness(lambda params, ctx: threading.get_ident()).run()

    assert found.result == threading.get_ident()


class Owner(TaskHandler):
    task_type = "Test.Owner"

    def __init__(self):
        self.seen = []

    def setup(self):
        self.seen.append("setup")

    def process(self, params, ctx):
        self.seen.append("process")
        if params:
            raise ValueError("broken")
        return self.settings

    def teardown(self):
        self.seen.append("teardown")


@pytest.mark.parametrize("params", [{}, {"break": 1}])
def test_a_handler_that_owns_resources_is_set_up_and_torn_down(params):
    own = Owner()
    found = HandlerHarness(own, settings="own").run(params)

    assert own.seen == ["setup", "process", "teardown"]
    assert found.completed is (not params)


def test_a_setup_that_raises_gives_the_task_back_as_in_a_process_slot():
    class Unset(Owner):
        def setup(self):
            raise OSError("no such disk")

    found = HandlerHarness(Unset).run()

    assert found.outcome.reason.startswith("setup() raised OSError: no such disk (test_harness.py:")
    assert found.outcome.delay_seconds == 15.0


def test_a_teardown_that_raises_changes_no_outcome():
    class Clumsy(Owner):
        def teardown(self):
            raise OSError("already gone")

    found = HandlerHarness(Clumsy).run()

    assert found.completed
    assert [(level, message) for level, message, _ in found.logs] == [("ERROR", "teardown() raised")]


def test_a_class_of_handlers_will_do():
    assert HandlerHarness(Owner).run().result is None


def test_what_is_no_handler_is_refused():
    with pytest.raises(PluginError, match="is no handler"):
        HandlerHarness(lambda params, ctx: 1)


def test_a_follower_is_told_apart_from_the_children_it_follows():
    def handle(_params, ctx):
        ctx.then("Test.Last", {"run": 7}, priority=2)
        ctx.submit("Test.Child", {})

    found = harness(handle).run()
    assert (found.children[0].type, len(found.children)) == ("Test.Child", 1)
    assert (found.follower.type, found.follower.params, found.follower.priority) == (
        "Test.Last",
        '{"run":7}',
        2,
    )


@pytest.mark.parametrize("can", [{"follows": False}, {"creates": False}])
def test_a_server_that_cannot_let_a_task_follow_refuses_it_at_once(can):
    found = harness(lambda _params, ctx: ctx.then("Test.Last", {}), **can).run()

    assert isinstance(found.error, NotSupported)
    assert "fan_in" in str(found.error)


@pytest.mark.parametrize(
    ("call", "kind", "why"),
    [
        (lambda ctx: ctx.then("no type!", {}), PluginError, "ctx.then"),
        (lambda ctx: ctx.then("Test.Last", []), UnfitResult, "always an object"),
        (lambda ctx: ctx.then("Test.Last", {"children": 1}), UnfitResult, "a member 'children'"),
        (lambda ctx: [ctx.then("Test.Last", {}) for _ in range(2)], PluginError, "called before"),
    ],
)
def test_a_follower_that_cannot_be_is_refused_where_it_is_asked_for(call, kind, why):
    found = harness(lambda _params, ctx: call(ctx)).run()

    assert isinstance(found.error, kind)
    assert why in str(found.error)


def test_lines_take_arguments_as_logging_does_and_wrong_ones_fail_no_task():
    @task_handler("Test.Logs")
    def logs(params: dict, ctx):
        ctx.log.info("step %s of %d", "one", 3)
        ctx.log.warning("step %d", "one")

    found = HandlerHarness(logs).run()

    assert found.completed
    assert found.logs[0] == ("INFO", "step one of 3", {})
    assert found.logs[1][1].startswith("'step %d' (its arguments do not fit: TypeError(")
