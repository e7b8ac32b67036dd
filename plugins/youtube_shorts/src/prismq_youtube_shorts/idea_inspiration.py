"""A ScrapeShorts item as PrismQ's IdeaInspiration.

| IdeaInspiration                   | from the item                                                              |
|-----------------------------------|----------------------------------------------------------------------------|
| `title`                           | `title`                                                                    |
| `description`                     | `description`                                                              |
| `content`                         | always "": subtitles of others' videos cannot be had by the API            |
| `keywords`                        | `tags`, then `hashtags`, each word once in whatever case                   |
| `source_type`                     | always "video"                                                             |
| `metadata.views`                  | `view_count`                                                               |
| `metadata.likes`                  | `like_count`                                                               |
| `metadata.comments`               | `comment_count`                                                            |
| `metadata.duration`               | `duration_seconds`                                                         |
| `metadata.engagement_rate`        | derived: (`like_count` + `comment_count`) / `view_count` * 100, percent    |
| `metadata.views_per_day`          | derived: 24 * `view_count` / hours from `published_at` to now, at least 1  |
| `metadata.resolution`             | `width` x `height`: of the player at the video's ratio, not of its file    |
| `metadata.aspect_ratio`           | `aspect_ratio`                                                             |
| `metadata.subtitles_available`    | `caption`, as "true" or "false"                                            |
| `metadata.channel_follower_count` | `channel_info`.subscriber_count                                            |
| `metadata.channel_id`             | `channel_id`                                                               |
| `metadata.channel_title`          | `channel`                                                                  |
| `metadata.published_at`           | `published_at`                                                             |
| `metadata.category_id`            | `category_id`                                                              |
| `metadata.platform`               | always "youtube_shorts"                                                    |
| `metadata.source_type`            | always "video"                                                             |
| `source_id`                       | `video_id`                                                                 |
| `source_url`                      | `url`                                                                      |
| `source_created_by`               | `channel`                                                                  |
| `source_created_at`               | `published_at`                                                             |
| `score`                           | derived: (`like_count` + `comment_count`) / `view_count` * 100, rounded    |
| `category`                        | always null: PrismQ classifies later                                       |
| `subcategory_relevance`           | always {}                                                                  |
| `contextual_category_scores`      | always {}                                                                  |

All of `metadata` is text. What is unknown has no key there: never "0", never "None". `fps` is not to be had by the API.

Derived figures are PrismQ's, not YouTube's. YouTube API Services Developer Policies III.E.4.h let an API client
make them only after an audit, so they are made only where they are asked for; else their keys are absent and
`score` is null.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from prismq_worker_sdk.compat import datetime_from_iso
from prismq_youtube_shorts.trends.metrics import Measured, engagement_percent, views_per_hour

__all__ = ["idea_inspiration"]

SOURCE_TYPE = "video"
PLATFORM = "youtube_shorts"


def idea_inspiration(
    short: Mapping[str, Any], *, derived: bool = False, now: datetime | None = None
) -> dict[str, Any]:
    """The fields of an IdeaInspiration for this item of a ScrapeShorts result, by the table above.

    Args:
        short: The item; a key that is absent counts as null, but `video_id`, `title` and `url` must be there.
        derived: Whether to make the figures that Developer Policies III.E.4.h restrict.
        now: With time zone; without it `views_per_day` is unknown.
    """
    engagement = _engagement(short) if derived else None
    per_day = _views_per_day(short, now) if derived else None
    return {
        "title": short["title"],
        "description": short.get("description") or "",
        "content": "",
        "keywords": _each_once([*(short.get("tags") or ()), *(short.get("hashtags") or ())]),
        "source_type": SOURCE_TYPE,
        "metadata": _metadata(short, engagement, per_day),
        "source_id": short["video_id"],
        "source_url": short["url"],
        "source_created_by": short.get("channel") or "",
        "source_created_at": short.get("published_at"),
        "score": None if engagement is None else round(engagement),
        "category": None,
        "subcategory_relevance": {},
        "contextual_category_scores": {},
    }


def _metadata(short: Mapping[str, Any], engagement: float | None, per_day: float | None) -> dict[str, str]:
    caption = short.get("caption")
    values = {
        "views": short.get("view_count"),
        "likes": short.get("like_count"),
        "comments": short.get("comment_count"),
        "duration": short.get("duration_seconds"),
        "engagement_rate": _two_decimals(engagement),
        "views_per_day": _two_decimals(per_day),
        "resolution": _resolution(short.get("width"), short.get("height")),
        "aspect_ratio": short.get("aspect_ratio"),
        "subtitles_available": None if caption is None else str(caption).lower(),
        "channel_follower_count": (short.get("channel_info") or {}).get("subscriber_count"),
        "channel_id": short.get("channel_id"),
        "channel_title": short.get("channel"),
        "published_at": short.get("published_at"),
        "category_id": short.get("category_id"),
        "platform": PLATFORM,
        "source_type": SOURCE_TYPE,
    }
    return {key: str(value) for key, value in values.items() if value is not None and value != ""}


def _engagement(short: Mapping[str, Any]) -> float | None:
    return engagement_percent(
        views=short.get("view_count"), likes=short.get("like_count"), comments=short.get("comment_count")
    )


def _views_per_day(short: Mapping[str, Any], now: datetime | None) -> float | None:
    if now is None:
        return None
    measured = Measured(
        video_id=short["video_id"],
        channel_id=short.get("channel_id"),
        published=_instant(short.get("published_at")),
        views=short.get("view_count"),
        likes=short.get("like_count"),
        comments=short.get("comment_count"),
        measured_at=now,
    )
    per_hour = views_per_hour(measured)
    return None if per_hour is None else 24 * per_hour


def _instant(text: str | None) -> datetime | None:
    try:
        moment = datetime_from_iso(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _two_decimals(number: float | None) -> str | None:
    return None if number is None else f"{number:.2f}"


def _resolution(width: int | None, height: int | None) -> str | None:
    return f"{width}x{height}" if width and height else None


def _each_once(words: Iterable[str]) -> list[str]:
    spelled: dict[str, str] = {}
    for word in words:
        spelled.setdefault(unicodedata.normalize("NFKC", word).casefold(), word)
    return list(spelled.values())
