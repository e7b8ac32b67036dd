"""Simulated time: what happens when, and in which order what happens at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from prismq_worker_sdk.compat import UTC

START = datetime(2026, 1, 1, tzinfo=UTC)


class Schedule:
    """A line of things to do, ordered by time; what is due at once goes in an order left to chance."""

    def __init__(self, rng: Random) -> None:
        self.now = 0.0
        self.done = 0
        self._rng = rng
        self._line: list[tuple[float, float, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, time: float, do: Callable[[], None]) -> None:
        """Does it then; at once when the time has passed."""
        self._number += 1
        heapq.heappush(self._line, (max(self.now, time), self._rng.random(), self._number, do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Does it in so many seconds."""
        self.at(self.now + seconds, do)

    def step(self) -> bool:
        """Does the next thing; False when there is none."""
        if not self._line:
            return False
        self.now, _, _, do = heapq.heappop(self._line)
        self.done += 1
        do()
        return True


class LocalClock:
    """The clock of one machine: it goes with the simulated time; its wall clock may be set (R5)."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.off = 0.0
        """Seconds that the wall clock is ahead."""

    def monotonic(self) -> float:
        """Seconds since the machine was started; goes on while it sleeps."""
        return self._schedule.now

    def utc(self) -> datetime:
        """The instant as this machine has it."""
        return START + timedelta(seconds=self._schedule.now + self.off)
