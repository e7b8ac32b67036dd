"""One video of the catalogue, with all that the API can tell of it, and what it keeps to itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from prismq_worker_sdk.compat import UTC, datetime_from_iso

__all__ = ["LABEL", "THREE_MINUTES_FROM", "USUAL_THUMBNAILS", "Entry", "instant"]

LABEL = "[invented]"
USUAL_THUMBNAILS = ("default", "medium", "high")
THREE_MINUTES_FROM = datetime(2024, 10, 15, tzinfo=UTC)
EARLIER_LIMIT, LIMIT = 60, 180
"""Seconds of the longest Short, before that day and since."""


def instant(text: str) -> datetime | None:
    """The moment that a text of RFC 3339 names; None for any other text."""
    try:
        moment = datetime_from_iso(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One video of the catalogue.

    Attributes:
        duration: ISO 8601, as the API would say it; None for absent.
        seconds: What the search filter `videoDuration` goes by.
        width: With `height`, the true size; 0 when the API would not tell.
        short: Whether YouTube lists it among its channel's Shorts; None: by length and shape.
        language: What `relevanceLanguage` goes by.
        live: `none`, `live` or `upcoming`.
        streamed: Whether it was a stream or a premiere, which is over.
        deleted: Still in the search index, gone from every other list.
        privacy_status: `public`; `private`: a row in its channel's lists alone; `unlisted`: in videos.list alone.
        region_blocked: Codes of the regions in which a search does not show it.
        absent: Parts that videos.list leaves out.
        thumbnails: Sizes that exist.
        thumbnail_sizes: Whether width and height of the pictures are told.
        statistics: As text, with whatever is hidden missing.
        seen_at: When `statistics` were true; RFC 3339; "" for when the stand-in was made.
        views_per_hour: What `viewCount` grows by since then, by the stand-in's clock.
        contains_synthetic_media: None when the API does not tell; `paid_placement` likewise.
    """

    video_id: str
    title: str = f"A video {LABEL}"
    description: str = "Invented by the stand-in; there is no such video."
    tags: tuple[str, ...] = ()
    channel: str = f"Somebody {LABEL}"
    channel_id: str = "UCinvented00000000000000"
    published_at: str = "2026-05-01T12:00:00Z"
    duration: str | None = "PT30S"
    seconds: int = 30
    width: int = 1080
    height: int = 1920
    short: bool | None = None
    language: str = "en"
    default_language: str | None = None
    default_audio_language: str | None = None
    category_id: str = "22"
    live: str = "none"
    streamed: bool = False
    upload_status: str = "processed"
    deleted: bool = False
    privacy_status: str = "public"
    region_blocked: tuple[str, ...] = ()
    age_restricted: bool = False
    made_for_kids: bool = False
    embeddable: bool = True
    contains_synthetic_media: bool | None = False
    paid_placement: bool | None = None
    public_stats: bool = True
    license: str = "youtube"
    definition: str = "hd"
    caption: bool = False
    absent: tuple[str, ...] = ()
    thumbnails: tuple[str, ...] = USUAL_THUMBNAILS
    thumbnail_sizes: bool = True
    statistics: dict[str, str] = field(default_factory=dict)
    seen_at: str = ""
    views_per_hour: float = 0.0

    @property
    def words(self) -> frozenset[str]:
        """The words by which it is found."""
        return frozenset(" ".join((self.title, *self.tags)).casefold().split())

    @property
    def published(self) -> datetime | None:
        """When it was published."""
        return instant(self.published_at)

    @property
    def viewable(self) -> bool:
        """Whether a key without an account behind it gets to see it."""
        return not self.deleted and self.privacy_status != "private"

    @property
    def listed(self) -> bool:
        """Whether the charts show it."""
        return not self.deleted and self.privacy_status == "public"

    @property
    def in_lists(self) -> bool:
        """Whether it has a row in the lists of its channel."""
        return not self.deleted and self.privacy_status != "unlisted"

    @property
    def is_short(self) -> bool:
        """Whether YouTube itself, which knows more than it tells, takes it for a Short."""
        if self.short is not None:
            return self.short
        if self.live != "none" or self.streamed or self.upload_status != "processed" or not self.duration:
            return False
        recent = self.published is not None and self.published >= THREE_MINUTES_FROM
        fits = 0 < self.seconds <= (LIMIT if recent else EARLIER_LIMIT)
        return fits and 0 < self.width <= self.height

    def statistics_at(self, now: datetime, *, since: datetime) -> dict[str, str]:
        """What is counted at this moment; `since` stands in for `seen_at` where that is not known."""
        seen = instant(self.seen_at) or since
        if not self.views_per_hour or "viewCount" not in self.statistics:
            return dict(self.statistics)
        grown = int(max(0.0, (now - seen).total_seconds() / 3_600) * self.views_per_hour)
        return {**self.statistics, "viewCount": str(int(self.statistics["viewCount"]) + grown)}
