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
    ├── NotThere                no such playlist, chart, channel or video
    │   └── NotAccessible           there is one, and it may not be read
    └── PageTokenRefused        the search cannot be continued here

No message carries the API key, and none of these errors has an error of Google's client as its cause or
context: those name the URL, and the URL holds the key.
"""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from prismq_worker_sdk import Permanent, Transient, Unavailable
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.quota_day import Bucket, asked_again_at
from prismq_youtube_shorts.refusal import RATE_REASONS, Refusal

__all__ = [
    "CREDENTIALS_PAGE",
    "LIBRARY_PAGE",
    "DayQuotaUsedUp",
    "LanguageRefused",
    "MinuteLimitReached",
    "Misconfigured",
    "NotAccessible",
    "NotThere",
    "PageTokenRefused",
    "RequestRefused",
    "YouTubeTrouble",
    "from_answer",
]

MINUTE_LIMIT_SECONDS = 60.0

CONSOLE = "https://console.cloud.google.com"
CREDENTIALS_PAGE = f"{CONSOLE}/apis/credentials"
LIBRARY_PAGE = f"{CONSOLE}/apis/library/youtube.googleapis.com"

_KEY = "the key in YOUTUBE_API_KEY (or in YOUTUBE_API_KEY_FILE, which is read again when it changes)"
_INVALID = f"{_KEY} is not valid; take one from {CREDENTIALS_PAGE}"
_EXPIRED = f"{_KEY} has expired; renew it at {CREDENTIALS_PAGE}"
_DISABLED = f"the YouTube Data API v3 is not enabled in the project of this key; enable it at {LIBRARY_PAGE}"
_RESTRICTED = (
    f"the restrictions of this key exclude this machine or this API; change them at {CREDENTIALS_PAGE}"
)
_SUSPENDED = f"Google has suspended this key or its project; see why at {CONSOLE}/home/dashboard"
_GONE = f"the project of this key is deleted or unknown; take a key of another one from {CREDENTIALS_PAGE}"
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
    "CONSUMER_SUSPENDED": _SUSPENDED,
    "CONSUMER_INVALID": _GONE,
    "RESOURCE_PROJECT_INVALID": _GONE,
    "BILLING_DISABLED": f"the project of this key needs billing; enable it at {CONSOLE}/billing",
    "dailyLimitExceededUnreg": _MISSING,
    "CREDENTIALS_MISSING": _MISSING,
}
_PASSING = {"accountDelegationForbidden"}
"""Refusals that come by chance, of calls that delegate nothing: the same call is answered a moment later."""


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
    """The key, its project or the address must be mended by somebody.

    Args:
        paid: Whether YouTube saw a call.
    """

    def __init__(self, message: str, *, paid: bool = True) -> None:
        super().__init__(message)
        self.paid = paid


class MinuteLimitReached(Transient):
    """Too many calls within a minute."""


class YouTubeTrouble(Transient):
    """No usable answer: 5xx, network, a body that cannot be read.

    Args:
        paid: Whether YouTube may have seen the call.
    """

    def __init__(self, message: str, *, paid: bool = True) -> None:
        super().__init__(message)
        self.paid = paid


class RequestRefused(Permanent):
    """YouTube understood the request and does not take its parameters.

    Args:
        parameter: The one at fault, in the words of the task; None where YouTube names none.
    """

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


def from_answer(call: str, status: int, body: str, *, now: datetime) -> HandlerSignal:
    """The error that an answer without success means.

    Args:
        call: The method asked, for people: `search.list`.
        status: The HTTP status.
        body: As received, without the key.
        now: The instant of the answer, with time zone.
    """
    refusal = Refusal.read(body)
    said = f"YouTube answered {call} with {status} ({refusal.quote() or 'no reason given'})"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or refusal.reasons & _PASSING:
        return YouTubeTrouble(said)
    if refusal.of_the_day(status):
        return DayQuotaUsedUp(refusal.bucket(call), now=now)
    if status == HTTPStatus.TOO_MANY_REQUESTS or refusal.reasons & RATE_REASONS:
        return MinuteLimitReached(f"{said}: too many calls in a minute", retry_in=MINUTE_LIMIT_SECONDS)
    if advice := _to_mend(status, refusal):
        return Misconfigured(f"{said}: {advice}")
    if refused := _refused(status, refusal):
        return refused(said, parameter=refusal.parameter)
    return YouTubeTrouble(said)


def _to_mend(status: int, refusal: Refusal) -> str | None:
    """What somebody must mend about key, project or address; None where that is not the fault."""
    if advice := next((_TO_MEND[reason] for reason in _TO_MEND if reason in refusal.reasons), None):
        return advice
    if not refusal.from_google or status < HTTPStatus.BAD_REQUEST:
        return _ELSEWHERE
    if refusal.reasons & _REFUSED.keys() or refusal.of_youtube:
        return None
    if "unregistered callers" in refusal.message:
        return _MISSING
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"look at the key, its restrictions and its project at {CREDENTIALS_PAGE}"
    return _ELSEWHERE if status == HTTPStatus.NOT_FOUND else None


def _refused(status: int, refusal: Refusal) -> type[RequestRefused] | None:
    """How YouTube refused what was asked for; None for what is no refusal."""
    if known := next((_REFUSED[reason] for reason in _REFUSED if reason in refusal.reasons), None):
        return known
    return _REFUSED_BY_STATUS.get(status)


_REFUSED: dict[str, type[RequestRefused]] = {
    "invalidPageToken": PageTokenRefused,
    "invalidRelevanceLanguage": LanguageRefused,
    "playlistNotFound": NotThere,
    "videoChartNotFound": NotThere,
    "channelNotFound": NotThere,
    "videoNotFound": NotThere,
    "playlistItemsNotAccessible": NotAccessible,
    "playlistForbidden": NotAccessible,
    "channelForbidden": NotAccessible,
    "channelSuspended": NotAccessible,
    "channelClosed": NotAccessible,
    "videoForbidden": NotAccessible,
}
_REFUSED_BY_STATUS: dict[int, type[RequestRefused]] = {
    HTTPStatus.BAD_REQUEST: RequestRefused,
    HTTPStatus.UNAUTHORIZED: NotAccessible,
    HTTPStatus.FORBIDDEN: NotAccessible,
    HTTPStatus.NOT_FOUND: NotThere,
    HTTPStatus.GONE: NotThere,
}
"""Where YouTube gives a reason that is not known here."""
