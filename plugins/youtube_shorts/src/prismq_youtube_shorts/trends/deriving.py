"""Derives the metrics of a result from what YouTube said, from earlier looks, and from the channels' other Shorts.

YouTube API Services Developer Policies III.E.4.h: an API client may derive metrics only when its project was
audited and accepted the amendment for it. So nothing here runs unless the operator says YOUTUBE_DERIVED_METRICS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prismq_youtube_shorts.answers import known_instant
from prismq_youtube_shorts.result import Short, instant
from prismq_youtube_shorts.trends.metrics import (
    Measured,
    Snapshot,
    age_hours,
    comment_ratio,
    engagement_rate,
    like_ratio,
    outlier_score,
    percentile,
    robust_z,
    velocity,
    views_per_hour,
)
from prismq_youtube_shorts.trends.result import ChannelTotal, Derived, Lift, TrendSummary
from prismq_youtube_shorts.trends.summary import summary_of
from prismq_youtube_shorts.trends.tokens import TokenLift, keywords_of, lift

__all__ = ["Baselines", "derived_of", "measured", "snapshots", "summarised"]

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Baselines:
    """What is usual in the channels: their other Shorts, and their subscribers where they show them."""

    peers: Mapping[str, Sequence[Measured]] = field(default_factory=dict)
    subscribers: Mapping[str, int | None] = field(default_factory=dict)


def measured(short: Short, at: datetime, *, texts_in: str | None = None) -> Measured:
    """A Short as the formulas take it.

    Args:
        texts_in: The language of its title and tags; None: that of its sound.
    """
    return Measured(
        video_id=short.video_id,
        channel_id=short.channel_id,
        published=known_instant(short.published_at),
        views=short.view_count,
        likes=short.like_count,
        comments=short.comment_count,
        measured_at=at,
        duration_seconds=short.duration_seconds,
        title=short.title,
        tags=short.tags,
        hashtags=short.hashtags,
        language=short.language,
        texts_in=texts_in or short.language,
        channel=short.channel,
    )


def snapshots(videos: Sequence[Measured]) -> list[Snapshot]:
    """Looks to be kept: of every video whose views are known."""
    return [
        Snapshot(video.video_id, video.measured_at, video.views)
        for video in videos
        if video.views is not None
    ]


def derived_of(
    videos: Sequence[Measured], earlier: Mapping[str, Snapshot], baselines: Baselines
) -> dict[str, Derived]:
    """What is derived about each video, by its id."""
    rates = [rate for video in videos if (rate := views_per_hour(video)) is not None]
    return {
        video.video_id: _derived(video, rates, earlier.get(video.video_id), baselines) for video in videos
    }


def summarised(videos: Sequence[Measured]) -> TrendSummary:
    """What the videos have in common."""
    rates = {video.video_id: views_per_hour(video) for video in videos}
    keywords = {video.video_id: keywords_of(video.title, video.tags, video.texts_in) for video in videos}
    hashtags = {video.video_id: video.hashtags for video in videos}
    found = summary_of(videos)
    return TrendSummary(
        keywords=tuple(_lift(one) for one in lift(keywords, rates)),
        hashtags=tuple(_lift(one) for one in lift(hashtags, rates)),
        publish_hours=found.publish_hours,
        durations=dict(found.durations),
        top_channels=tuple(
            ChannelTotal(channel_id=one.channel_id, channel=one.channel, videos=one.videos, views=one.views)
            for one in found.top_channels
        ),
        languages=dict(found.languages),
    )


def _derived(
    video: Measured, rates: Sequence[float], earlier: Snapshot | None, baselines: Baselines
) -> Derived:
    rate, speed = views_per_hour(video), velocity(video, earlier)
    channel = video.channel_id or ""
    outlier = outlier_score(video, baselines.peers.get(channel, ()), baselines.subscribers.get(channel))
    return Derived(
        age_hours=_rounded(age_hours(video)),
        views_per_hour=_rounded(rate),
        velocity=_rounded(speed),
        velocity_since=None if speed is None or earlier is None else instant(earlier.at),
        engagement_rate=_rounded(engagement_rate(video)),
        like_ratio=_rounded(like_ratio(video)),
        comment_ratio=_rounded(comment_ratio(video)),
        outlier_score=None if outlier is None else _rounded(outlier.score),
        outlier_basis=None if outlier is None else outlier.basis,
        z_score=_rounded(robust_z(rate, rates)),
        percentile=_rounded(percentile(rate, rates)),
    )


def _lift(one: TokenLift) -> Lift:
    return Lift(
        token=one.token,
        support=one.support,
        median_views_per_hour=round(one.median_views_per_hour, DIGITS),
        lift=round(one.lift, DIGITS),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
