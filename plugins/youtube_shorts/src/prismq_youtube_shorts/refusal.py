"""What an error body of Google's says, whatever of it is missing, null or of another form."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from prismq_youtube_shorts.quota_day import Bucket

__all__ = ["Refusal", "without_nulls"]

LONGEST_QUOTE = 300
CUT_MARK = "…"

_OUR_NAMES = {
    "q": "search_query",
    "relevanceLanguage": "language",
    "regionCode": "region_code",
    "channelId": "channel_id",
    "publishedAfter": "published_after",
    "publishedBefore": "published_before",
    "safeSearch": "safe_search",
    "videoCategoryId": "category_id",
    "playlistId": "channels",
    "id": "video_ids",
    "chart": "source",
}
_DAY_REASONS = {"quotaExceeded", "dailyLimitExceeded"}
RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
_PER_DAY = re.compile(r"(?i)per ?day|/d/")
_BUCKETS = {
    "search_list": Bucket.SEARCH,
    "searchlist": Bucket.SEARCH,
    "search queries": Bucket.SEARCH,
    "batch_get_stats": Bucket.STATS,
    "batchgetstats": Bucket.STATS,
    "batch get stats": Bucket.STATS,
    "googleapis.com/default": Bucket.UNITS,
    "metric 'queries'": Bucket.UNITS,
}
"""By what Google calls a quota: its metric, its limit, or the words of its message."""
_BUCKET_OF_CALL = {"search.list": Bucket.SEARCH, "videos.batchGetStats": Bucket.STATS}
_YOUTUBE = re.compile(r"youtube\.(?!quota\b)")
"""The domain of errors that YouTube itself found, with the key accepted; those about keys are of Google's front."""
_TAG = re.compile(r"(?i)</?(?:a|b|br|code|div|em|font|i|li|ol|p|pre|span|strong|tt|u|ul)\b[^>]*>")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error body; empty for one that is not Google's.

    Attributes:
        from_google: Whether it has the form of Google's errors.
        reasons: Google's reasons, old style and new; Google's client shows only one of them.
        places: The parameters that it names, in Google's words.
        limits: Texts that may name a quota.
    """

    from_google: bool = False
    message: str = ""
    reasons: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    limits: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, body: str) -> Refusal:
        """What a body says."""
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return cls()
        error = found.get("error") if isinstance(found, dict) else None
        if not isinstance(error, dict):
            return cls()
        old, new = list(_objects(error, "errors")), list(_objects(error, "details"))
        message = _text(error, "message") or next((_text(item, "message") for item in old), "")
        metadata = [meta for detail in new if isinstance(meta := detail.get("metadata"), dict)]
        limits = [
            _text(meta, name) for meta in metadata for name in ("quota_limit", "quota_unit", "quota_metric")
        ]
        return cls(
            from_google=True,
            message=message,
            reasons=frozenset(_text(item, "reason") for item in (*old, *new)) - {""},
            domains=frozenset(_text(item, "domain") for item in old) - {""},
            places=tuple(_text(item, "location") for item in old),
            limits=(*limits, message),
        )

    @property
    def of_youtube(self) -> bool:
        """Whether YouTube itself found it, about what was asked for, and not Google's front about the key."""
        return any(_YOUTUBE.match(domain) for domain in self.domains)

    @property
    def parameter(self) -> str | None:
        """Where the fault is, in the words of the task; "parameters." is all that Google says at times."""
        named = [place for place in self.places if place not in {"", "parameters."}]
        return _OUR_NAMES.get(named[0], named[0]) if named else None

    def bucket(self, call: str) -> Bucket:
        """Which day's quota is used up: the one that is named, else the call's own."""
        limits = [text.lower() for text in self.limits]
        for mark, bucket in _BUCKETS.items():
            if any(mark in text for text in limits):
                return bucket
        return Bucket.UNITS if self.reasons & _DAY_REASONS else _BUCKET_OF_CALL.get(call, Bucket.UNITS)

    def of_the_day(self, status: int) -> bool:
        """A day's quota: the search bucket tells it only in the details or the message of a 429."""
        if self.reasons & _DAY_REASONS:
            return True
        limited = status == HTTPStatus.TOO_MANY_REQUESTS or bool(self.reasons & RATE_REASONS)
        return limited and any(_PER_DAY.search(text) for text in self.limits)

    def quote(self) -> str:
        """Google's own words, plain and short."""
        said = " ".join(html.unescape(_TAG.sub("", self.message)).split())
        if len(said) <= LONGEST_QUOTE:
            return said
        return said[: LONGEST_QUOTE - 1].rsplit(" ", 1)[0] + CUT_MARK


def without_nulls(value: Any) -> Any:
    """Decoded JSON without what is null: a null is what is absent, and spoils nothing around it."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value


def _objects(error: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    found = error.get(name)
    yield from (item for item in found if isinstance(item, dict)) if isinstance(found, list) else ()


def _text(item: Mapping[str, Any], name: str) -> str:
    found = item.get(name)
    return found if isinstance(found, str) else ""
