"""A ScrapeShorts item as PrismQ's IdeaInspiration, by the table on the plugin's page.

Derived figures are PrismQ's, not YouTube's. YouTube API Services Developer Policies III.E.4.h let an API client
make them only after an audit, so they are made only where they are asked for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from prismq_youtube_shorts.metrics import age_hours, engagement_rate
from prismq_youtube_shorts.resources import known_instant

SOURCE_TYPE = "video"


def idea_inspiration(
    short: Mapping[str, Any], *, derived: bool = False, now: datetime | None = None
) -> dict[str, Any]:
    """The fields of an IdeaInspiration for this item of a ScrapeShorts result.

    Args:
        short: The item; a key that is absent counts as null, but `video_id`, `title` and `url` must be there.
        derived: Whether to make the figures that Developer Policies III.E.4.h restrict.
        now: With time zone; without it `views_per_day` is unknown.
    """
    views, likes, comments = (short.get(f"{name}_count") for name in ("view", "like", "comment"))
    engagement = engagement_rate(views=views, likes=likes, comments=comments) if derived else None
    age = age_hours(known_instant(short.get("published_at")), now) if derived and now else None
    per_day = None if views is None or age is None else 24 * views / age
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
    caption, width, height = (short.get(name) for name in ("caption", "width", "height"))
    values = {
        "views": short.get("view_count"),
        "likes": short.get("like_count"),
        "comments": short.get("comment_count"),
        "duration": short.get("duration_seconds"),
        "engagement_rate": None if engagement is None else f"{engagement:.2f}",
        "views_per_day": None if per_day is None else f"{per_day:.2f}",
        "resolution": f"{width}x{height}" if width and height else None,
        "aspect_ratio": short.get("aspect_ratio"),
        "subtitles_available": None if caption is None else str(caption).lower(),
        "channel_follower_count": (short.get("channel_info") or {}).get("subscriber_count"),
        "channel_id": short.get("channel_id"),
        "channel_title": short.get("channel"),
        "published_at": short.get("published_at"),
        "category_id": short.get("category_id"),
        "platform": "youtube_shorts",
        "source_type": SOURCE_TYPE,
    }
    return {key: str(value) for key, value in values.items() if value is not None and value != ""}


def _each_once(words: Iterable[str]) -> list[str]:
    spelled: dict[str, str] = {}
    for word in words:
        spelled.setdefault(unicodedata.normalize("NFKC", word).casefold(), word)
    return list(spelled.values())
