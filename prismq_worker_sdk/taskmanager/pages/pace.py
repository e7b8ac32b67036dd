"""How often open pages ask again: soon while few are open, later the more their answers cost."""

from __future__ import annotations

import time
from collections import deque

SOON, LATE = 1.5, 30.0
"""Seconds."""
SHARE = 0.07
"""Of a core, that pages may cost a process of the server."""
LOOKED_BACK = 10.0
"""Seconds."""


class Pace:
    """What pages have cost in the last seconds, and what follows from it."""

    def __init__(self) -> None:
        self._costs: deque[tuple[float, float, float]] = deque()

    def add(self, cost: float, again_in: float) -> None:
        """A page was answered.

        Args:
            cost: Seconds of a processor.
            again_in: Seconds after which it was told to ask again.
        """
        self._costs.append((time.monotonic(), cost, again_in))

    def again_in(self) -> float:
        """After how many seconds a page shall ask again, so that all of them together stay within their share."""
        now = time.monotonic()
        while self._costs and self._costs[0][0] < now - LOOKED_BACK:
            self._costs.popleft()
        spent = sum(cost / LOOKED_BACK * again for _at, cost, again in self._costs)
        return min(LATE, max(SOON, spent / SHARE))
