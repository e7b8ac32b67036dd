"""Which task types may be claimed now, and why the others may not (R18, R19)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prismq_worker_sdk.decide.rates import Bucket
from prismq_worker_sdk.decide.streaks import Streak, extend, pause_of
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model.events import Event, TypePaused, TypeResumed

SETTING_UP = "its handler is being set up"
"""Why no type can be claimed before its handler was asked for the first time."""


@dataclass(slots=True)
class _State:
    handler: Handler
    unready: str | None = SETTING_UP
    paused_until: float = 0.0
    pause_reason: str = ""
    by_errors: bool = False
    running: int = 0
    reserved: int = 0
    streak: Streak = field(default_factory=Streak)
    bucket: Bucket | None = None


class TypeAvailability:
    """The state of every task type; may be used from any thread."""

    def __init__(
        self, handlers: Iterable[Handler], *, error_limit: int, emit: Callable[[Event], None]
    ) -> None:
        self._lock = threading.Lock()
        self._error_limit = error_limit
        self._emit = emit
        self._states = {handler.task_type: _State(handler, bucket=_bucket(handler)) for handler in handlers}

    def rooms(self, now: float) -> dict[str, int | None]:
        """The types that may be claimed now, and how many tasks of each may start: None for as many as come."""
        found: dict[str, int | None] = {}
        resumed = []
        with self._lock:
            for name, state in self._states.items():
                if now < state.paused_until:
                    continue
                if state.pause_reason:
                    state.pause_reason = ""
                    resumed.append(name)
                if state.unready is None:
                    limited = state.bucket is not None or state.handler.max_concurrent is not None
                    room = _room(state, now) if limited else None
                    if room is None or room > 0:
                        found[name] = room
        for name in resumed:
            self._emit(TypeResumed(name))
        return found

    def reserve(self, types: Iterable[str], number: int) -> None:
        """So many more tasks of these types may come with a claim that is under way; a negative number: may not."""
        with self._lock:
            for name in types:
                self._states[name].reserved += number

    def next_change(self, now: float) -> float | None:
        """Seconds until a pause or a rate lets a type through again, None when only an event can."""
        with self._lock:
            waits = [
                max(state.paused_until - now, state.bucket.wait(now) if state.bucket else 0.0)
                for state in self._states.values()
                if state.unready is None
            ]
        waits = [wait for wait in waits if wait > 0]
        return min(waits) if waits else None

    def set_ready(self, task_type: str, unready: str | None, trace: str = "") -> None:
        """Stores why a type's handler cannot work now, None when it can.

        Args:
            trace: Where its handler raised, for the log.
        """
        with self._lock:
            state = self._states[task_type]
            before, state.unready = state.unready, unready
            first = before == SETTING_UP
        if unready is not None and unready != before:
            self._emit(TypePaused(task_type, unready, trace=trace))
        elif unready is None and before is not None and not first:
            self._emit(TypeResumed(task_type))

    def pause(self, task_type: str, seconds: float, reason: str, *, now: float, trace: str = "") -> None:
        """Claims no more of a type for a while (R18).

        Args:
            trace: Where its handler raised, for the log.
        """
        with self._lock:
            state = self._states.get(task_type)
            if state is None or now + seconds <= state.paused_until:
                return
            state.paused_until, state.pause_reason, state.by_errors = now + seconds, reason, False
        self._emit(TypePaused(task_type, reason, seconds, trace))

    def started(self, task_types: Iterable[str], now: float) -> None:
        """Tasks of these types were taken on."""
        with self._lock:
            for name in task_types:
                state = self._states[name]
                state.running += 1
                if state.bucket is not None:
                    state.bucket = state.bucket.take(now)

    def stopped(self, task_types: Iterable[str]) -> None:
        """Tasks of these types left their slots."""
        with self._lock:
            for name in task_types:
                self._states[name].running -= 1

    def succeeded(self, task_type: str) -> None:
        """A task of the type ended as its handler wished: the streak of errors is over."""
        with self._lock:
            self._states[task_type].streak = Streak()

    def errored(self, task_type: str, task_id: str, *, error: str, now: float, jitter: float) -> None:
        """A handler failed unexpectedly; pauses the type when that goes on (R19)."""
        with self._lock:
            state = self._states[task_type]
            state.streak, pausing = extend(state.streak, task_id, limit=self._error_limit)
            if not pausing:
                return
            seconds = pause_of(state.streak, jitter)
            reason = f"{self._error_limit} tasks in a row failed unexpectedly, last: {error}"
            state.paused_until, state.pause_reason, state.by_errors = now + seconds, reason, True
        self._emit(TypePaused(task_type, reason, seconds))

    def all_failing(self, now: float) -> str | None:
        """Why the worker must give up: errors have paused every type (R19); None otherwise."""
        with self._lock:
            states = list(self._states.values())
            if not states or not all(state.by_errors and now < state.paused_until for state in states):
                return None
            return states[0].pause_reason

    def closed(self, now: float) -> dict[str, str]:
        """Why each type that cannot be claimed cannot: type → reason."""
        with self._lock:
            return {
                name: state.unready or state.pause_reason
                for name, state in self._states.items()
                if state.unready or now < state.paused_until
            }

    def why_closed(self, task_type: str, now: float) -> str | None:
        """Why tasks of a type must not begin now, None when they may."""
        with self._lock:
            state = self._states[task_type]
            return state.unready or (state.pause_reason if now < state.paused_until else None)


def _room(state: _State, now: float) -> int:
    """How many tasks of a type with a limit may start now, beside those that are under way."""
    limits = []
    if state.handler.max_concurrent is not None:
        limits.append(state.handler.max_concurrent - state.running)
    if state.bucket is not None:
        limits.append(state.bucket.tokens(now))
    return min(limits) - state.reserved


def _bucket(handler: Handler) -> Bucket | None:
    if handler.rate is None:
        return None
    return Bucket(handler.rate.count, handler.rate.period, float(handler.rate.count), 0.0)
