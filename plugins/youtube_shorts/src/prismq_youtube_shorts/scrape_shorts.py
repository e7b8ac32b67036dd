"""`PrismQ.YouTube.ScrapeShorts`: a search term in, verified Shorts out."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, Field, model_validator

from prismq_worker_sdk import Permanent, TaskContext, TaskParams
from prismq_worker_sdk.compat import UTC, Self
from prismq_youtube_shorts.calls import Calls
from prismq_youtube_shorts.finding import find_shorts, with_channels
from prismq_youtube_shorts.fitting import fitted
from prismq_youtube_shorts.handler import YouTubeHandler, naming
from prismq_youtube_shorts.query import Order, SafeSearch, SearchQuery
from prismq_youtube_shorts.quota_day import Bucket
from prismq_youtube_shorts.result import ScrapeShortsResult, expiry, instant
from prismq_youtube_shorts.search import Search
from prismq_youtube_shorts.spending import spent
from prismq_youtube_shorts.youtube import YouTube

__all__ = ["ScrapeShorts", "ScrapeShortsParams", "scrape_shorts"]


FIRST_YEAR, LAST_YEAR = 2000, 2200


class ScrapeShortsParams(TaskParams):
    """What to search for, and how much of it."""

    search_query: str = Field(min_length=1, max_length=200, description="Search term for YouTube Shorts")
    max_results: int = Field(10, ge=1, le=50, description="The most Shorts to give back")
    language: str | None = Field(
        "en",
        pattern="^[a-z]{2}$",
        description="ISO 639-1, a hint that YouTube follows loosely; null for none",
    )
    region_code: str | None = Field(
        None, pattern="^[A-Z]{2}$", description="ISO 3166-1; only what can be watched there"
    )
    order: Order = Field("relevance", description="As YouTube sorts; all but relevance match worse")
    published_after: AwareDatetime | None = Field(None, description="RFC 3339, with time zone")
    published_before: AwareDatetime | None = Field(None, description="RFC 3339, with time zone")
    safe_search: SafeSearch = Field("moderate", description="What YouTube leaves out")
    channel_id: str | None = Field(
        None, pattern="^UC[0-9A-Za-z_-]{22}$", description="Only this channel's videos"
    )
    include_unverified: bool = Field(
        default=False, description="Fill up with videos whose length, shape or age nothing tells"
    )
    include_channels: bool = Field(default=False, description="Tell of each channel; a unit for 50 of them")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        after, before = (whole_second(moment) for moment in (self.published_after, self.published_before))
        if after and before and after >= before:
            raise ValueError("published_after must be before published_before, by a second at least")
        return self

    def query(self) -> SearchQuery:
        """The question to YouTube.

        Raises:
            Permanent: The search term is blank.
        """
        words = self.search_query.strip()
        if not words:
            raise Permanent("search_query is blank; give at least one word")
        after, before = (whole_second(moment) for moment in (self.published_after, self.published_before))
        return SearchQuery(
            words=words,
            language=self.language,
            region=self.region_code,
            order=self.order,
            published_after=instant(after) if after else None,
            published_before=instant(before) if before else None,
            safe_search=self.safe_search,
            channel_id=self.channel_id,
        )


def whole_second(moment: datetime | None) -> datetime | None:
    """An instant as YouTube is told: in UTC, without fractions of a second.

    Raises:
        ValueError: It lies where there is no YouTube.
    """
    if moment is None:
        return None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{moment.isoformat()} must lie between the years {FIRST_YEAR} and {LAST_YEAR}")
    return moment.astimezone(UTC).replace(microsecond=0)


class ScrapeShorts(YouTubeHandler):
    """Finds Shorts by the official YouTube Data API."""

    task_type = "PrismQ.YouTube.ScrapeShorts"
    params = ScrapeShortsParams
    needs = (Bucket.SEARCH, Bucket.UNITS)

    def process(self, params: ScrapeShortsParams, ctx: TaskContext) -> ScrapeShortsResult:
        """Find up to `max_results` verified Shorts."""
        with naming(params):
            return fitted(scrape_shorts(self.youtube, params, ctx), ctx)


def scrape_shorts(youtube: YouTube, params: ScrapeShortsParams, ctx: TaskContext) -> ScrapeShortsResult:
    """The result of one task.

    Raises:
        Permanent: The search term is blank, or YouTube does not take a parameter.
        HandlerSignal: Another error of `prismq_youtube_shorts.errors`, before anything was found.
    """
    calls = Calls(youtube, ctx)
    most_pages = youtube.settings.youtube_max_pages
    search = Search(youtube, calls, ctx, params.query(), most_pages)
    found = find_shorts(
        search.pages(), ctx, wanted=params.max_results, most_pages=most_pages, region=params.region_code
    )
    most_chars = youtube.settings.youtube_max_description_chars
    shorts = found.shorts(params.max_results, most_chars=most_chars, unverified=params.include_unverified)
    if params.include_channels:
        shorts, trouble = with_channels(shorts, calls, ctx)
        if trouble is not None:
            found.troubled(trouble)
    fetched_at = min((page.page.read_at for page in found.pages), default=youtube.now())
    return ScrapeShortsResult(
        shorts=shorts,
        total_found=len(shorts),
        search_query=params.search_query,
        partial=found.partial,
        stop_reason=found.stop,
        language=search.query.language,
        fetched_at=instant(fetched_at),
        expires_at=expiry(fetched_at),
        stats=found.stats(),
        quota=spent(youtube, calls),
    )
