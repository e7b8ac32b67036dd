"""Runs a handler once, without a server and without waiting."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.decide.backoff import retry_pause
from prismq_worker_sdk.decide.ends import outcome_of_cancel, outcome_of_error, outcome_when_cancelled
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import NotSupported, TaskCancelled, Transient
from prismq_worker_sdk.handlers.children import child_of
from prismq_worker_sdk.handlers.handler import Handler, as_handler
from prismq_worker_sdk.handlers.log import TaskLog
from prismq_worker_sdk.handlers.results import encode_result
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.outcome import Child, Completed, Outcome
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.testing.clock import FakeClock

__all__ = ["HandlerHarness", "HarnessResult"]

MAX_CHECKPOINT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessResult:
    """What one run of a handler left.

    Attributes:
        outcome: Completed, Failed or Released; None when the claim was lost.
        error: What the handler raised, None when it returned.
        progress: Each `ctx.progress` as (percent, message).
        checkpoints: Each `ctx.checkpoint`, oldest first.
        children: What `ctx.submit` would create, with the result.
        logs: Each line of `ctx.log` as (level, message, fields).
        slept: Seconds that `ctx.sleep` would have taken.
    """

    outcome: Outcome | None
    error: BaseException | None
    progress: tuple[tuple[float, str], ...] = ()
    checkpoints: tuple[Any, ...] = ()
    children: tuple[Child, ...] = ()
    logs: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    slept: float = 0.0

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
    """Runs a handler once, as a worker would: validate, set up, run, encode, tear down.

    Args:
        handler: What `@task_handler` made, or a TaskHandler class or instance.
        settings: What `ctx.settings` gives.
        attempt: From 1.
        last_checkpoint: What an earlier attempt stored.
        clock: Time for `ctx.time_left`; turned by `ctx.sleep`. A handler whose time is used up is cancelled.
        creates: Whether `ctx.submit` works; a base server cannot.
        max_result_bytes: What `ctx.max_result_bytes` gives; a larger result fails. 65,535 on a prismq-client server.
    """

    def __init__(
        self,
        handler: object,
        *,
        settings: Any = None,
        attempt: int = 1,
        last_checkpoint: Any = None,
        clock: FakeClock | None = None,
        creates: bool = True,
        max_result_bytes: int = BASE.max_result_bytes,
    ) -> None:
        made = as_handler(handler)
        self._handler: Handler = made if settings is None else made.with_settings(settings)
        self._attempt = attempt
        self._last_checkpoint = last_checkpoint
        self._clock = clock or FakeClock()
        self._creates = creates
        self._max_result_bytes = max_result_bytes

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
        handler = self._handler
        task = Task(
            id="00000000-0000-4000-8000-000000000001",
            type=handler.task_type,
            params=dict(params or {}),
            status=TaskStatus.PROCESSING,
            attempt=self._attempt,
        )
        ctx = _HarnessContext(
            task,
            handler,
            self._clock,
            self._last_checkpoint,
            creates=self._creates,
            max_result_bytes=self._max_result_bytes,
            cancel=cancel,
            after=cancel_after,
        )
        with _captured(ctx.lines):
            outcome, error = _outcome(handler, task, ctx)
        return HarnessResult(
            outcome=outcome,
            error=error,
            progress=tuple(ctx.progressed),
            checkpoints=tuple(ctx.checkpoints),
            children=tuple(ctx.children) if isinstance(outcome, Completed) else (),
            logs=tuple(ctx.lines),
            slept=ctx.slept,
        )


def _outcome(
    handler: Handler, task: Task, ctx: _HarnessContext
) -> tuple[Outcome | None, BaseException | None]:
    redact = Redactor().text
    try:
        parsed = handler.params.parse(task.params)
        handler.setup()
        try:
            value = _tries(handler, parsed, ctx)
        finally:
            handler.teardown()
        text = encode_result(value, max_bytes=ctx.max_result_bytes)
    except TaskCancelled as error:
        reason = ctx.cancelled
        outcome = outcome_of_error(error, redact=redact) if reason is None else outcome_of_cancel(reason)
        return outcome, error
    except BaseException as error:  # noqa: BLE001 - the harness gives what the worker would make of it
        now, reason = ctx.clock.utc(), ctx.cancelled
        if reason is None:
            return outcome_of_error(error, redact=redact, now=now), error
        return outcome_when_cancelled(error, reason, redact=redact, now=now, detail=""), error
    return (None if ctx.cancelled is CancelReason.LOST else Completed(text)), None


def _tries(handler: Handler, parsed: Any, ctx: _HarnessContext) -> Any:
    tries = 0
    while True:
        tries += 1
        try:
            value = handler.run(parsed, ctx)
            return asyncio.run(value) if asyncio.iscoroutine(value) else value
        except Transient as error:
            pause = None
            if handler.retry is not None:
                pause = retry_pause(handler.retry, tries, jitter=1.0, asked=error.retry_in)
            if pause is None or pause >= ctx.time_left or ctx.stopping:
                raise
            ctx.children.clear()
            ctx.sleep(pause)


@dataclass(slots=True)
class _HarnessContext:
    """The `ctx` of a harness; implements `handlers.context.TaskContext`."""

    task: Task
    _handler: Handler
    clock: FakeClock
    last_checkpoint: Any
    creates: bool = field(kw_only=True)
    max_result_bytes: int = field(kw_only=True)
    cancel: CancelReason | None = field(kw_only=True)
    after: int = field(kw_only=True)
    log: TaskLog = field(default_factory=lambda: TaskLog(logging.getLogger("prismq.task.harness")))
    progressed: list[tuple[float, str]] = field(default_factory=list)
    checkpoints: list[Any] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    slept: float = 0.0
    calls: int = 0
    limit_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.limit_at = self.clock.monotonic() + self._handler.time_limit

    @property
    def attempt(self) -> int:
        return self.task.attempt or 1

    @property
    def settings(self) -> Any:
        return self._handler.settings

    @property
    def idempotency_key(self) -> str:
        return f"{self.task.type}:{self.task.id}"

    @property
    def time_left(self) -> float:
        return max(0.0, self.limit_at - self.clock.monotonic())

    @property
    def stopping(self) -> bool:
        return self.cancelled is CancelReason.STOPPING

    @property
    def cancelled(self) -> CancelReason | None:
        if self.cancel is not None and self.calls >= self.after:
            return self.cancel
        return CancelReason.TIME_LIMIT if self.time_left == 0 else None

    def check(self) -> None:
        if self.cancelled is not None:
            raise TaskCancelled(self.cancelled)
        self.calls += 1

    def progress(self, percent: float, message: str = "") -> None:
        self.check()
        self.progressed.append((min(100.0, max(0.0, float(percent))), message))

    def checkpoint(self, value: Any) -> None:
        self.last_checkpoint = json.loads(
            encode_result(value, max_bytes=MAX_CHECKPOINT_BYTES, name="checkpoint")
        )
        self.checkpoints.append(self.last_checkpoint)
        self.check()

    def submit(self, task_type: str, params: dict[str, Any], *, priority: int | None = None) -> None:
        if not self.creates:
            raise NotSupported(f"ctx.submit({task_type!r}, …): this server has only the base protocol")
        self.check()
        self.children.append(child_of(len(self.children), task_type, params, priority))

    def sleep(self, seconds: float) -> None:
        self.check()
        slept = min(max(0.0, seconds), self.time_left)
        self.clock.turn(slept)
        self.slept += slept
        if self.cancelled is not None:
            raise TaskCancelled(self.cancelled)


class _Capture(logging.Handler):
    def __init__(self, lines: list[tuple[str, str, dict[str, Any]]]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append((record.levelname, record.getMessage(), getattr(record, "fields", {})))


@contextmanager
def _captured(lines: list[tuple[str, str, dict[str, Any]]]) -> Any:
    logger = logging.getLogger("prismq.task.harness")
    handler, level, propagate = _Capture(lines), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
