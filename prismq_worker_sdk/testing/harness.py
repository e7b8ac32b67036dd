"""Runs a handler once, on the worker's own path, without a server and without waiting."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from random import Random
from typing import Any

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.handlers.context import TaskLog
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.handlers.task_handler import as_handler
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.outcome import Child, Completed, Follower, Outcome
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.testing.clock import FakeClock
from prismq_worker_sdk.worker.attempt import Attempt, Ending
from prismq_worker_sdk.worker.context import RunningContext
from prismq_worker_sdk.worker.handler_call import call, set_up
from prismq_worker_sdk.worker.handler_run import Place, worked

__all__ = ["HandlerHarness", "HarnessResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessResult:
    """What one run of a handler left.

    Attributes:
        outcome: Completed, Failed or Released; None when the claim was lost.
        error: What the handler raised, None when it returned.
        progress: Each `ctx.progress` as (percent, message).
        checkpoints: Each `ctx.checkpoint`, oldest first.
        children: What `ctx.submit` would create, with the result.
        follower: What `ctx.then` would create once those have ended, without `children` among its params.
        logs: Each line of `ctx.log` as (level, message, fields).
        slept: Seconds that `ctx.sleep` would have taken.
        pauses: Each `ctx.pause_limit` as (key, seconds, reason).
    """

    outcome: Outcome | None
    error: BaseException | None
    progress: tuple[tuple[float, str], ...] = ()
    checkpoints: tuple[Any, ...] = ()
    children: tuple[Child, ...] = ()
    follower: Child | None = None
    logs: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    slept: float = 0.0
    pauses: tuple[tuple[str, float, str], ...] = ()

    @property
    def completed(self) -> bool:
        """Whether the task was completed."""
        return isinstance(self.outcome, Completed)

    @property
    def result(self) -> Any:
        """The result as a reader of the task gets it.

        Raises:
            AssertionError: The task was not completed; carries the handler's own exception.
        """
        if not isinstance(self.outcome, Completed):
            raise AssertionError(f"the task was not completed: {self.outcome}") from self.error
        return json.loads(self.outcome.result)


class HandlerHarness:
    """Runs a handler once, by the very function that a worker's slots run: validate, set up, run, encode, judge.

    It runs in the thread of the caller, or in another one where an event loop runs there, as in async tests.

    Args:
        handler: What `@task_handler` made, or a TaskHandler class or instance.
        settings: What `ctx.settings` gives.
        attempt: From 1.
        last_checkpoint: What an earlier attempt stored.
        clock: Time for `ctx.time_left`; turned by `ctx.sleep`. A handler whose time is used up is cancelled.
        creates: Whether `ctx.submit` and `ctx.then` work; a base server cannot.
        follows: Whether `ctx.then` works; a server that does not announce `fan_in` cannot.
        max_result_bytes: What `ctx.max_result_bytes` gives; a larger result fails. 65,535 on a prismq-client server.
    """

    def __init__(  # noqa: PLR0913 - the task, and what its server can do
        self,
        handler: object,
        *,
        settings: Any = None,
        attempt: int = 1,
        last_checkpoint: Any = None,
        clock: FakeClock | None = None,
        creates: bool = True,
        follows: bool = True,
        max_result_bytes: int = BASE.max_result_bytes,
    ) -> None:
        made = as_handler(handler)
        self._handler: Handler = made if settings is None else made.with_settings(settings)
        self._attempt = attempt
        self._last_checkpoint = last_checkpoint
        self._clock = clock or FakeClock()
        self._can = replace(
            BASE, creates=creates, follows=creates and follows, max_result_bytes=max_result_bytes
        )

    def run(
        self,
        params: Mapping[str, Any] | None = None,
        *,
        cancel: CancelReason | None = None,
        cancel_after: int = 0,
    ) -> HarnessResult:
        """What the handler makes of these params.

        Args:
            cancel: Tell the handler to end, for this reason.
            cancel_after: After so many calls of `ctx`; 0 for before the first.
        """
        attempt = _HarnessAttempt(self._handler, self._task(params or {}), self._clock, self._can)
        ctx = _HarnessContext(attempt, cancel=cancel, after=cancel_after)
        ending = _without_a_loop(partial(_run, self._handler, attempt, ctx, self._clock))
        return HarnessResult(
            outcome=ending.outcome,
            error=ending.error,
            progress=tuple(attempt.said),
            checkpoints=tuple(attempt.checkpoints),
            children=tuple(one for one in ending.children if not isinstance(one, Follower)),
            follower=next((one for one in ending.children if isinstance(one, Follower)), None),
            logs=tuple(ctx.lines),
            slept=attempt.slept,
            pauses=tuple(attempt.pauses),
        )

    def _task(self, params: Mapping[str, Any]) -> Task:
        return Task(
            id="00000000-0000-4000-8000-000000000001",
            type=self._handler.task_type,
            params=dict(params),
            status=TaskStatus.PROCESSING,
            attempt=self._attempt,
            checkpoint=self._last_checkpoint,
        )


def _run(handler: Handler, attempt: _HarnessAttempt, ctx: _HarnessContext, clock: FakeClock) -> Ending:
    """Works on the task, and tears the handler down where it was set up."""
    is_set_up = False

    def set_up_and_call(params: Any) -> str:
        nonlocal is_set_up
        if not is_set_up:
            set_up(handler)
            is_set_up = True
        return call(handler, params, ctx, token=attempt, max_bytes=ctx.max_result_bytes)

    place = Place(handler.params.parse, set_up_and_call)
    ending = worked(_Surroundings(clock), attempt, ctx, place)
    if is_set_up:
        try:
            with plugin_code("teardown()"):
                handler.teardown()
        except PluginRaised:  # as in a worker it changes no outcome
            ctx.log.exception("teardown() raised")
    return ending


def _without_a_loop(run: Callable[[], Ending]) -> Ending:
    """Runs it in this thread, or in another one where an event loop runs in this one, as slots do."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        with ThreadPoolExecutor(1, "prismq-harness") as thread:
            return thread.submit(copy_context().run, run).result()
    return run()


class _FullPause(Random):
    """Makes every pause as long as it may be."""

    def random(self) -> float:
        """The most."""
        return 1.0


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What a task needs of the worker around it."""

    clock: FakeClock
    rng: Random = field(default_factory=_FullPause)
    redactor: Redactor = field(default_factory=Redactor)


class _HarnessAttempt(Attempt):
    """An attempt whose time passes only when its handler sleeps, or its clock is turned; keeps what the handler said.

    Implements `context.ContextBackend`.
    """

    def __init__(self, handler: Handler, task: Task, clock: FakeClock, can: Capabilities) -> None:
        now = clock.monotonic()
        identity = Identity("", "v1", task.id, task.type, "", "harness")
        claim = Claim(identity, task, now, handler.time_limit)
        super().__init__(claim, handler, checkpoint=None, limit_at=now + handler.time_limit)
        self.started_at = now
        self.task, self.can = task, can
        self.slept = 0.0
        self.said: list[tuple[float, str]] = []
        self.checkpoints: list[Any] = []
        self.pauses: list[tuple[str, float, str]] = []
        self._clock = clock

    @property
    def token(self) -> _HarnessAttempt:
        return self

    @property
    def cancelled(self) -> CancelReason | None:
        """Why it must end; a time limit that is over is noticed when somebody looks."""
        if self._clock.monotonic() >= self.limit_at:
            self.cancel(CancelReason.TIME_LIMIT)
        return super().cancelled

    def wait(self, seconds: float) -> CancelReason | None:
        """Turns the clock instead of waiting, at most to the time limit."""
        slept = min(seconds, max(0.0, self.time_left))
        self._clock.turn(slept)
        self.slept += slept
        return self.cancelled

    @property
    def settings(self) -> Any:
        return self.handler.renewed().settings

    @property
    def checkpoint_text(self) -> str | None:
        return self.checkpoint

    @property
    def time_left(self) -> float:
        return self.limit_at - self._clock.monotonic()

    @property
    def stopping(self) -> bool:
        return self.cancelled is CancelReason.STOPPING

    def progressed(self, percent: float, message: str) -> None:
        self.said.append((percent, message))

    def logged(self, record: logging.LogRecord) -> None:
        """The context keeps what is logged."""

    @property
    def utc(self) -> datetime:
        return self._clock.utc()

    def pause_limit(self, name: str, seconds: float, reason: str) -> None:
        self.pauses.append((name, seconds, reason))

    def store(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint
        self.checkpoints.append(json.loads(checkpoint))


class _HarnessContext(RunningContext):
    """A context that tells the handler to end after so many calls."""

    def __init__(self, attempt: _HarnessAttempt, *, cancel: CancelReason | None, after: int) -> None:
        super().__init__(attempt)
        self.lines: list[tuple[str, str, dict[str, Any]]] = []
        own = logging.Logger("prismq.task", logging.DEBUG)  # noqa: LOG001 - of this run alone
        own.addHandler(_Capture(self.lines))
        self.log = TaskLog(own)
        self._attempt = attempt
        self._cancel = cancel
        self._left = after
        self._count(0)

    def check(self) -> None:
        """Counts the calls."""
        super().check()
        self._count(1)

    def _count(self, calls: int) -> None:
        self._left -= calls
        if self._cancel is not None and self._left <= 0:
            self._attempt.cancel(self._cancel)


class _Capture(logging.Handler):
    def __init__(self, lines: list[tuple[str, str, dict[str, Any]]]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append((record.levelname, record.getMessage(), getattr(record, "fields", {})))
