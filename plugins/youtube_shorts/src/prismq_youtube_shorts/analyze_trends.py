"""`PrismQ.YouTube.AnalyzeTrends`: which Shorts of a niche, a chart or some channels do well, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from prismq_worker_sdk import Defer, TaskContext, TaskParams
from prismq_worker_sdk.compat import UTC, Self
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts import metrics, sources
from prismq_youtube_shorts.cache import Page, Snapshot
from prismq_youtube_shorts.client import PAGE_SIZE, Calls
from prismq_youtube_shorts.errors import DayQuotaUsedUp, NotThere
from prismq_youtube_shorts.handler import YouTubeHandler, naming_parameters
from prismq_youtube_shorts.metrics import Measured
from prismq_youtube_shorts.quota import PACE, Bucket, limit_of
from prismq_youtube_shorts.result import (
    AnalyzeTrendsResult,
    LeftOut,
    Short,
    Source,
    TrendingShort,
    TrendSummary,
    instant,
)
from prismq_youtube_shorts.search import ChannelId, Language, Region, Search, SearchQuery
from prismq_youtube_shorts.selection import Selection, reason_of, select_shorts
from prismq_youtube_shorts.shorts_rule import ShortsCheck, check
from prismq_youtube_shorts.truncation import truncated

RESERVE = 45.0
"""Seconds that three calls may take: when they are left, what is known is told."""
VideoId = Annotated[str, Field(pattern="^[0-9A-Za-z_-]{11}$")]

BELONGS_TO = {"search_query": "query", "video_ids": "video_ids", "channels": "channels"}
"""What a source cannot do without, and no other source takes."""


class AnalyzeTrendsParams(TaskParams):
    """Which Shorts to look at."""

    source: Source = Field("query", description="Where the Shorts come from")
    search_query: str | None = Field(
        None, min_length=1, max_length=200, description="With source query: the search term"
    )
    video_ids: list[VideoId] = Field([], max_length=50, description="With source video_ids: which ones")
    channels: list[ChannelId] = Field([], max_length=10, description="With source channels: whose latest")
    max_results: int = Field(20, ge=1, le=50, description="The most Shorts to give back")
    published_within_days: int = Field(
        7, ge=1, le=365, description="Sources query and channels: not published earlier"
    )
    language: Language | None = Field("en", description="Source query: ISO 639-1, a hint; null for none")
    region_code: Region | None = Field(
        None, description="ISO 3166-1; only what can be watched there, of the chart too"
    )
    category_id: str | None = Field(
        None, pattern="^[0-9]{1,3}$", description="Sources query and chart: YouTube's video category"
    )
    outliers: bool = Field(
        default=False,
        description="Compare each Short with its channel's latest; 2 units a channel. Derived metrics only",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, source in BELONGS_TO.items():
            given = bool(getattr(self, name))
            if given and self.source != source:
                raise ValueError(f"{name} goes with source {source!r} only, this is {self.source!r}")
            if self.source == source and not given:
                raise ValueError(f"source {source!r} needs {name}")
        return self

    def query(self, now: datetime) -> SearchQuery:
        """The question to YouTube; tasks of one day ask the same, so that kept pages answer them."""
        return SearchQuery(
            words=self.search_query or "",
            language=self.language,
            region=self.region_code,
            category_id=self.category_id,
            order="viewCount",
            published_after=instant(self.published_since(now)),
        )

    def published_since(self, now: datetime) -> datetime:
        """Midnight UTC at the beginning of the days that count."""
        first = (now.astimezone(UTC) - timedelta(days=self.published_within_days)).date()
        return datetime.combine(first, time.min, tzinfo=UTC)


class AnalyzeTrends(YouTubeHandler):
    """Looks at Shorts that do well; derives metrics only where the operator allows it."""

    task_type = "PrismQ.YouTube.AnalyzeTrends"
    params = AnalyzeTrendsParams
    time_limit = "5m"
    needs = (Bucket.UNITS,)
    limits = (PACE, *map(limit_of, needs))

    def process(self, params: AnalyzeTrendsParams, ctx: TaskContext) -> AnalyzeTrendsResult:
        """Gather up to `max_results` Shorts, and what there is to say of them."""
        with naming_parameters(params):
            return truncated(_Task(params, Calls(self.youtube, ctx)).result(), ctx)


@dataclass(slots=True)
class _Task:
    """One task under way."""

    params: AnalyzeTrendsParams
    calls: Calls
    language: str | None = None
    left_out: list[LeftOut] = field(default_factory=list)

    def result(self) -> AnalyzeTrendsResult:
        found = self._gather()
        videos, summary = self._derive(self._chosen(found), found)
        return AnalyzeTrendsResult(
            videos=videos,
            total_found=len(videos),
            source=self.params.source,
            search_query=self.params.search_query,
            derived=summary,
            left_out=tuple(self.left_out),
            language=self.language,
            **found.summary(self.calls),
        )

    def _gather(self) -> Selection:
        """What the source holds, as far as it is needed."""
        params, calls, now = self.params, self.calls, self.calls.youtube.now()
        match params.source:
            case "query":
                most = calls.youtube.settings.youtube_max_pages
                search = Search(calls, params.query(now), most)
                found = self._select(search.pages(), params.max_results, most)
                self.language = search.query.language
            case "chart":
                pages = sources.chart(params.region_code, params.category_id, calls)
                found = self._select(pages, params.max_results, sources.CHART_PAGES)
            case "video_ids":
                pages = sources.known_videos(params.video_ids, calls)
                found = self._select(pages, len(params.video_ids), 1)
            case "channels":
                most, since = len(params.channels), params.published_since(now)
                pages = sources.latest_of_channels(params.channels, since, calls, self.left_out)
                # the most viewed of all channels are wanted, so all of them are read
                found = self._select(pages, most * PAGE_SIZE + 1, most)
                if self.left_out:
                    found.cut_short("trouble")
        return found

    def _select(self, pages: Iterable[Page], wanted: int, most_pages: int) -> Selection:
        region = self.params.region_code
        try:
            return select_shorts(pages, self.calls, wanted=wanted, most_pages=most_pages, region=region)
        except DayQuotaUsedUp as trouble:
            if trouble.bucket is not Bucket.SEARCH:
                raise
            # The other sources need no search: this task alone waits for the next day, and they go on. Where the
            # server cannot keep it back, it would come again every few minutes, each time an attempt: there all wait.
            raise Defer(str(trouble), retry_in=trouble.retry_in, or_pause=True) from None

    def _chosen(self, found: Selection) -> list[Short]:
        """The Shorts of the result: in YouTube's order, those of channels by their views; of named videos all."""
        most_chars = self.calls.youtube.settings.youtube_max_description_chars
        if self.params.source == "video_ids":
            given = list(found.named(most_chars=most_chars))
            ids = {short.video_id for short in given}
            missing = [one.video_id for one in found.candidates if one.video_id not in ids]
            self.left_out += [LeftOut(id=video_id, reason="region") for video_id in missing]
            return given
        shorts = list(found.shorts(len(found.candidates), most_chars=most_chars))
        if self.params.source == "channels":
            shorts.sort(key=lambda short: -1 if short.view_count is None else short.view_count, reverse=True)
        return shorts[: self.params.max_results]

    def _derive(
        self, shorts: Sequence[Short], found: Selection
    ) -> tuple[tuple[TrendingShort, ...], TrendSummary | None]:
        """The Shorts with what is derived about them, and what they have in common."""
        cache = self.calls.youtube.cache
        by_id = {one.video_id: one for one in found.candidates}
        candidates = [by_id[short.video_id] for short in shorts]
        cache.keep_videos((one.video, one.page.read_at) for one in candidates if one.video is not None)
        if not self.calls.youtube.settings.youtube_derived_metrics:
            return tuple(TrendingShort(**dict(short)) for short in shorts), None
        seen = [
            Measured(short, one.page.looked_at or one.page.read_at, one.video.text_language or short.language)
            for short, one in zip(shorts, candidates, strict=True)
            if one.video is not None and one.check in {ShortsCheck.VERIFIED, ShortsCheck.UNVERIFIED}
        ]
        soonest = timedelta(hours=metrics.MIN_HOURS_BETWEEN)
        earlier = {one.video_id: cache.snapshot_before(one.video_id, one.at - soonest) for one in seen}
        derived = metrics.derived_of(seen, earlier, self._usual(seen, found) if self.params.outliers else {})
        views = ((one, one.short.view_count) for one in seen)
        cache.keep_snapshots(Snapshot(one.video_id, one.at, now) for one, now in views if now is not None)
        told = (TrendingShort(**dict(short), derived=derived.get(short.video_id)) for short in shorts)
        return tuple(told), metrics.summary_of(seen)

    def _usual(self, seen: Sequence[Measured], found: Selection) -> dict[str, metrics.Usual]:
        """What is usual in the channels of these Shorts."""
        ctx, usual = self.calls.ctx, dict[str, metrics.Usual]()
        names = list(dict.fromkeys(one.short.channel_id for one in seen if one.short.channel_id))
        try:
            channels = self.calls.channels(names)
            usual = {name: ((), channel.subscribers) for name, channel in channels.items()}
            for name in names:
                if ctx.time_left < RESERVE:
                    ctx.log.warning("the time ends before every channel is compared with")
                    found.cut_short("trouble")
                    break
                usual[name] = (self._peers(name), usual[name][1] if name in usual else None)
        except HandlerSignal as trouble:
            ctx.log.warning("some channels are not compared with", reason=str(trouble))
            found.cut_short(reason_of(trouble))
        return usual

    def _peers(self, channel_id: str) -> list[Measured]:
        """The latest Shorts of a channel."""
        try:
            videos = sources.latest_of(channel_id, self.calls).videos
        except NotThere:
            return []
        now, label = self.calls.youtube.now(), ShortsCheck.VERIFIED
        shorts = (video for video in videos if check(video) is label)
        return [Measured(Short.of(video, label, rank=1, most_chars=0), now) for video in shorts]
