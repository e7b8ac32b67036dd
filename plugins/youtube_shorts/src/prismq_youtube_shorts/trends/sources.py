"""Where the Shorts of a trend come from: a search, YouTube's chart, known videos, or the latest of channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prismq_worker_sdk import TaskContext
from prismq_youtube_shorts.answers import Video, VideoStat
from prismq_youtube_shorts.calls import Calls
from prismq_youtube_shorts.errors import DayQuotaUsedUp, NotThere
from prismq_youtube_shorts.search import ReadPage
from prismq_youtube_shorts.state.pages import Page
from prismq_youtube_shorts.trends.params import AnalyzeTrendsParams
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
        page = _read(number, answer.items, youtube.now(), token=answer.next_page_token, seen=seen)
        seen |= set(page.fresh)
        yield page
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
    params: AnalyzeTrendsParams, youtube: YouTube, calls: Calls, ctx: TaskContext
) -> Iterator[ReadPage]:
    """The latest Shorts of channels, a page for each; a channel that does not exist is passed over."""
    since = params.published_since(youtube.now())
    channels = list(dict.fromkeys(params.channels))
    for number, channel_id in enumerate(channels, 1):
        videos = latest_of(channel_id, calls)
        if videos is None:
            ctx.log.warning("there is no such channel, or it has no video", channel_id=channel_id)
        fresh = [video for video in videos or () if _published_since(video, since)]
        token = "more" if number < len(channels) else None
        yield _read(number, fresh, youtube.now(), token=token, seen=set())


def latest_of(channel_id: str, calls: Calls) -> list[Video] | None:
    """The latest videos of a channel, up to 50, the newest first; None where there is none."""
    for prefix in (SHORTS_OF, UPLOADS_OF):
        try:
            ids = calls.playlist(prefix + channel_id[2:]).video_ids
        except NotThere:
            continue
        videos = calls.videos(ids) if ids else {}
        return [videos[video_id] for video_id in ids if video_id in videos]
    return None


def _read(
    number: int, videos: Iterable[Video], now: datetime, *, token: str | None, seen: set[str]
) -> ReadPage:
    by_id = {video.id: video for video in videos}
    fresh = tuple(video_id for video_id in by_id if video_id not in seen)
    page = Page(tuple(by_id), token, None, now, tuple(by_id.values()), now)
    return ReadPage(number, page, fresh, by_id, kept=False)


def _published_since(video: Video, since: datetime) -> bool:
    published = video.traits.published
    return published is not None and published >= since


def _with_stats(video: Video, stat: VideoStat) -> Video:
    counts = video.statistics.model_copy(update=dict(stat.statistics))
    return video.model_copy(update={"statistics": counts})
