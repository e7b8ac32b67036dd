"""Whether the server answers, since when it does not, and whether it takes the key (R33, R34)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Event, Notice, ServerLost, ServerRegained
from prismq_worker_sdk.model.protocol import Conflict, Failure, NoKey, Throttled, Unauthorised

LIMIT_TOLD_EVERY = 600.0
"""Seconds without a limited request after which the next one is told again."""


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
