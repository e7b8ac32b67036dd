"""How often something may go: requests, as far as their server takes them, and starts of tasks of one type."""

from __future__ import annotations

from dataclasses import dataclass, replace

SPENT_FREELY = 0.5
"""The part of a window that may be used at once; the rest is spread over the time that is left."""

SAME_END = 2.0
"""Seconds by which two answers may tell the end of one window differently: the server counts whole seconds, and an
answer takes its time. Beyond that the server has begun a new window, earlier than it seemed from here."""


@dataclass(frozen=True, slots=True)
class RateLimitWindow:
    """What a server allows on one path, as far as its answers told.

    Attributes:
        limit: Requests in one window, by all that share our address.
        left: Of those, how many remain.
        resets_at: Clock reading at which the window ends.
        next_at: Clock reading before which none should go.
    """

    limit: int
    left: int
    resets_at: float
    next_at: float = 0.0


def seconds_to_next(window: RateLimitWindow, now: float, *, spread: bool = True) -> float:
    """How long the next request has to wait, 0 for not at all.

    Args:
        spread: Whether the second half is spread over the time that is left; no use to somebody who asks once.
    """
    if now >= window.resets_at:
        return 0.0
    free_at = window.next_at if spread else now
    return max(0.0, (window.resets_at if window.left <= 0 else free_at) - now)


def after_request(window: RateLimitWindow, now: float) -> RateLimitWindow:
    """The window once a request goes out: half of it at once if need be, the other half evenly."""
    left = max(0, window.left - 1)
    scarce = left < window.limit * (1 - SPENT_FREELY)
    next_at = now + (window.resets_at - now) / (left + 1) if scarce else now
    return replace(window, left=left, next_at=next_at)


def update(
    window: RateLimitWindow | None, *, limit: int, left: int, seconds: float, now: float
) -> RateLimitWindow:
    """The window after an answer; within one window it only shrinks, since others' answers overtake each other.

    Args:
        seconds: Until the window ends, at most.
    """
    ends_at = now + seconds
    if window is None or now >= window.resets_at or ends_at > window.resets_at + SAME_END:
        return RateLimitWindow(limit, left, ends_at)
    return replace(window, limit=limit, left=min(window.left, left), resets_at=min(window.resets_at, ends_at))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: at most `count` starts in any stretch of `period` seconds, spent tokens coming back evenly.

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
