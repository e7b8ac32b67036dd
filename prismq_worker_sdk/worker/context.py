"""`ctx`: what a handler sees of its task and of the worker, and hears when it must end; never touches the network."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from prismq_worker_sdk.errors import (
    LONGEST_DELAY,
    NotSupported,
    PluginError,
    TaskCancelled,
    UnfitResult,
)
from prismq_worker_sdk.handlers.context import TaskContext, TaskLog
from prismq_worker_sdk.handlers.handler import check_task_type
from prismq_worker_sdk.handlers.values import encode_result
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.outcome import COUNTS, FOLLOWER_KEY, Child, Follower
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.model.trace_context import TraceContext

MAX_CHECKPOINT_BYTES = 64 * 1024
"""docs/rules.md, limits."""
LONGEST_LIMIT_NAME = 255


class CancelToken:
    """What can be told to end; may be used from any thread.

    Attributes:
        cancelled_at: Clock reading when it was told, if it was.
    """

    def __init__(self) -> None:
        self.cancelled_at: float | None = None
        self._changed: threading.Event | None = None
        self._lock = threading.Lock()
        self._cancelled: CancelReason | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def changed(self) -> threading.Event:
        """Set when it is told; wakes whoever waits. Made when somebody asks: hardly any task is ever waited for."""
        with self._lock:
            if self._changed is None:
                self._changed = threading.Event()
                if self._cancelled is not None:
                    self._changed.set()
            return self._changed

    @property
    def cancelled(self) -> CancelReason | None:
        """Why it was told to end, None when it was not; the first reason stays."""
        return self._cancelled

    def cancel(self, reason: CancelReason, now: float | None = None) -> bool:
        """Tells the handler to end; whether this was the first time.

        Args:
            now: Clock reading.
        """
        with self._lock:
            if self._cancelled is not None:
                return False
            self._cancelled, self.cancelled_at = reason, now
            listeners = tuple(self._listeners)
            if self._changed is not None:
                self._changed.set()
        for listener in listeners:
            listener()
        return True

    def wait(self, seconds: float) -> CancelReason | None:
        """Waits until it is told to end, at most so long; why it must end, None while it may go on."""
        self.changed.wait(seconds)
        return self.cancelled

    def on_cancel(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls the listener when the handler is told to end, at once if it was; the result takes it back."""
        with self._lock:
            told = self._cancelled is not None
            if not told:
                self._listeners.append(listener)
        if told:
            listener()

        def forget() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return forget


class ContextBackend(Protocol):
    """What a context stands on: the attempt in this process, or the line to the worker that has it."""

    @property
    def task(self) -> Task:
        """The task as it was claimed."""

    @property
    def token(self) -> CancelToken:
        """Whether the task must end."""

    @property
    def settings(self) -> Any:
        """The settings of the handler's plugin."""

    @property
    def checkpoint_text(self) -> str | None:
        """The last checkpoint of this attempt, JSON text."""

    @property
    def time_left(self) -> float:
        """Seconds to the limit; negative when it is over."""

    @property
    def stopping(self) -> bool:
        """Whether the worker stops."""

    @property
    def can(self) -> Capabilities:
        """What the server at hand can do."""

    def progressed(self, percent: float, message: str) -> None:
        """The handler told how far the work is."""

    def logged(self, record: logging.LogRecord) -> None:
        """The handler logged something that its server may be told."""

    @property
    def utc(self) -> datetime:
        """The time, with time zone."""

    @property
    def context(self) -> TraceContext | None:
        """The span that tasks belong to which the handler creates now."""

    def pause_limit(self, name: str, seconds: float, reason: str) -> None:
        """Pauses a limit for the whole fleet where the server can, else the type of the task in this worker."""

    def store(self, checkpoint: str) -> None:
        """Stores a checkpoint, JSON text; returns once it is stored."""


class RunningContext(TaskContext):
    """The `ctx` of a task that runs, for every kind of slot.

    Attributes:
        children: What was submitted in this try, and what is to follow that.
    """

    def __init__(self, backing: ContextBackend) -> None:
        self._backing = backing
        self.log = TaskLog(keep=backing.logged)
        self.children: tuple[Child, ...] = ()

    @property
    def task(self) -> Task:
        return self._backing.task

    @property
    def attempt(self) -> int:
        return self.task.attempt or 1

    @property
    def settings(self) -> Any:
        return self._backing.settings

    @property
    def idempotency_key(self) -> str:
        return f"{self.task.type}:{self.task.id}"

    @property
    def last_checkpoint(self) -> Any:
        kept = self._backing.checkpoint_text
        return self.task.checkpoint if kept is None else json.loads(kept)

    @property
    def time_left(self) -> float:
        return max(0.0, self._backing.time_left)

    @property
    def stopping(self) -> bool:
        return self._backing.stopping

    @property
    def cancelled(self) -> CancelReason | None:
        return self._backing.token.cancelled

    @property
    def max_result_bytes(self) -> int:
        return self._backing.can.max_result_bytes

    def check(self) -> None:
        reason = self._backing.token.cancelled
        if reason is not None:
            raise TaskCancelled(reason)

    def progress(self, percent: float, message: str = "") -> None:
        self.check()
        self._backing.progressed(min(100.0, max(0.0, float(percent))), message)

    def checkpoint(self, value: Any) -> None:
        text = encode_result(value, max_bytes=MAX_CHECKPOINT_BYTES, name="checkpoint")
        self._backing.store(text)
        self.check()

    def submit(self, task_type: str, params: dict[str, Any], *, priority: int | None = None) -> None:
        if not self._backing.can.creates:
            raise NotSupported(
                f"ctx.submit({task_type!r}, …) needs a TaskManager with the exchange extension; this one has "
                "only the base protocol, so create the task with TaskManagerClient instead"
            )
        self.check()
        limit = self._backing.can.max_params_bytes
        child = child_of(len(self.children), task_type, params, priority, max_bytes=limit)
        self.children = (*self.children, self._traced(child))

    def then(self, task_type: str, params: dict[str, Any], *, priority: int | None = None) -> None:
        if not self._backing.can.follows:
            raise NotSupported(
                f"ctx.then({task_type!r}, …) needs a TaskManager that announces fan_in, which this one does not; "
                "have the producer wait for the children instead (handle.wait_children)"
            )
        self.check()
        if any(isinstance(child, Follower) for child in self.children):
            raise PluginError("ctx.then was called before: one task follows the children")
        limit = self._backing.can.max_params_bytes
        follower = follower_of(task_type, params, priority, max_bytes=limit)
        self.children = (*self.children, self._traced(follower))

    def pause_limit(self, key: str, until: float | datetime, *, reason: str = "") -> None:
        if not (1 <= len(key) <= LONGEST_LIMIT_NAME and key.isprintable()):
            raise ValueError(f"pause_limit({key!r}, …): the key of a limit is 1 to 255 printable characters")
        self._backing.pause_limit(key, _seconds_until(until, self._backing), str(reason))
        self.check()

    def _traced(self, child: Child) -> Child:
        trace = self._backing.context if self._backing.can.keeps_trace else None
        return child if trace is None else replace(child, trace=trace)

    def sleep(self, seconds: float) -> None:
        self.check()
        reason = self._backing.token.wait(max(0.0, seconds))
        if reason is not None:
            raise TaskCancelled(reason)


def _seconds_until(until: float | datetime, backing: ContextBackend) -> float:
    """Seconds from now, at least 0 and at most a year.

    Raises:
        ValueError: It is neither an instant with time zone nor a number of seconds.
    """
    if isinstance(until, datetime):
        if until.tzinfo is None:
            raise ValueError(f"until={until!r} needs a time zone, for example datetime.now(UTC)")
        return min(LONGEST_DELAY, max(0.0, (until - backing.utc).total_seconds()))
    if not 0 <= float(until) <= LONGEST_DELAY:
        raise ValueError(f"until={until!r} is no number of seconds, 0 to {LONGEST_DELAY:.0f} (a year)")
    return float(until)


def child_of(
    number: int, task_type: str, params: dict[str, Any], priority: int | None, *, max_bytes: int
) -> Child:
    """The task that the `number`-th `ctx.submit` of a try creates.

    Raises:
        PluginError: The type is no task type.
        UnfitResult: The params are no JSON object, or too large.
    """
    check_task_type(task_type, "ctx.submit")
    return Child(str(number), task_type, _params_text(task_type, params, "child", max_bytes), priority)


def follower_of(task_type: str, params: dict[str, Any], priority: int | None, *, max_bytes: int) -> Follower:
    """The task that `ctx.then` creates.

    Raises:
        PluginError: The type is no task type.
        UnfitResult: The params are no JSON object, too large, or have the member that the server sets.
    """
    check_task_type(task_type, "ctx.then")
    text = _params_text(task_type, params, "task that follows", max_bytes)
    if COUNTS in json.loads(text):
        raise UnfitResult(
            f"the params of {task_type} have a member {COUNTS!r}, where the server tells how the children ended"
        )
    return Follower(FOLLOWER_KEY, task_type, text, priority)


def _params_text(task_type: str, params: dict[str, Any], name: str, max_bytes: int) -> str:
    text = encode_result(params, max_bytes=max_bytes, name=name)
    if not text.startswith("{"):
        raise UnfitResult(f"the params of {task_type} are {text[:80]}; params are always an object")
    return text
