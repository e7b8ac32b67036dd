"""What an AnalyzeTrends task gives back: what YouTube says, and apart from it what was derived."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prismq_youtube_shorts.result import (
    QuotaSpent,
    Result,
    SearchStats,
    Short,
    Shortened,
    StopReason,
)
from prismq_youtube_shorts.trends.params import Source

__all__ = [
    "DISCLOSURE",
    "AnalyzeTrendsResult",
    "ChannelTotal",
    "Derived",
    "LeftOut",
    "Lift",
    "TrendSummary",
    "TrendingShort",
]

DISCLOSURE = "computed by PrismQ, not provided by YouTube"


class Derived(Result):
    """Figures of one Short that were worked out here; null is unknown, never 0."""

    disclosure: str = DISCLOSURE
    age_hours: float | None = Field(description="Hours since it was published, at least 1")
    views_per_hour: float | None = Field(description="views / age_hours: the average of its whole life")
    velocity: float | None = Field(
        description="Views per hour between this look and an earlier one, 15 minutes to 30 days ago"
    )
    velocity_since: str | None = Field(description="When that earlier look was")
    engagement_rate: float | None = Field(description="(likes + comments) / views, percent")
    like_ratio: float | None = Field(description="likes / views, percent")
    comment_ratio: float | None = Field(description="comments / views, percent")
    outlier_score: float | None = Field(
        description="views_per_hour / median of its channel's Shorts of similar age"
    )
    outlier_basis: Literal["channel_median", "subscribers"] | None = Field(
        description="subscribers: views / max(subscribers, 1000), where fewer than 5 Shorts compare"
    )
    z_score: float | None = Field(description="Of views_per_hour in this result: (x - median) / (1.4826 MAD)")
    percentile: float | None = Field(description="Of views_per_hour in this result, 0 to 100")


class TrendingShort(Short):
    """A Short, and what was derived about it."""

    derived: Derived | None = None


class Lift(Result):
    """How Shorts with a word do against all of this result."""

    token: str
    support: int = Field(description="Shorts with it whose views per hour are known, at least 3")
    median_views_per_hour: float
    lift: float = Field(description="Their median views per hour / that of all")


class ChannelTotal(Result):
    """A channel's part in this result."""

    channel_id: str
    channel: str
    videos: int
    views: int | None


class TrendSummary(Result):
    """What the Shorts have in common."""

    disclosure: str = DISCLOSURE
    keywords: tuple[Lift, ...]
    hashtags: tuple[Lift, ...]
    publish_hours: tuple[int, ...] = Field(description="Shorts by hour of the day, UTC, 24 counts")
    durations: dict[str, int] = Field(description="Shorts by seconds")
    top_channels: tuple[ChannelTotal, ...]
    languages: dict[str, int]


class LeftOut(Result):
    """What the task named and the result does not hold."""

    id: str = Field(description="Of a video or a channel")
    reason: Literal["not_there", "not_accessible", "region"] = Field(
        description="not_there: no such channel, or one without a video; not_accessible: closed, suspended or not "
        "for everybody; region: cannot be watched in region_code"
    )


class AnalyzeTrendsResult(Result):
    """The Shorts of a trend; `derived` is null everywhere unless the operator allows derived metrics."""

    videos: tuple[TrendingShort, ...]
    total_found: int = Field(description="Number of `videos`")
    source: Source
    search_query: str | None
    derived: TrendSummary | None
    partial: bool = Field(description="Whether trouble kept something out; stop_reason tells which")
    stop_reason: StopReason
    left_out: tuple[LeftOut, ...] = Field((), description="What the task named and is not here")
    language: str | None
    fetched_at: str = Field(description="Of the oldest part; RFC 3339")
    expires_at: str = Field(description="To be deleted or fetched anew by then")
    stats: SearchStats
    quota: QuotaSpent
    shortened: Shortened | None = Field(None, description="null: everything is whole")
