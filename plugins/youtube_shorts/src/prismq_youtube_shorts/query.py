"""What is searched for: the question that search.list is asked, whatever task asks it."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any, Literal

from prismq_youtube_shorts.answers import VIDEO_FIELDS

__all__ = ["Order", "SafeSearch", "SearchQuery"]

Order = Literal["relevance", "date", "viewCount", "rating", "title"]
SafeSearch = Literal["moderate", "none", "strict"]

PAGE_SIZE = 50
"""The most that a page holds; it costs the same whatever its size."""
LANGUAGES = {"zh": "zh-Hans"}
"""YouTube takes two-letter codes, except for Chinese, where it asks for the script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """One question to search.list.

    Attributes:
        words: YouTube reads `|` as or and a leading `-` as not.
        language: Two letters; a soft hint, videos in other languages come too.
        published_after: RFC 3339 in UTC, as `published_before`.
        region: Two letters; videos that can be watched there, not videos made there.
    """

    words: str
    language: str | None = None
    region: str | None = None
    order: Order = "relevance"
    published_after: str | None = None
    published_before: str | None = None
    safe_search: SafeSearch = "moderate"
    channel_id: str | None = None
    category_id: str | None = None

    def parameters(self) -> dict[str, Any]:
        """As search.list takes them, without those that are not given."""
        asked = {
            "part": "snippet",
            "q": self.words,
            "type": "video",
            "videoDuration": "short",
            "maxResults": PAGE_SIZE,
            "order": self.order,
            "safeSearch": self.safe_search,
            "relevanceLanguage": LANGUAGES.get(self.language or "", self.language),
            "regionCode": self.region,
            "publishedAfter": self.published_after,
            "publishedBefore": self.published_before,
            "channelId": self.channel_id,
            "videoCategoryId": self.category_id,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def digest(self, endpoint: str) -> str:
        """The name under which its pages are kept: the same for words that YouTube does not tell apart.

        Another one where another version asked for other parts of the videos.

        Args:
            endpoint: Whose answers they are.
        """
        words = " ".join(unicodedata.normalize("NFC", self.words).casefold().split())
        asked = {**asdict(self), "words": words, "endpoint": endpoint, "fields": VIDEO_FIELDS}
        told = json.dumps(asked, sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()
