"""Whether the server takes claims, whether tasks of a type may begin, and why not (R18, R19, R33, R34)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prismq_worker_sdk.decide.backoff import Streak, extend, pause_of
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Event, Notice, ServerLost, ServerRegained, TypePaused, TypeResumed
from prismq_worker_sdk.model.protocol import Conflict, Failure, NoKey, Throttled, Unauthorised
from prismq_worker_sdk.model.told_status import ClosedType

SETTING_UP = "its handler is being set up"
"""Why no type can be claimed before its handler was asked for the first time."""

LIMIT_TOLD_EVERY = 600.0
"""Seconds without a limited request after which the next one is told again."""


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
        return {one.type: one.reason for one in self.pauses(now)}

    def pauses(self, now: float) -> tuple[ClosedType, ...]:
        """Each type that cannot be claimed, with its reason and for how long."""
        with self._lock:
            return tuple(
                ClosedType(name, state.unready)
                if state.unready
                else ClosedType(name, state.pause_reason, state.paused_until - now)
                for name, state in self._states.items()
                if state.unready or now < state.paused_until
            )

    def why_closed(self, task_type: str, now: float) -> str | None:
        """Why tasks of a type must not begin now, None when they may."""
        with self._lock:
            state = self._states[task_type]
            return state.unready or (state.pause_reason if now < state.paused_until else None)


class ServerStatus:
    """What the loops know of the server's health together; may be used from any thread."""

    def __init__(self, clock: Clock, emit: Callable[[Event], None]) -> None:
        self._clock = clock
        self._emit = emit
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._refused: str | None = None
        self._limited_at = -LIMIT_TOLD_EVERY
        self._answers = 0

    @property
    def answers(self) -> int:
        """How many good answers came."""
        return self._answers

    def answered(self) -> bool:
        """A good answer came; whether the server had been away."""
        now = self._clock.monotonic()
        with self._lock:
            since, self._away_since = self._away_since, None
            refused, self._refused = self._refused is not None, None
            self._answers += 1
        if since is not None:
            self._emit(ServerRegained(now - since))
        if refused:
            self._emit(Notice("info", "the server takes the API key again; claiming goes on"))
        return since is not None or refused

    def failed(self, failure: Failure, retry_in: float) -> None:
        """No good answer came."""
        match failure:
            case Conflict():
                return
            case Throttled(reason=reason, limited=True):
                self._limited(reason, retry_in)
            case Throttled(reason=reason):
                self._lose(f"the server asks for patience ({reason})", retry_in)
            case NoKey(reason=reason):
                self._without_key("there is no API key to send", reason)
            case Unauthorised(reason=reason):
                self._without_key("the server refuses the API key", reason)
            case _:
                self._lose(failure.reason, retry_in)

    def _without_key(self, what: str, reason: str) -> None:
        """Nothing is done without a key (R34); told once, and once more where the reason is another one."""
        with self._lock:
            told, self._refused = self._refused == what, what
        if not told:
            self._emit(
                Notice(
                    "error",
                    f"{what} ({reason}); claiming pauses, results are kept; mend the file of TASKMANAGER_API_KEY_FILE "
                    "and it goes on by itself; for another TASKMANAGER_API_KEY start the worker again",
                )
            )

    def away_seconds(self) -> float:
        """How long the server has not answered, 0 when it does."""
        since = self._away_since
        return 0.0 if since is None else self._clock.monotonic() - since

    def trouble(self) -> str | None:
        """Why the worker is not ready, None when the server answers and takes the key."""
        if self._refused is not None:
            return self._refused
        if self._away_since is not None:
            return f"the server has not answered for {self.away_seconds():.0f} s"
        return None

    def _limited(self, reason: str, retry_in: float) -> None:
        """The server is there, and counts our requests; told once in a while."""
        now = self._clock.monotonic()
        with self._lock:
            told, self._limited_at = now - self._limited_at < LIMIT_TOLD_EVERY, now
        if not told:
            self._emit(
                Notice(
                    "info",
                    f"the server limits our requests ({reason}); next try in {duration.text(retry_in)}",
                )
            )

    def _lose(self, reason: str, retry_in: float) -> None:
        with self._lock:
            first = self._away_since is None
            if first:
                self._away_since = self._clock.monotonic()
        if first:
            self._emit(ServerLost(reason, retry_in))
