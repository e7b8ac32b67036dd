"""What may be said again and again is said once in a while: a log that is flooded hides what matters."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST = 100
"""Things that are remembered as said."""


class Rarely:
    """Says whether something is to be said.

    Args:
        seconds: For how long it is not said again.
        clock: Seconds that never run back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._said: dict[str, float] = {}

    def is_due(self, what: str) -> bool:
        """Whether it is to be said now; it counts as said then."""
        now = self._clock()
        if now - self._said.get(what, float("-inf")) < self._seconds:
            return False
        if len(self._said) >= MOST:
            self._said.clear()
        self._said[what] = now
        return True
