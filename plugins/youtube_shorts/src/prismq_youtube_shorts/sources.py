"""Where the Shorts of a trend come from, beside a search: YouTube's chart, known videos, or the latest of channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prismq_youtube_shorts.cache import Page
from prismq_youtube_shorts.client import Calls
from prismq_youtube_shorts.errors import DayQuotaUsedUp, NotAccessible, NotThere
from prismq_youtube_shorts.resources import Video, known_instant
from prismq_youtube_shorts.result import LeftOut

CHART_PAGES = 4
"""The chart ends at 200 videos."""
SHORTS_OF = "UUSH"
UPLOADS_OF = "UU"
"""A channel's lists are named after it; that of its Shorts is not documented, and missing where it has none."""


def chart(region: str | None, category_id: str | None, calls: Calls) -> Iterator[Page]:
    """The most popular videos; since 2025-07-21 of music, films and games only, so few of them are Shorts."""
    token: str | None = None
    for _ in range(CHART_PAGES):
        answer = calls.chart(region, category_id, token)
        token = answer.next_page_token
        ids = tuple(video.id for video in answer.items)
        yield Page(ids, token, None, calls.youtube.now(), answer.items)
        if token is None:
            return


def known_videos(video_ids: Sequence[str], calls: Calls) -> Iterator[Page]:
    """Videos by id; those that were looked at before cost a call of their statistics alone."""
    ids = list(dict.fromkeys(video_ids))
    known = calls.youtube.cache.videos(ids)
    try:
        stats = calls.stats([video_id for video_id in ids if video_id in known])
    except DayQuotaUsedUp:
        known, stats = {}, {}  # videos.list has a quota of its own, and knows the same
    videos = calls.videos([video_id for video_id in ids if video_id not in known])
    oldest = calls.youtube.now()
    for video_id in stats.keys() & known.keys():
        (video, read_at), stat = known[video_id], stats[video_id]
        counts = {name: getattr(stat, name) for name in ("view_count", "like_count", "comment_count")}
        videos[video_id], oldest = video.model_copy(update=counts), min(oldest, read_at)
    yield Page(tuple(ids), None, None, oldest, tuple(videos.values()), calls.youtube.now())


def latest_of_channels(
    channels: Sequence[str], since: datetime, calls: Calls, left_out: list[LeftOut]
) -> Iterator[Page]:
    """The latest Shorts of channels, a page for each; `left_out` takes in those that cannot be read."""
    more = False
    channels = list(dict.fromkeys(channels))
    for number, channel_id in enumerate(channels, 1):
        try:
            latest = latest_of(channel_id, calls)
        except NotThere as error:
            closed = isinstance(error, NotAccessible)
            left_out.append(LeftOut(id=channel_id, reason="not_accessible" if closed else "not_there"))
            calls.ctx.log.warning("a channel is passed over", channel_id=channel_id, reason=str(error))
            latest = Latest()
        ids = latest.since(since)
        more = more or (latest.has_more and len(ids) == len(latest.published))
        token = "more" if more or number < len(channels) else None
        yield Page(ids, token, None, calls.youtube.now(), latest.videos)


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest rows of a channel's list, the newest first, and their videos; deleted and private ones are missing."""

    published: Mapping[str, datetime | None] = field(default_factory=dict)
    videos: tuple[Video, ...] = ()
    has_more: bool = False

    def since(self, first: datetime) -> tuple[str, ...]:
        """The rows that are young enough; one that is gone without a date counts as young."""
        known = {video.id: video.published for video in self.videos}
        told = {video_id: moment or first for video_id, moment in self.published.items()}
        return tuple(video_id for video_id, moment in {**told, **known}.items() if moment and moment >= first)


def latest_of(channel_id: str, calls: Calls) -> Latest:
    """The latest videos of a channel, up to 50.

    Raises:
        NotThere: There is no such channel, or it may not be read.
    """
    try:
        rows = calls.playlist(SHORTS_OF + channel_id[2:])
    except NotThere:
        rows = calls.playlist(UPLOADS_OF + channel_id[2:])
    published = {row.video_id: known_instant(row.published_at) for row in rows.items if row.video_id}
    videos = calls.videos(list(published))
    return Latest(published, tuple(videos.values()), has_more=rows.next_page_token is not None)
