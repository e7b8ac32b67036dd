"""YouTube's quota day: it begins at midnight in Los Angeles and has 23, 24 or 25 hours."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["next_reset"]

PACIFIC = "America/Los_Angeles"


def next_reset(now: datetime) -> datetime:
    """The instant, in UTC, at which the quota day of `now` (with time zone) is over."""
    pacific = ZoneInfo(PACIFIC)
    tomorrow = now.astimezone(pacific).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=pacific).astimezone(UTC)
