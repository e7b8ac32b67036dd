"""Pauses of limits that handlers asked for, until the server knows them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from prismq_worker_sdk.model.protocol import LimitPause

AT_ONCE = 100
"""Pauses in one call; the server takes no more."""
AGAIN = 2.0
"""Seconds to the next call for them after one that failed; any other call takes them along before."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One of them.

    Attributes:
        until: Clock reading at which it ends.
    """

    until: float
    reason: str


class LimitPauses:
    """What the server is to be told with the next call of any kind; may be used from any thread.

    Lost in a crash: the next handler that meets the same refusal pauses again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._next_at = 0.0

    def add(self, name: str, seconds: float, reason: str, now: float) -> None:
        """A handler pauses a limit; of two pauses the one that ends later counts."""
        with self._lock:
            before = self._waiting.get(name)
            if before is None or before.until < now + seconds:
                self._waiting[name] = _Waiting(now + seconds, reason)
            self._next_at = now

    def next_due(self) -> float | None:
        """The clock reading at which a call of its own is due for them, None for never."""
        with self._lock:
            return self._next_at if self._waiting else None

    def due(self, now: float) -> tuple[LimitPause, ...]:
        """What goes with a call now."""
        if not self._waiting:
            return ()
        with self._lock:
            found = list(self._waiting.items())[:AT_ONCE]
        return tuple(LimitPause(name, max(0.0, one.until - now), one.reason) for name, one in found)

    def told(self, pauses: tuple[LimitPause, ...], now: float, sent_at: float) -> None:
        """The server has them; one that was made longer meanwhile stays.

        Args:
            sent_at: Clock reading for which they were `due`.
        """
        with self._lock:
            for one in pauses:
                kept = self._waiting.get(one.name)
                if kept is not None and kept.until <= sent_at + one.seconds:
                    del self._waiting[one.name]
            self._next_at = now

    def failed(self, now: float) -> None:
        """No good answer came."""
        with self._lock:
            self._next_at = now + AGAIN
