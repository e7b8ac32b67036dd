"""What can go wrong with the YouTube API, by how the task ends, and how an answer is read as one of these.

Unavailable             the task is given back and its type paused
├── DayQuotaUsedUp          until midnight in Los Angeles
└── Misconfigured           key, project or address must be mended
Transient               the task failed and is worth another try
├── MinuteLimitReached      in a minute
└── YouTubeTrouble          5xx, network, an answer that cannot be read
Permanent               the task failed for good
└── RequestRefused          YouTube does not take these parameters
    ├── LanguageRefused         the search goes on without the hint
    ├── NotThere                no such playlist, chart or channel
    └── PageTokenRefused        the search cannot be continued here

No message carries the API key, and none of these errors has an error of Google's client as its cause or
context: those name the URL, and the URL holds the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from prismq_worker_sdk import Permanent, Transient, Unavailable
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.quota_day import Bucket, asked_again_at

__all__ = [
    "DayQuotaUsedUp",
    "LanguageRefused",
    "MinuteLimitReached",
    "Misconfigured",
    "NotThere",
    "PageTokenRefused",
    "RequestRefused",
    "YouTubeTrouble",
    "from_answer",
]

MINUTE_LIMIT_SECONDS = 60.0
LONGEST_QUOTE = 300

CREDENTIALS_PAGE = "https://console.cloud.google.com/apis/credentials"
LIBRARY_PAGE = "https://console.cloud.google.com/apis/library/youtube.googleapis.com"

_INVALID = f"the key in YOUTUBE_API_KEY is not valid; take one from {CREDENTIALS_PAGE}"
_EXPIRED = f"the key in YOUTUBE_API_KEY has expired; renew it at {CREDENTIALS_PAGE}"
_DISABLED = f"the YouTube Data API v3 is not enabled in the project of this key; enable it at {LIBRARY_PAGE}"
_RESTRICTED = (
    f"the restrictions of this key exclude this machine or this API; change them at {CREDENTIALS_PAGE}"
)
_MISSING = "no API key arrived; set YOUTUBE_API_KEY or YOUTUBE_API_KEY_FILE"
_ELSEWHERE = "this is no answer of the YouTube Data API; look at YOUTUBE_API_ENDPOINT and at proxies"

_TO_MEND = {
    "API_KEY_INVALID": _INVALID,
    "keyInvalid": _INVALID,
    "API_KEY_EXPIRED": _EXPIRED,
    "keyExpired": _EXPIRED,
    "SERVICE_DISABLED": _DISABLED,
    "accessNotConfigured": _DISABLED,
    "ipRefererBlocked": _RESTRICTED,
    "API_KEY_IP_ADDRESS_BLOCKED": _RESTRICTED,
    "API_KEY_HTTP_REFERRER_BLOCKED": _RESTRICTED,
    "API_KEY_SERVICE_BLOCKED": _RESTRICTED,
    "API_KEY_ANDROID_APP_BLOCKED": _RESTRICTED,
    "API_KEY_IOS_APP_BLOCKED": _RESTRICTED,
    "dailyLimitExceededUnreg": _MISSING,
    "CREDENTIALS_MISSING": _MISSING,
    "forbidden": f"{_MISSING}, or look at the restrictions of the key at {CREDENTIALS_PAGE}",
}
_OUR_NAMES = {
    "q": "search_query",
    "relevanceLanguage": "language",
    "regionCode": "region_code",
    "channelId": "channel_id",
    "publishedAfter": "published_after",
    "publishedBefore": "published_before",
    "safeSearch": "safe_search",
    "videoCategoryId": "category_id",
}
_DAY_REASONS = {"quotaExceeded", "dailyLimitExceeded"}
_RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
_BUCKETS = {"search_list": Bucket.SEARCH, "video_batch_get_stats": Bucket.STATS}
"""By the end of the quota metric."""
_PER_DAY = re.compile(r"(?i)per ?day|/d/")
_TAG = re.compile(r"<[^>]*>")


class DayQuotaUsedUp(Unavailable):
    """The project's quota of this day is used up; no retry before it is given again.

    Args:
        bucket: What there is no more of.
        now: The instant of the answer, with time zone.
        reason: Why, where no call was made.

    Attributes:
        paid: Whether it is YouTube's answer to a call.
    """

    def __init__(self, bucket: Bucket, *, now: datetime, reason: str = "") -> None:
        again_at = asked_again_at(now)
        told = reason or f"the day's {bucket} quota of this Google project is used up"
        super().__init__(
            f"{told}; YouTube is asked again at {again_at:%Y-%m-%d %H:%M} UTC",
            retry_in=(again_at - now).total_seconds(),
        )
        self.bucket = bucket
        self.paid = not reason


class Misconfigured(Unavailable):
    """The key, its project or the address must be mended by somebody."""


class MinuteLimitReached(Transient):
    """Too many calls within a minute."""


class YouTubeTrouble(Transient):
    """No usable answer: 5xx, network, a body that cannot be read."""


class RequestRefused(Permanent):
    """YouTube understood the request and does not take its parameters."""


class LanguageRefused(RequestRefused):
    """YouTube does not know this language; the search goes on without the hint."""


class NotThere(RequestRefused):
    """What was asked for does not exist: a playlist, a chart, a channel."""


class PageTokenRefused(RequestRefused):
    """The token of the next page is not valid any more; what was read before still counts."""


def from_answer(call: str, status: int, body: str, *, now: datetime) -> HandlerSignal:
    """The error that an answer without success means.

    Args:
        call: The method asked, for people: `search.list`.
        status: The HTTP status.
        body: As received, without the key.
        now: The instant of the answer, with time zone.
    """
    refusal = _Refusal.read(body)
    said = f"YouTube answered {call} with {status} ({refusal.quote() or 'no reason given'})"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return YouTubeTrouble(said)
    if refusal.of_the_day(status):
        return DayQuotaUsedUp(refusal.bucket, now=now)
    if status == HTTPStatus.TOO_MANY_REQUESTS or refusal.reasons & _RATE_REASONS:
        return MinuteLimitReached(f"{said}: too many calls in a minute", retry_in=MINUTE_LIMIT_SECONDS)
    if advice := next((_TO_MEND[reason] for reason in _TO_MEND if reason in refusal.reasons), None):
        return Misconfigured(f"{said}: {advice}")
    if refused := next((_REFUSED[reason] for reason in _REFUSED if reason in refusal.reasons), None):
        return refused(f"{said}{refusal.parameter}")
    if not refusal.from_google or status < HTTPStatus.BAD_REQUEST:
        return Misconfigured(f"{said}: {_ELSEWHERE}")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Misconfigured(f"{said}: look at the key and its project at {CREDENTIALS_PAGE}")
    if status == HTTPStatus.NOT_FOUND:
        return Misconfigured(f"{said}: {_ELSEWHERE}")
    if status == HTTPStatus.BAD_REQUEST:
        return RequestRefused(f"{said}{refusal.parameter}")
    return YouTubeTrouble(said)


_REFUSED: dict[str, type[RequestRefused]] = {
    "invalidPageToken": PageTokenRefused,
    "invalidRelevanceLanguage": LanguageRefused,
    "playlistNotFound": NotThere,
    "videoChartNotFound": NotThere,
    "channelNotFound": NotThere,
    "videoNotFound": NotThere,
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Item(_Part):
    reason: str = ""
    location: str = ""


class _Detail(_Part):
    reason: str = ""
    metadata: dict[str, Any] = {}


class _Error(_Part):
    message: str = ""
    errors: tuple[_Item, ...] = ()
    details: tuple[_Detail, ...] = ()


class _Refusal(_Part):
    """An error body of Google's; `error` is None for any other body."""

    error: _Error | None = None

    @classmethod
    def read(cls, body: str) -> _Refusal:
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            return cls()

    @property
    def from_google(self) -> bool:
        return self.error is not None

    @property
    def reasons(self) -> set[str]:
        """Google's reasons, old style and new; Google's client shows only one of them."""
        if self.error is None:
            return set()
        old, new = self.error.errors, self.error.details
        return {item.reason for item in old} | {detail.reason for detail in new} - {""}

    @property
    def bucket(self) -> Bucket:
        limits = list(self._limits())
        return next(
            (bucket for mark, bucket in _BUCKETS.items() if any(mark in text for text in limits)),
            Bucket.UNITS,
        )

    @property
    def parameter(self) -> str:
        """Where the fault is, in the words of the task; "parameters." is all that Google says at times."""
        places = [item.location for item in self.error.errors] if self.error else []
        named = [_OUR_NAMES.get(place, place) for place in places if place not in {"", "parameters."}]
        return f": look at {named[0]}" if named else ""

    def of_the_day(self, status: int) -> bool:
        """A day's quota: the search bucket tells it only in the details of a 429."""
        if self.reasons & _DAY_REASONS:
            return True
        limited = status == HTTPStatus.TOO_MANY_REQUESTS or bool(self.reasons & _RATE_REASONS)
        return limited and any(_PER_DAY.search(text) for text in self._limits())

    def quote(self) -> str:
        """Google's own words, plain and short."""
        said = " ".join(_TAG.sub("", self.error.message).split()) if self.error else ""
        return said[:LONGEST_QUOTE]

    def _limits(self) -> Iterator[str]:
        for detail in self.error.details if self.error else ():
            yield from (
                str(detail.metadata.get(name, "")) for name in ("quota_limit", "quota_unit", "quota_metric")
            )
        yield self.error.message if self.error else ""
