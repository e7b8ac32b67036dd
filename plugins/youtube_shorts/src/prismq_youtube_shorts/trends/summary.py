"""What a set of Shorts is made of: when they were published, how long they are, whose, in which languages.

What YouTube did not tell is counted as unknown or left out. Sums and counts over videos are derived data, too, in
the sense of YouTube API Services Developer Policies III.E.4.h: see `metrics`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.shorts_rule import LIMIT_SECONDS, ROUNDING_SECONDS
from prismq_youtube_shorts.trends.metrics import Measured

__all__ = ["ChannelShare", "Summary", "summary_of"]

UNKNOWN = "unknown"
DURATION_BUCKETS = {
    "0-15": range(16),
    "16-30": range(16, 31),
    "31-60": range(31, 61),
    "61-180": range(61, LIMIT_SECONDS + ROUNDING_SECONDS + 1),
}
"""The last one takes 181 too: the API rounds up, and the Shorts rule lets it pass."""


@dataclass(frozen=True, slots=True)
class ChannelShare:
    """A channel's part in the set.

    Attributes:
        channel: Title of the channel, empty when unknown.
        views: Sum over its Shorts whose views are known; None when no Short's are.
    """

    channel_id: str
    channel: str
    videos: int
    views: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a set of Shorts is made of.

    Attributes:
        publish_hours: Shorts by hour of the day in UTC, 24 counts from 00 to 23; without those of unknown time.
        durations: Shorts by seconds, `0-15`, `16-30`, `31-60`, `61-180`, and `unknown`; all five are always there.
        top_channels: Most Shorts first, then most known views, then by id; without Shorts of unknown channel.
        languages: Shorts by language as YouTube writes it, and `unknown`; most Shorts first, then by the alphabet.
    """

    publish_hours: tuple[int, ...]
    durations: Mapping[str, int]
    top_channels: tuple[ChannelShare, ...]
    languages: Mapping[str, int]


def summary_of(videos: Sequence[Measured], *, most_channels: int = 10) -> Summary:
    """What these Shorts are made of; each counts as often as it is given."""
    hours = Counter(video.published.astimezone(UTC).hour for video in videos if video.published)
    durations = Counter(_bucket(video.duration_seconds) for video in videos)
    languages = Counter(video.language or UNKNOWN for video in videos)
    return Summary(
        publish_hours=tuple(hours[hour] for hour in range(24)),
        durations={bucket: durations[bucket] for bucket in (*DURATION_BUCKETS, UNKNOWN)},
        top_channels=_channels(videos)[:most_channels],
        languages=dict(sorted(languages.items(), key=lambda counted: (-counted[1], counted[0]))),
    )


def _bucket(seconds: int | None) -> str:
    return next((name for name, span in DURATION_BUCKETS.items() if seconds in span), UNKNOWN)


def _channels(videos: Iterable[Measured]) -> tuple[ChannelShare, ...]:
    videos_of: defaultdict[str, list[Measured]] = defaultdict(list)
    for video in videos:
        if video.channel_id is not None:
            videos_of[video.channel_id].append(video)
    shares = [_share(channel_id, theirs) for channel_id, theirs in videos_of.items()]
    return tuple(sorted(shares, key=lambda share: (-share.videos, -(share.views or 0), share.channel_id)))


def _share(channel_id: str, videos: Sequence[Measured]) -> ChannelShare:
    views = [video.views for video in videos if video.views is not None]
    return ChannelShare(
        channel_id=channel_id,
        channel=next((video.channel for video in videos if video.channel), ""),
        videos=len(videos),
        views=sum(views) if views else None,
    )
