"""`PrismQ.YouTube.AnalyzeTrends`: which Shorts of a niche, a chart or some channels do well, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prismq_worker_sdk import Defer, TaskContext
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.calls import Calls
from prismq_youtube_shorts.errors import DayQuotaUsedUp
from prismq_youtube_shorts.finding import Found, find_shorts, reason_of
from prismq_youtube_shorts.fitting import fitted
from prismq_youtube_shorts.handler import YouTubeHandler, naming
from prismq_youtube_shorts.query import PAGE_SIZE
from prismq_youtube_shorts.quota_day import Bucket
from prismq_youtube_shorts.result import Short, expiry, instant
from prismq_youtube_shorts.search import ReadPage, Search
from prismq_youtube_shorts.shorts_rule import ShortsCheck, check
from prismq_youtube_shorts.spending import spent
from prismq_youtube_shorts.trends.deriving import (
    Baselines,
    derived_of,
    measured,
    snapshots,
    summarised,
)
from prismq_youtube_shorts.trends.metrics import Measured
from prismq_youtube_shorts.trends.params import AnalyzeTrendsParams
from prismq_youtube_shorts.trends.result import AnalyzeTrendsResult, LeftOut, TrendingShort, TrendSummary
from prismq_youtube_shorts.trends.sources import (
    CHART_PAGES,
    Latest,
    chart,
    known_videos,
    latest_of,
    latest_of_channels,
)
from prismq_youtube_shorts.youtube import YouTube

__all__ = ["AnalyzeTrends", "AnalyzeTrendsParams", "analyze_trends"]


RESERVE = 45.0
"""Seconds that three calls may take: when they are left, what is known is told."""


class AnalyzeTrends(YouTubeHandler):
    """Looks at Shorts that do well; derives metrics only where the operator allows it."""

    task_type = "PrismQ.YouTube.AnalyzeTrends"
    params = AnalyzeTrendsParams
    time_limit = "5m"
    needs = (Bucket.UNITS,)

    def process(self, params: AnalyzeTrendsParams, ctx: TaskContext) -> AnalyzeTrendsResult:
        """Gather up to `max_results` Shorts, and what there is to say of them."""
        with naming(params):
            return fitted(analyze_trends(self.youtube, params, ctx), ctx)


def analyze_trends(youtube: YouTube, params: AnalyzeTrendsParams, ctx: TaskContext) -> AnalyzeTrendsResult:
    """The result of one task.

    Raises:
        Permanent: The search term is blank, or YouTube does not take a parameter.
        HandlerSignal: Another error of `prismq_youtube_shorts.errors`, before anything was found.
    """
    task = _Task(youtube, params, ctx, Calls(youtube, ctx))
    found = task.gather()
    shorts = task.chosen(found)
    videos, summary = task.derive(shorts, found)
    fetched_at = min((page.page.read_at for page in found.pages), default=youtube.now())
    return AnalyzeTrendsResult(
        videos=videos,
        total_found=len(videos),
        source=params.source,
        search_query=params.search_query,
        derived=summary,
        partial=found.partial,
        stop_reason=found.stop,
        left_out=tuple(task.left_out),
        language=task.language,
        fetched_at=instant(fetched_at),
        expires_at=expiry(fetched_at),
        stats=found.stats(),
        quota=spent(youtube, task.calls),
    )


@dataclass(slots=True)
class _Task:
    """One task under way."""

    youtube: YouTube
    params: AnalyzeTrendsParams
    ctx: TaskContext
    calls: Calls
    language: str | None = None
    left_out: list[LeftOut] = field(default_factory=list)

    def gather(self) -> Found:
        """What the source holds, as far as it is needed."""
        youtube, params, ctx, calls = self.youtube, self.params, self.ctx, self.calls
        wanted = params.max_results
        match params.source:
            case "query":
                most = youtube.settings.youtube_max_pages
                search = Search(youtube, calls, ctx, params.query(youtube.now()), most)
                found = self._find(search.pages(), wanted, most)
                self.language = search.query.language
                return found
            case "chart":
                return self._find(chart(params, youtube, calls), wanted, CHART_PAGES)
            case "video_ids":
                return self._find(known_videos(params, youtube, calls), len(params.video_ids), 1)
            case "channels":
                pages = latest_of_channels(params, youtube, calls, ctx, self.left_out)
                most = len(params.channels)
                # the most viewed of all channels are wanted, so all of them are read
                found = self._find(pages, most * PAGE_SIZE + 1, most)
                if self.left_out:
                    found.troubled("trouble")
                return found

    def _find(self, pages: Iterable[ReadPage], wanted: int, most_pages: int) -> Found:
        region = self.params.region_code
        try:
            return find_shorts(pages, self.ctx, wanted=wanted, most_pages=most_pages, region=region)
        except DayQuotaUsedUp as trouble:
            if trouble.bucket is not Bucket.SEARCH:
                raise
            # The other sources need no search: this task alone waits for the next day, and they go on. Where the
            # server cannot keep it back, it would come again every few minutes, each time an attempt: there all wait.
            raise Defer(str(trouble), retry_in=trouble.retry_in, or_pause=True) from None

    def chosen(self, found: Found) -> list[Short]:
        """The Shorts of the result: in YouTube's order, those of channels by their views; of named videos all."""
        most_chars = self.youtube.settings.youtube_max_description_chars
        if self.params.source == "video_ids":
            given = found.named(most_chars=most_chars)
            missing = found.by_id.keys() - {short.video_id for short in given}
            self.left_out += [
                LeftOut(id=video_id, reason="region") for video_id in found.by_id if video_id in missing
            ]
            return list(given)
        shorts = list(found.shorts(len(found.checked), most_chars=most_chars))
        if self.params.source == "channels":
            shorts.sort(key=lambda short: -(short.view_count if short.view_count is not None else -1))
        return shorts[: self.params.max_results]

    def derive(
        self, shorts: Sequence[Short], found: Found
    ) -> tuple[tuple[TrendingShort, ...], TrendSummary | None]:
        """The Shorts with what is derived about them, and what they have in common."""
        looks, checked = self.youtube.looks, [found.by_id[short.video_id] for short in shorts]
        looks.remember((one.video, one.read_at) for one in checked if one.video is not None)
        if not self.youtube.settings.youtube_derived_metrics:
            return tuple(TrendingShort(**dict(short)) for short in shorts), None
        seen = [
            measured(short, one.looked_at, texts_in=one.video.snippet.default_language)
            for short, one in zip(shorts, checked, strict=True)
            if one.video is not None and one.check in {ShortsCheck.VERIFIED, ShortsCheck.UNVERIFIED}
        ]
        earlier = looks.earlier(seen)
        baselines = self._baselines(seen, found) if self.params.outliers else Baselines()
        derived = derived_of(seen, earlier, baselines)
        looks.note(snapshots(seen))
        told = (TrendingShort(**dict(short), derived=derived.get(short.video_id)) for short in shorts)
        return tuple(told), summarised(seen)

    def _baselines(self, seen: Sequence[Measured], found: Found) -> Baselines:
        """What is usual in the channels of these Shorts."""
        channels = list(dict.fromkeys(video.channel_id for video in seen if video.channel_id))
        peers: dict[str, Sequence[Measured]] = {}
        subscribers: dict[str, int | None] = {}
        try:
            told = self.calls.channels(channels)
            subscribers.update({channel_id: channel.subscribers for channel_id, channel in told.items()})
            for channel_id in channels:
                if self.ctx.time_left < RESERVE:
                    self.ctx.log.warning("the time ends before every channel is compared with")
                    found.troubled("trouble")
                    break
                peers[channel_id] = self._peers(channel_id)
        except HandlerSignal as trouble:
            self.ctx.log.warning("some channels are not compared with", reason=str(trouble))
            found.troubled(reason_of(trouble))
        return Baselines(peers, subscribers)

    def _peers(self, channel_id: str) -> list[Measured]:
        """The latest Shorts of a channel."""
        now = self.youtube.now()
        latest = latest_of(channel_id, self.calls)
        videos = latest.videos.values() if isinstance(latest, Latest) else ()
        shorts = (video for video in videos if check(video.traits) is ShortsCheck.VERIFIED)
        return [
            measured(Short.of(video, ShortsCheck.VERIFIED, rank=1, most_chars=0), now) for video in shorts
        ]
