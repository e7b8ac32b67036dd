"""`PrismQ.YouTube.ScrapeShorts`: a search term in, verified Shorts out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from prismq_worker_sdk import TaskContext, TaskParams
from prismq_worker_sdk.compat import UTC, Self
from prismq_youtube_shorts.client import Calls
from prismq_youtube_shorts.handler import YouTubeHandler, naming_parameters
from prismq_youtube_shorts.quota import PACE, Bucket, limit_of
from prismq_youtube_shorts.result import ScrapeShortsResult, instant
from prismq_youtube_shorts.search import ChannelId, Language, Order, Region, SafeSearch, Search, SearchQuery
from prismq_youtube_shorts.selection import select_shorts
from prismq_youtube_shorts.truncation import truncated

FIRST_YEAR, LAST_YEAR = 2000, 2200


def _whole_second(moment: datetime) -> datetime:
    """An instant as YouTube is told: in UTC, without fractions of a second."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{moment.isoformat()} must lie between the years {FIRST_YEAR} and {LAST_YEAR}")
    return moment.astimezone(UTC).replace(microsecond=0)


Instant = Annotated[AwareDatetime, AfterValidator(_whole_second)]


class ScrapeShortsParams(TaskParams):
    """What to search for, and how much of it."""

    search_query: str = Field(min_length=1, max_length=200, description="Search term for YouTube Shorts")
    max_results: int = Field(10, ge=1, le=50, description="The most Shorts to give back")
    language: Language | None = Field(
        "en", description="ISO 639-1, a hint that YouTube follows loosely; null for none"
    )
    region_code: Region | None = Field(None, description="ISO 3166-1; only what can be watched there")
    order: Order = Field("relevance", description="As YouTube sorts; all but relevance match worse")
    published_after: Instant | None = Field(None, description="RFC 3339, with time zone")
    published_before: Instant | None = Field(None, description="RFC 3339, with time zone")
    safe_search: SafeSearch = Field("moderate", description="What YouTube leaves out")
    channel_id: ChannelId | None = Field(None, description="Only this channel's videos")
    include_unverified: bool = Field(
        default=False, description="Fill up with videos whose length, shape or age nothing tells"
    )
    include_channels: bool = Field(default=False, description="Tell of each channel; a unit for 50 of them")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        after, before = self.published_after, self.published_before
        if after and before and after >= before:
            raise ValueError("published_after must be before published_before, by a second at least")
        return self

    def query(self) -> SearchQuery:
        """The question to YouTube."""
        after, before = self.published_after, self.published_before
        return SearchQuery(
            words=self.search_query,
            language=self.language,
            region=self.region_code,
            order=self.order,
            published_after=instant(after) if after else None,
            published_before=instant(before) if before else None,
            safe_search=self.safe_search,
            channel_id=self.channel_id,
        )


class ScrapeShorts(YouTubeHandler):
    """Finds Shorts by the official YouTube Data API."""

    task_type = "PrismQ.YouTube.ScrapeShorts"
    params = ScrapeShortsParams
    needs = (Bucket.SEARCH, Bucket.UNITS)
    limits = (PACE, *map(limit_of, needs))

    def process(self, params: ScrapeShortsParams, ctx: TaskContext) -> ScrapeShortsResult:
        """Find up to `max_results` verified Shorts."""
        with naming_parameters(params):
            return truncated(_found(params, Calls(self.youtube, ctx)), ctx)


def _found(params: ScrapeShortsParams, calls: Calls) -> ScrapeShortsResult:
    settings, wanted, region = calls.youtube.settings, params.max_results, params.region_code
    most_pages, most_chars = settings.youtube_max_pages, settings.youtube_max_description_chars
    search = Search(calls, params.query(), most_pages)
    found = select_shorts(search.pages(), calls, wanted=wanted, most_pages=most_pages, region=region)
    shorts = found.shorts(wanted, most_chars=most_chars, unverified=params.include_unverified)
    if params.include_channels:
        shorts = found.with_channels(shorts, calls)
    return ScrapeShortsResult(
        shorts=shorts,
        total_found=len(shorts),
        search_query=params.search_query,
        language=search.query.language,
        **found.summary(calls),
    )
