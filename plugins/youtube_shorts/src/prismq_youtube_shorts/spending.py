"""What a task cost, as its result tells it."""

from __future__ import annotations

from prismq_youtube_shorts.calls import Calls
from prismq_youtube_shorts.quota_day import Bucket, next_reset
from prismq_youtube_shorts.result import QuotaSpent, instant
from prismq_youtube_shorts.youtube import YouTube

__all__ = ["spent"]


def spent(youtube: YouTube, calls: Calls) -> QuotaSpent:
    """What was spent for one task, and today in all."""
    counts = calls.spent
    return QuotaSpent(
        search_calls=counts[Bucket.SEARCH],
        units=counts[Bucket.UNITS],
        stats_calls=counts[Bucket.STATS],
        from_cache=not counts.total(),
        search_calls_today=youtube.ledger.used(Bucket.SEARCH),
        resets_at=instant(next_reset(youtube.now())),
    )
