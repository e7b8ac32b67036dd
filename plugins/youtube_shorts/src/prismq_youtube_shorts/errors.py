"""What can go wrong with the YouTube API, by how the task ends, and how an answer is read as one of these.

No message carries the API key, and none of these errors has an error of Google's client as its cause or
context: those name the URL, and the URL holds the key.
"""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic.alias_generators import to_snake

from prismq_worker_sdk import Permanent, Transient, Unavailable
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.quota import Bucket, asked_again_at

MINUTE_LIMIT_SECONDS = 60.0
MAX_QUOTE = 300

CONSOLE = "https://console.cloud.google.com"
CREDENTIALS_PAGE = f"{CONSOLE}/apis/credentials"
LIBRARY_PAGE = f"{CONSOLE}/apis/library/youtube.googleapis.com"

_KEY = "the key in YOUTUBE_API_KEY (or in YOUTUBE_API_KEY_FILE, which is read again when it changes)"
_MISSING = "no API key arrived; set YOUTUBE_API_KEY or YOUTUBE_API_KEY_FILE"
_ELSEWHERE = "this is no answer of the YouTube Data API; look at YOUTUBE_API_ENDPOINT and at proxies"
_ADVICE = {
    f"{_KEY} is not valid; take one from {CREDENTIALS_PAGE}": "API_KEY_INVALID|keyInvalid",
    f"{_KEY} has expired; renew it at {CREDENTIALS_PAGE}": "API_KEY_EXPIRED|keyExpired",
    f"the YouTube Data API v3 is not enabled in the project of this key; enable it at {LIBRARY_PAGE}": (
        "SERVICE_DISABLED|accessNotConfigured"
    ),
    f"the restrictions of this key exclude this machine or this API; change them at {CREDENTIALS_PAGE}": (
        "ipRefererBlocked|API_KEY_(IP_ADDRESS|HTTP_REFERRER|SERVICE|ANDROID_APP|IOS_APP)_BLOCKED"
    ),
    f"Google has suspended this key or its project; see why at {CONSOLE}/home/dashboard": "CONSUMER_SUSPENDED",
    f"the project of this key is deleted or unknown; take a key of another one from {CREDENTIALS_PAGE}": (
        "CONSUMER_INVALID|RESOURCE_PROJECT_INVALID"
    ),
    f"the project of this key needs billing; enable it at {CONSOLE}/billing": "BILLING_DISABLED",
    _MISSING: "dailyLimitExceededUnreg|CREDENTIALS_MISSING",
}
"""What to fix, and the patterns of Google's reasons for it."""
_BY_CHANCE = "accountDelegationForbidden"
"""A refusal that comes by chance, of calls that delegate nothing: the same call is answered a moment later."""
_DAY_QUOTA = "quotaExceeded|dailyLimitExceeded"
_RATE_LIMIT = "rateLimitExceeded|userRateLimitExceeded|RATE_LIMIT_EXCEEDED"
_PER_DAY = re.compile(r"(?i)per ?day|/d/")
_BUCKETS = {
    Bucket.SEARCH: re.compile(r"(?i)search_?list|search queries"),
    Bucket.STATS: re.compile(r"(?i)batch[_ ]?get[_ ]?stats"),
    Bucket.UNITS: re.compile(r"(?i)googleapis\.com/default|metric 'queries'"),
}
"""By what Google calls a quota: its metric, its limit, or the words of its message."""
_BUCKET_OF_CALL = {"search.list": Bucket.SEARCH, "videos.batchGetStats": Bucket.STATS}
_YOUTUBE = re.compile(r"youtube\.(?!quota\b)")
"""The domain of errors that YouTube itself found, with the key accepted; those about keys are of Google's front."""
_TAG = re.compile(r"(?i)</?(?:a|b|br|code|div|em|font|i|li|ol|p|pre|span|strong|tt|u|ul)\b[^>]*>")
_TASK_WORDS = {
    "q": "search_query",
    "relevanceLanguage": "language",
    "videoCategoryId": "category_id",
    "playlistId": "channels",
    "id": "video_ids",
    "chart": "source",
}
"""What a task calls a parameter of Google's where it is not the same word in another case."""


class DayQuotaUsedUp(Unavailable):
    """The project's quota of this day is used up; `reason` says why where no call was made and none is charged."""

    def __init__(self, bucket: Bucket, *, now: datetime, reason: str = "") -> None:
        again_at = asked_again_at(now)
        message = reason or f"the day's {bucket} quota of this Google project is used up"
        super().__init__(
            f"{message}; YouTube is asked again at {again_at:%Y-%m-%d %H:%M} UTC",
            retry_in=(again_at - now).total_seconds(),
        )
        self.bucket = bucket
        self.charged = not reason


class Misconfigured(Unavailable):
    """The key, its project or the address must be fixed by somebody; `charged`: whether YouTube saw a call."""

    charged = True


class MinuteLimitReached(Transient):
    """Too many calls within a minute."""


class YouTubeTrouble(Transient):
    """No usable answer: 5xx, network, a body that cannot be read; `charged`: whether YouTube may have seen the call."""

    charged = True


ErrorT = TypeVar("ErrorT", Misconfigured, YouTubeTrouble)


def uncharged(error: ErrorT) -> ErrorT:
    """The error of a call that never left this machine."""
    error.charged = False
    return error


class RequestRefused(Permanent):
    """YouTube does not take the parameters; `parameter` is the one at fault, in the words of the task, or None."""

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(f"{message}: look at {parameter}" if parameter else message)
        self.parameter = parameter


class LanguageRefused(RequestRefused):
    """YouTube does not know this language; the search goes on without the hint."""


class NotThere(RequestRefused):
    """What was asked for does not exist: a playlist, a chart, a channel, a video."""


class NotAccessible(NotThere):
    """What was asked for may not be read: closed, suspended, or not for everybody."""


class PageTokenRefused(RequestRefused):
    """The token of the next page is not valid any more; what was read before still counts."""


_REFUSED: dict[type[RequestRefused], str] = {
    PageTokenRefused: "invalidPageToken",
    LanguageRefused: "invalidRelevanceLanguage",
    NotThere: "(playlist|videoChart|channel|video)NotFound",
    NotAccessible: "playlistItemsNotAccessible|(playlist|channel|video)Forbidden|channel(Suspended|Closed)",
}
_BY_STATUS = {400: RequestRefused, 401: NotAccessible, 403: NotAccessible, 404: NotThere, 410: NotThere}
"""Where YouTube gives a reason that is not known here."""


def from_answer(call: str, status: int, body: str, *, now: datetime) -> HandlerSignal:
    """The error that an answer without success means.

    Args:
        call: The method asked, for people: `search.list`.
        body: As received, without the key.
        now: The instant of the answer, with time zone.
    """
    error = _ErrorBody(body)
    message = f"YouTube answered {call} with {status} ({error.quote() or 'no reason given'})"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.says(_BY_CHANCE):
        return YouTubeTrouble(message)
    if error.is_daily(status):
        return DayQuotaUsedUp(error.bucket(call), now=now)
    if status == HTTPStatus.TOO_MANY_REQUESTS or error.says(_RATE_LIMIT):
        return MinuteLimitReached(f"{message}: too many calls in a minute", retry_in=MINUTE_LIMIT_SECONDS)
    if advice := _advice(status, error):
        return Misconfigured(f"{message}: {advice}")
    refused = error.refused or _BY_STATUS.get(status)
    return refused(message, parameter=error.parameter) if refused else YouTubeTrouble(message)


def _advice(status: int, error: _ErrorBody) -> str | None:
    """What somebody must fix about key, project or address; None where that is not the fault."""
    if advice := next((advice for advice, reasons in _ADVICE.items() if error.says(reasons)), None):
        return advice
    if not error.from_google or status < HTTPStatus.BAD_REQUEST:
        return _ELSEWHERE
    if error.refused or error.from_youtube:
        return None
    if "unregistered callers" in error.message:
        return _MISSING
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"look at the key, its restrictions and its project at {CREDENTIALS_PAGE}"
    return _ELSEWHERE if status == HTTPStatus.NOT_FOUND else None


class _ErrorBody:
    """An error body of Google's, whatever of it is missing, null or of another form; empty for anybody else's."""

    def __init__(self, body: str) -> None:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        error = found.get("error") if isinstance(found, dict) else None
        self.from_google = isinstance(error, dict)
        error = error if isinstance(error, dict) else {}
        old, new = _objects(error.get("errors")), _objects(error.get("details"))
        quotas = _objects([detail.get("metadata") for detail in new])
        self.message = _text(error, "message") or next((_text(item, "message") for item in old), "")
        self.reasons = [_text(item, "reason") for item in (*old, *new)]  # Google's client shows only one
        self.from_youtube = any(_YOUTUBE.match(_text(item, "domain")) for item in old)
        self.places = [_text(item, "location") for item in old]
        self.limits = [_text(one, f"quota_{name}") for one in quotas for name in ("limit", "unit", "metric")]
        self.limits.append(self.message)

    @property
    def refused(self) -> type[RequestRefused] | None:
        return next((kind for kind, reasons in _REFUSED.items() if self.says(reasons)), None)

    def says(self, pattern: str) -> bool:
        """Whether one of the reasons is of this pattern."""
        return any(re.fullmatch(pattern, reason) for reason in self.reasons)

    @property
    def parameter(self) -> str | None:
        """Where the fault is, in the words of the task; "parameters." is all that Google says at times."""
        named = next((place for place in self.places if place not in {"", "parameters."}), None)
        return _TASK_WORDS.get(named, to_snake(named)) if named else None

    def bucket(self, call: str) -> Bucket:
        """Which day's quota is used up: the one that is named, else the call's own."""
        usual = Bucket.UNITS if self.says(_DAY_QUOTA) else _BUCKET_OF_CALL.get(call, Bucket.UNITS)
        return next((one for one, of in _BUCKETS.items() if any(map(of.search, self.limits))), usual)

    def is_daily(self, status: int) -> bool:
        """Whether a day's quota is meant: of searches only the details or the message of a 429 say so."""
        limited = status == HTTPStatus.TOO_MANY_REQUESTS or self.says(_RATE_LIMIT)
        return self.says(_DAY_QUOTA) or (limited and any(map(_PER_DAY.search, self.limits)))

    def quote(self) -> str:
        """Google's own words, plain and short."""
        text = " ".join(html.unescape(_TAG.sub("", self.message)).split())
        return text if len(text) <= MAX_QUOTE else text[: MAX_QUOTE - 1].rsplit(" ", 1)[0] + "…"


def _objects(found: Any) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _text(item: dict[str, Any], name: str) -> str:
    found = item.get(name)
    return found if isinstance(found, str) else ""
