"""Where the Shorts of a trend come from: a search, YouTube's chart, known videos, or the latest of channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from prismq_worker_sdk import TaskContext
from prismq_youtube_shorts.answers import Video, VideoStat
from prismq_youtube_shorts.calls import Calls
from prismq_youtube_shorts.errors import DayQuotaUsedUp, NotAccessible, NotThere
from prismq_youtube_shorts.search import ReadPage
from prismq_youtube_shorts.state.pages import Page
from prismq_youtube_shorts.trends.params import AnalyzeTrendsParams
from prismq_youtube_shorts.trends.result import LeftOut
from prismq_youtube_shorts.youtube import YouTube

__all__ = ["CHART_PAGES", "chart", "known_videos", "latest_of", "latest_of_channels"]

CHART_PAGES = 4
"""The chart ends at 200 videos."""
SHORTS_OF = "UUSH"
UPLOADS_OF = "UU"
"""A channel's lists are named after it; that of its Shorts is not documented, and missing where it has none."""


def chart(params: AnalyzeTrendsParams, youtube: YouTube, calls: Calls) -> Iterator[ReadPage]:
    """The most popular videos; since 2025-07-21 of music, films and games only, so few of them are Shorts."""
    token: str | None = None
    seen: set[str] = set()
    for number in range(1, CHART_PAGES + 1):
        answer = calls.chart(params.region_code, params.category_id, token)
        videos = {video.id: video for video in answer.items if video.id not in seen}
        seen |= videos.keys()
        yield _read(number, list(videos), videos, youtube.now(), token=answer.next_page_token)
        token = answer.next_page_token
        if token is None:
            return


def known_videos(params: AnalyzeTrendsParams, youtube: YouTube, calls: Calls) -> Iterator[ReadPage]:
    """Videos by id; those that were looked at before cost a call of their statistics alone."""
    ids = list(dict.fromkeys(params.video_ids))
    known = youtube.looks.videos(ids)
    try:
        stats = calls.stats([video_id for video_id in ids if video_id in known]) if known else {}
    except DayQuotaUsedUp:
        known, stats = {}, {}  # videos.list has a quota of its own, and knows the same
    unknown = [video_id for video_id in ids if video_id not in known]
    videos = calls.videos(unknown) if unknown else {}
    videos |= {
        video_id: _with_stats(known[video_id][0], stat)
        for video_id, stat in stats.items()
        if video_id in known
    }
    oldest = min((known[video_id][1] for video_id in stats if video_id in known), default=youtube.now())
    page = Page(tuple(ids), None, None, oldest, tuple(videos.values()), youtube.now())
    yield ReadPage(1, page, tuple(ids), videos, kept=False)


def latest_of_channels(
    params: AnalyzeTrendsParams, youtube: YouTube, calls: Calls, ctx: TaskContext, left_out: list[LeftOut]
) -> Iterator[ReadPage]:
    """The latest Shorts of channels, a page for each; one that is not there or may not be read is passed over.

    Args:
        left_out: Takes in the channels that were passed over.
    """
    since = params.published_since(youtube.now())
    channels = list(dict.fromkeys(params.channels))
    more = False
    for number, channel_id in enumerate(channels, 1):
        latest = latest_of(channel_id, calls)
        if isinstance(latest, NotThere):
            reason: Literal["not_there", "not_accessible"] = (
                "not_accessible" if isinstance(latest, NotAccessible) else "not_there"
            )
            left_out.append(LeftOut(id=channel_id, reason=reason))
            ctx.log.warning("a channel is passed over", channel_id=channel_id, reason=str(latest))
            latest = Latest()
        ids = tuple(video_id for video_id in latest.ids if latest.is_of(video_id, since))
        more = more or (latest.has_more and len(ids) == len(latest.ids))
        token = "more" if more or number < len(channels) else None
        yield _read(number, ids, latest.videos, youtube.now(), token=token)


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest rows of a channel's list, the newest first.

    Attributes:
        published: Of the rows, as the list tells it; it stays where a video is gone.
        videos: What is known of them; deleted and private ones are missing.
        has_more: Whether the list goes on.
    """

    published: Mapping[str, datetime | None] = field(default_factory=dict)
    videos: Mapping[str, Video] = field(default_factory=dict)
    has_more: bool = False

    @property
    def ids(self) -> list[str]:
        """The rows."""
        return list(self.published)

    def is_of(self, video_id: str, since: datetime) -> bool:
        """Whether a row is young enough; one that is gone without a date counts as young."""
        video = self.videos.get(video_id)
        published = video.traits.published if video is not None else self.published[video_id] or since
        return published is not None and published >= since


def latest_of(channel_id: str, calls: Calls) -> Latest | NotThere:
    """The latest videos of a channel, up to 50, or why they cannot be had."""
    trouble: NotThere | None = None
    for prefix in (SHORTS_OF, UPLOADS_OF):
        try:
            rows = calls.playlist(prefix + channel_id[2:])
        except NotThere as error:
            trouble = error
            continue
        published = rows.published
        videos = calls.videos(list(published)) if published else {}
        return Latest(published, videos, has_more=rows.next_page_token is not None)
    return trouble or NotThere(f"channel {channel_id} has no list")


def _read(
    number: int, ids: Sequence[str], videos: Mapping[str, Video], now: datetime, *, token: str | None
) -> ReadPage:
    known = {video_id: videos[video_id] for video_id in ids if video_id in videos}
    page = Page(tuple(ids), token, None, now, tuple(known.values()), now)
    return ReadPage(number, page, tuple(ids), known, kept=False)


def _with_stats(video: Video, stat: VideoStat) -> Video:
    counts = video.statistics.model_copy(update=dict(stat.statistics))
    return video.model_copy(update={"statistics": counts})
