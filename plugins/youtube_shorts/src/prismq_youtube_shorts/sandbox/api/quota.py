"""The three quotas of a project, given anew at midnight in Los Angeles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from prismq_youtube_shorts.sandbox.calls import BUCKETS, DEFAULT_BUCKET
from prismq_youtube_shorts.sandbox.refusals import REFUSALS, Answer

__all__ = ["Quota"]

PACIFIC = ZoneInfo("America/Los_Angeles")
_USED_UP = {"search": "search_quota_day", "stats": "stats_quota_day", DEFAULT_BUCKET: "quota_day"}


class Quota:
    """What is left of a day's calls; safe to share between threads.

    Args:
        limits: Calls a day for `search`, `stats` and `default`.
        now: The stand-in's clock, with time zone.
    """

    def __init__(self, limits: Mapping[str, int], now: Callable[[], datetime]) -> None:
        self._limits = dict(limits)
        self._now = now
        self._left = dict(limits)
        self._day = self._today()
        self._lock = threading.Lock()

    def charge(self, call: str) -> Answer | None:
        """Take one for this call; the refusal when nothing is left."""
        bucket = BUCKETS.get(call, DEFAULT_BUCKET)
        with self._lock:
            self._renew()
            if self._left[bucket] <= 0:
                return REFUSALS[_USED_UP[bucket]]
            self._left[bucket] -= 1
            return None

    def left(self, bucket: str) -> int:
        """What this one still has, `search`, `stats` or `default`."""
        with self._lock:
            self._renew()
            return self._left[bucket]

    def _renew(self) -> None:
        if (today := self._today()) != self._day:
            self._day = today
            self._left = dict(self._limits)

    def _today(self) -> date:
        return self._now().astimezone(PACIFIC).date()
