"""What a ScrapeShorts task gives back, and the item that stands for one Short in every result of this plugin."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from prismq_youtube_shorts.answers import Channel, Video
from prismq_youtube_shorts.shorts_rule import ShortsCheck, aspect_ratio
from prismq_youtube_shorts.state.pages import LONGEST_SECONDS
from prismq_youtube_shorts.trends.tokens import hashtags_of

__all__ = [
    "ChannelInfo",
    "Label",
    "QuotaSpent",
    "Result",
    "ScrapeShortsResult",
    "SearchStats",
    "Short",
    "Shortened",
    "StopReason",
    "cut",
    "expiry",
    "instant",
]

StopReason = Literal["enough", "exhausted", "page_cap", "page_token", "quota", "rate_limit", "trouble"]
Label = Literal["verified", "unverified", "not_a_short", "unavailable"]
CUT_MARK = "…"


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def expiry(fetched_at: datetime) -> str:
    """When data fetched then must be deleted or fetched anew (Developer Policies III.E.4.d: 30 days)."""
    return instant(fetched_at + timedelta(seconds=LONGEST_SECONDS))


class Result(BaseModel):
    """A part of a result: frozen, and nothing but what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChannelInfo(Result):
    """The channel of a Short; null is unknown or hidden."""

    handle: str | None
    subscriber_count: int | None = Field(description="Rounded by YouTube to three digits")
    video_count: int | None
    view_count: int | None
    country: str | None
    thumbnail_url: str | None

    @classmethod
    def of(cls, channel: Channel) -> ChannelInfo:
        """What the API's channel says."""
        counts = channel.statistics
        return cls(
            handle=channel.snippet.custom_url,
            subscriber_count=channel.subscribers,
            video_count=counts.video_count,
            view_count=counts.view_count,
            country=channel.snippet.country,
            thumbnail_url=channel.thumbnail_url,
        )


class Short(Result):
    """One YouTube Short; texts are plain and whole, null is unknown or hidden, never 0."""

    video_id: str
    title: str
    description: str
    channel: str = Field(description="Title of the channel")
    published_at: str | None = Field(description="RFC 3339")
    thumbnail_url: str
    url: str
    channel_id: str | None
    duration_seconds: int | None
    view_count: int | None
    like_count: int | None
    comment_count: int | None
    tags: tuple[str, ...]
    hashtags: tuple[str, ...] = Field(description="Of title and description, folded, without #")
    category_id: str | None
    language: str | None = Field(description="Of the sound, else of the texts, as the uploader said")
    width: int | None = Field(description="Of the player at the true ratio; not the resolution")
    height: int | None
    aspect_ratio: str | None = Field(description="Width to height, for example 9:16")
    shorts_check: Label = Field(
        description="not_a_short, unavailable: of videos that a task named; all else is given of Shorts only"
    )
    made_for_kids: bool | None
    embeddable: bool | None
    definition: str | None = Field(description="hd or sd")
    caption: bool | None = Field(description="Whether there are subtitles; their text is the owner's alone")
    license: str | None
    contains_synthetic_media: bool | None
    paid_product_placement: bool | None
    rank: int = Field(description="Place among all videos that YouTube gave, from 1")
    channel_info: ChannelInfo | None = None

    @classmethod
    def of(cls, video: Video, check: ShortsCheck | None, *, rank: int, most_chars: int) -> Short:
        """The Short that the API's video describes.

        Args:
            check: None for one that cannot be watched.
            most_chars: Of the description; a longer one is cut, with a mark.
        """
        said, counts, status = video.snippet, video.statistics, video.status
        page = "shorts/" if check in {ShortsCheck.VERIFIED, ShortsCheck.UNVERIFIED} else "watch?v="
        width, height = video.player.embed_width, video.player.embed_height
        return cls(
            video_id=video.id,
            title=said.title,
            description=cut(said.description, most_chars),
            channel=said.channel_title,
            published_at=said.published_at,
            thumbnail_url=video.thumbnail_url,
            url=f"https://www.youtube.com/{page}{video.id}",
            channel_id=said.channel_id,
            duration_seconds=video.traits.duration,
            view_count=counts.view_count,
            like_count=counts.like_count,
            comment_count=counts.comment_count,
            tags=said.tags,
            hashtags=hashtags_of(said.title, said.description),
            category_id=said.category_id,
            language=said.default_audio_language or said.default_language,
            width=width,
            height=height,
            aspect_ratio=aspect_ratio(width, height),
            shorts_check="unavailable" if check is None else check.value,
            made_for_kids=status.made_for_kids,
            embeddable=status.embeddable,
            definition=video.content_details.definition,
            caption=video.content_details.caption,
            license=status.license,
            contains_synthetic_media=status.contains_synthetic_media,
            paid_product_placement=video.paid_product_placement_details.has_paid_product_placement,
            rank=rank,
        )


class SearchStats(Result):
    """What became of the videos that YouTube gave."""

    candidates: int = Field(description="Different videos that were looked at")
    non_shorts: int
    unavailable: int = Field(description="Deleted, private, still processed, or not for this region_code")
    unverified: int = Field(description="Nothing tells their length, shape or age")
    shorts_ratio: float | None = Field(description="Verified Shorts among the candidates; null without any")
    api_total_estimate: int | None = Field(description="YouTube's own total, an estimate that drifts")


class QuotaSpent(Result):
    """What this attempt cost, and the project's day as this machine knows it."""

    search_calls: int
    units: int
    stats_calls: int
    from_cache: bool = Field(description="Whether it was answered from kept pages alone")
    search_calls_today: int
    resets_at: str


class Shortened(Result):
    """What was taken from the result because the server stores no larger one."""

    limit_bytes: int = Field(description="What the server stores")
    fields: tuple[str, ...] = Field(description="What was cut or emptied, in this order")
    left_out: int = Field(description="Items that were left out in the end, the last ones")


class ScrapeShortsResult(Result):
    """The Shorts found, in YouTube's order; verified ones first where others fill up."""

    shorts: tuple[Short, ...]
    total_found: int = Field(description="Number of `shorts`")
    search_query: str
    partial: bool = Field(description="Whether trouble kept something out; stop_reason tells which")
    stop_reason: StopReason
    language: str | None = Field(description="As YouTube was asked; null where it does not know it")
    fetched_at: str = Field(description="Of the oldest part; RFC 3339")
    expires_at: str = Field(description="To be deleted or fetched anew by then")
    stats: SearchStats
    quota: QuotaSpent
    shortened: Shortened | None = Field(None, description="null: everything is whole")


def cut(text: str, most: int) -> str:
    """At most so many characters of a text, with a mark where it was cut."""
    return text if len(text) <= most else text[: max(0, most - 1)] + CUT_MARK * (most > 0)
