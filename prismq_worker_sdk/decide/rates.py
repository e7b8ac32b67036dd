"""A limit on how often tasks of one type start: a token bucket as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """At most `count` starts in any stretch of `period` seconds, spent tokens coming back evenly.

    Attributes:
        level: Tokens left at `at`.
        at: Clock reading of the last change.
    """

    count: int
    period: float
    level: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until a token is there, 0 when one is."""
        level = self._level(now)
        return 0.0 if level >= 1 else (1 - level) * self.period / self.count

    def tokens(self, now: float) -> int:
        """Starts that are free now, 0 or more."""
        return max(0, int(self._level(now)))

    def take(self, now: float) -> Bucket:
        """The bucket with one token less; may go below zero when tasks were handed out all the same."""
        return Bucket(self.count, self.period, self._level(now) - 1, now)

    def _level(self, now: float) -> float:
        return min(float(self.count), self.level + max(0.0, now - self.at) * self.count / self.period)
