"""What `PrismQ.YouTube.AnalyzeTrends` takes."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from prismq_worker_sdk import Permanent, TaskParams
from prismq_worker_sdk.compat import UTC, Self
from prismq_youtube_shorts.query import SearchQuery
from prismq_youtube_shorts.result import instant

__all__ = ["AnalyzeTrendsParams", "Source"]

Source = Literal["query", "chart", "video_ids", "channels"]
VideoId = Annotated[str, Field(pattern="^[0-9A-Za-z_-]{11}$")]
ChannelId = Annotated[str, Field(pattern="^UC[0-9A-Za-z_-]{22}$")]

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
    language: str | None = Field(
        "en", pattern="^[a-z]{2}$", description="Source query: ISO 639-1, a hint; null for none"
    )
    region_code: str | None = Field(
        None, pattern="^[A-Z]{2}$", description="ISO 3166-1; only what can be watched there, of the chart too"
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
        """The question to YouTube; tasks of one day ask the same, so that kept pages answer them.

        Raises:
            Permanent: The search term is blank.
        """
        words = (self.search_query or "").strip()
        if not words:
            raise Permanent("search_query is blank; give at least one word")
        return SearchQuery(
            words=words,
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
