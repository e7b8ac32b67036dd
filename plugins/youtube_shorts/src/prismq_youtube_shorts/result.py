"""What the tasks give back: what YouTube says, and apart from it what was derived."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from prismq_youtube_shorts.cache import MAX_SECONDS
from prismq_youtube_shorts.resources import Channel, Video
from prismq_youtube_shorts.shorts_rule import ShortsCheck, aspect_ratio
from prismq_youtube_shorts.tokens import hashtags_of

StopReason = Literal["enough", "exhausted", "page_cap", "page_token", "quota", "rate_limit", "trouble"]
Label = Literal["verified", "unverified", "not_a_short", "unavailable"]
DISCLOSURE = "computed by PrismQ, not provided by YouTube"
Source = Literal["query", "chart", "video_ids", "channels"]
CUT_MARK = "…"


def cut(text: str, most: int) -> str:
    """At most so many characters of a text, with a mark where it was cut."""
    return text if len(text) <= most else text[: max(0, most - 1)] + CUT_MARK * (most > 0)


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def expiry(fetched_at: datetime) -> str:
    """When data fetched then must be deleted or fetched anew (Developer Policies III.E.4.d: 30 days)."""
    return instant(fetched_at + timedelta(seconds=MAX_SECONDS))


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
        as_told = {name: getattr(channel, name) for name in cls.model_fields}
        return cls(**as_told | {"subscriber_count": channel.subscribers})


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
        """The Short that the API's video describes; its description cut, its check None where it cannot be watched."""
        page = "shorts/" if check in {ShortsCheck.VERIFIED, ShortsCheck.UNVERIFIED} else "watch?v="
        as_told = {name: getattr(video, name) for name in Video.model_fields if name in Short.model_fields}
        return cls(
            **as_told
            | {
                "video_id": video.id,
                "description": cut(video.description, most_chars),
                "thumbnail_url": video.thumbnail_url,
                "url": f"https://www.youtube.com/{page}{video.id}",
                "duration_seconds": video.seconds,
                "hashtags": hashtags_of(video.title, video.description),
                "language": video.sound_language or video.text_language,
                "aspect_ratio": aspect_ratio(video.width, video.height),
                "shorts_check": "unavailable" if check is None else check.value,
                "rank": rank,
            }
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


class Derived(Result):
    """Figures of one Short that were worked out here; null is unknown, never 0."""

    disclosure: str = DISCLOSURE
    age_hours: float | None = Field(description="Hours since it was published, at least 1")
    views_per_hour: float | None = Field(description="views / age_hours: the average of its whole life")
    velocity: float | None = Field(
        description="Views per hour between this look and an earlier one, 15 minutes to 30 days ago"
    )
    velocity_since: str | None = Field(description="When that earlier look was")
    engagement_rate: float | None = Field(description="(likes + comments) / views, percent")
    like_ratio: float | None = Field(description="likes / views, percent")
    comment_ratio: float | None = Field(description="comments / views, percent")
    outlier_score: float | None = Field(
        description="views_per_hour / median of its channel's Shorts of similar age"
    )
    outlier_basis: Literal["channel_median", "subscribers"] | None = Field(
        description="subscribers: views / max(subscribers, 1000), where fewer than 5 Shorts compare"
    )
    z_score: float | None = Field(description="Of views_per_hour in this result: (x - median) / (1.4826 MAD)")
    percentile: float | None = Field(description="Of views_per_hour in this result, 0 to 100")


class TrendingShort(Short):
    """A Short, and what was derived about it."""

    derived: Derived | None = None


class Lift(Result):
    """How Shorts with a word do against all of this result."""

    token: str
    support: int = Field(description="Shorts with it whose views per hour are known, at least 3")
    median_views_per_hour: float
    lift: float = Field(description="Their median views per hour / that of all")


class ChannelTotal(Result):
    """A channel's part in this result."""

    channel_id: str
    channel: str
    videos: int
    views: int | None


class TrendSummary(Result):
    """What the Shorts have in common."""

    disclosure: str = DISCLOSURE
    keywords: tuple[Lift, ...]
    hashtags: tuple[Lift, ...]
    publish_hours: tuple[int, ...] = Field(description="Shorts by hour of the day, UTC, 24 counts")
    durations: dict[str, int] = Field(description="Shorts by seconds")
    top_channels: tuple[ChannelTotal, ...]
    languages: dict[str, int]


class LeftOut(Result):
    """What the task named and the result does not hold."""

    id: str = Field(description="Of a video or a channel")
    reason: Literal["not_there", "not_accessible", "region"] = Field(
        description="not_there: no such channel, or one without a video; not_accessible: closed, suspended or not "
        "for everybody; region: cannot be watched in region_code"
    )


class AnalyzeTrendsResult(Result):
    """The Shorts of a trend; `derived` is null everywhere unless the operator allows derived metrics."""

    videos: tuple[TrendingShort, ...]
    total_found: int = Field(description="Number of `videos`")
    source: Source
    search_query: str | None
    derived: TrendSummary | None
    partial: bool = Field(description="Whether trouble kept something out; stop_reason tells which")
    stop_reason: StopReason
    left_out: tuple[LeftOut, ...] = Field((), description="What the task named and is not here")
    language: str | None
    fetched_at: str = Field(description="Of the oldest part; RFC 3339")
    expires_at: str = Field(description="To be deleted or fetched anew by then")
    stats: SearchStats
    quota: QuotaSpent
    shortened: Shortened | None = Field(None, description="null: everything is whole")
