"""Whether the tasks of a type may begin now, and why not (R18, R19)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prismq_worker_sdk.decide.streaks import Streak, extend, pause_of
from prismq_worker_sdk.model.events import Event, TypePaused, TypeResumed

SETTING_UP = "its handler is being set up"
"""Why no type can be claimed before its handler was asked for the first time."""


@dataclass(slots=True)
class _State:
    unready: str | None = SETTING_UP
    paused_until: float = 0.0
    pause_reason: str = ""
    by_errors: bool = False
    streak: Streak = field(default_factory=Streak)


class TypeAvailability:
    """The state of every task type; may be used from any thread."""

    def __init__(self, types: Iterable[str], *, error_limit: int, emit: Callable[[Event], None]) -> None:
        self._lock = threading.Lock()
        self._error_limit = error_limit
        self._emit = emit
        self._states = {name: _State() for name in types}

    def open(self, now: float) -> tuple[str, ...]:
        """The types whose tasks may begin now."""
        found, resumed = [], []
        with self._lock:
            for name, state in self._states.items():
                if now < state.paused_until:
                    continue
                if state.pause_reason:
                    state.pause_reason = ""
                    resumed.append(name)
                if state.unready is None:
                    found.append(name)
        for name in resumed:
            self._emit(TypeResumed(name))
        return tuple(found)

    def reopens(self, now: float) -> dict[str, float]:
        """The types whose tasks may begin by and by, if no event comes between, and in how many seconds."""
        with self._lock:
            return {
                name: max(0.0, state.paused_until - now)
                for name, state in self._states.items()
                if state.unready is None
            }

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
