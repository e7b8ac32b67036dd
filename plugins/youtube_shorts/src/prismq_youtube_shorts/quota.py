"""YouTube's quotas: what is counted, and the day they are counted by, midnight to midnight in Los Angeles.

A day has 23 or 25 hours when the clocks change. Source: developers.google.com/youtube/v3/determine_quota_cost,
as of 2026-06-03.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from prismq_worker_sdk.compat import UTC, StrEnum

Clock = Callable[[], datetime]
"""Gives the instant now, with time zone."""
utc_now: Clock = partial(datetime.now, UTC)
PACIFIC = "America/Los_Angeles"
MARGIN = timedelta(minutes=1)
"""The reset is not to the second, and our clock may be fast."""
EARLY = timedelta(minutes=10)
"""So long after midnight "used up" may still speak of the day before."""


class Bucket(StrEnum):
    """What a Google project has a day's quota of; a call costs one, a bad call too."""

    SEARCH = "search"
    """search.list: 100 calls a day, each page is one."""
    UNITS = "default"
    """videos.list, channels.list, playlistItems.list and the rest: 10,000 a day together."""
    STATS = "stats"
    """videos.batchGetStats: 10,000 a day."""


PACE = "youtube"
"""The limit of the fleet that every task uses: how often YouTube is asked."""


def limit_of(bucket: Bucket) -> str:
    """The limit of the fleet that tasks use which need this bucket."""
    return f"{PACE}:{bucket}"


def quota_day(now: datetime) -> date:
    """The quota day to which an instant (with time zone) belongs."""
    return now.astimezone(ZoneInfo(PACIFIC)).date()


def next_reset(now: datetime) -> datetime:
    """The instant, in UTC, at which the quota day of `now` (with time zone) is over."""
    tomorrow = quota_day(now) + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=ZoneInfo(PACIFIC)).astimezone(UTC)


def asked_again_at(now: datetime) -> datetime:
    """When a bucket that YouTube calls empty now is worth another call: after the day, or soon where it just began."""
    begun = next_reset(now - EARLY)
    return now + EARLY if begun <= now else next_reset(now) + MARGIN
