"""Google's error bodies: how one is written, and those that can be ordered by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NO_FILTER", "REFUSALS", "Answer", "Body", "Refused", "refusal", "unreadable"]

Body = dict[str, Any]
Answer = tuple[int, Body]
"""An HTTP status and the JSON that goes with it."""

NO_FILTER = "parameters."
"""Where the fault is when it is in no single parameter."""

_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
_SERVICE = "youtube.googleapis.com"
_CONSUMER = {"consumer": "projects/100"}


class Refused(Exception):  # noqa: N818 - what happened, not a mistake of the stand-in
    """Ends the work on a request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer[1]["error"]["message"])
        self.answer = answer


def refusal(
    code: int,
    reason: str,
    message: str,
    *,
    info: str = "",
    metadata: Mapping[str, str] | None = None,
    location: str = "",
    domain: str = "global",
) -> Answer:
    """Status and body of an error as Google writes it.

    Args:
        code: The HTTP status.
        reason: The old-style reason, in `errors[0]`.
        message: For people; may hold HTML.
        info: The new-style reason, in an ErrorInfo among `details`; "" for none.
        metadata: Of the ErrorInfo.
        location: The parameter at fault.
        domain: Of the old-style reason.
    """
    item = {"message": message, "domain": domain, "reason": reason}
    if location:
        kind = "other" if location == NO_FILTER else "parameter"
        item |= {"location": location, "locationType": kind}
    error: Body = {"code": code, "message": message, "errors": [item]}
    if code in _STATUS:
        error["status"] = _STATUS[code]
    if info:
        named = {"service": _SERVICE, **(metadata or {})}
        error["details"] = [_detail("ErrorInfo", reason=info, domain="googleapis.com", metadata=named)]
    return code, {"error": error}


def unreadable(name: str, value: str, said: str = "") -> Answer:
    """A value of the wrong form: refused before the API itself sees it, in a body of another make.

    Args:
        name: The parameter.
        value: As it came.
        said: What is wrong with it.
    """
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    message = f"Invalid value at '{snake}', {said or repr(value)}"
    violation = {"field": snake, "description": message}
    error = {
        "code": 400,
        "message": message,
        "errors": [{"message": message, "reason": "invalid"}],
        "status": "INVALID_ARGUMENT",
        "details": [_detail("BadRequest", fieldViolations=[violation])],
    }
    return 400, {"error": error}


def _detail(kind: str, **members: Any) -> Body:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **members}


def _limit(limit: str, metric: str, unit: str, metric_name: str, limit_name: str) -> Answer:
    message = (
        f"Quota exceeded for quota metric '{metric_name}' and limit '{limit_name}' of service "
        f"'{_SERVICE}' for consumer 'project_number:100'."
    )
    metadata = {
        "quota_limit": limit,
        "quota_metric": f"{_SERVICE}/{metric}",
        "quota_unit": f"1/{unit}/{{project}}",
        **_CONSUMER,
    }
    return refusal(429, "rateLimitExceeded", message, info="RATE_LIMIT_EXCEEDED", metadata=metadata)


def _in_words(answer: Answer) -> Answer:
    """The same without details: only the message names the quota."""
    error = {name: value for name, value in answer[1]["error"].items() if name != "details"}
    return answer[0], {"error": error}


def _without_message(answer: Answer) -> Answer:
    """The same with null where people would read something."""
    error = answer[1]["error"]
    items = [{**item, "message": None} for item in error["errors"]]
    return answer[0], {"error": {**error, "message": None, "errors": items}}


def _blocked(info: str, message: str, **metadata: str) -> Answer:
    return refusal(403, "forbidden", message, info=info, metadata={**_CONSUMER, **metadata})


_QUOTA_TEXT = (
    "The request cannot be completed because you have exceeded your "
    '<a href="/youtube/v3/getting-started#quota">quota</a>.'
)
_UNREGISTERED_TEXT = (
    "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API."
)
_DISABLED_TEXT = (
    "YouTube Data API v3 has not been used in project 100 before or it is disabled. Enable it by visiting "
    "https://console.developers.google.com/apis/api/youtube.googleapis.com/overview?project=100 then retry."
)
_IP_TEXT = "The request did not come from an IP address that this key allows."
_METHOD = "youtube.api.v3.V3DataSearchService.List"

_QUOTAS = {
    "search_quota_day": _limit(
        "defaultSearchListPerDayPerProject", "search_list", "d", "Search Queries", "Search Queries per day"
    ),
    "search_rate_minute": _limit(
        "defaultSearchListPerMinutePerProject",
        "search_list",
        "min",
        "Search Queries",
        "Search Queries per minute",
    ),
    "stats_quota_day": _limit(
        "defaultVideoBatchGetStatsPerDayPerProject",
        "video_batch_get_stats",
        "d",
        "Video Batch Get Stats Queries",
        "Video Batch Get Stats Queries per day",
    ),
    "quota_day": refusal(403, "quotaExceeded", _QUOTA_TEXT, domain="youtube.quota"),
    "daily_limit": refusal(403, "dailyLimitExceeded", "Daily Limit Exceeded.", domain="usageLimits"),
    "rate_minute": _limit("defaultPerMinutePerProject", "default", "min", "Queries", "Queries per minute"),
    "rate_user": refusal(403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits"),
}
_QUOTAS |= {
    "search_quota_day_in_words": _in_words(_QUOTAS["search_quota_day"]),
    "quota_day_without_message": _without_message(_QUOTAS["quota_day"]),
}
_KEYS = {
    "key_missing": refusal(403, "forbidden", _UNREGISTERED_TEXT),
    "key_bad": refusal(
        400, "badRequest", "API key not valid. Please pass a valid API key.", info="API_KEY_INVALID"
    ),
    "key_expired": refusal(
        400, "badRequest", "API key expired. Please renew the API key.", info="API_KEY_EXPIRED"
    ),
    "key_blocked": refusal(403, "ipRefererBlocked", _IP_TEXT, info="API_KEY_IP_ADDRESS_BLOCKED"),
    "key_referrer_blocked": _blocked(
        "API_KEY_HTTP_REFERRER_BLOCKED", "Requests from referer <empty> are blocked.", httpReferrer="<empty>"
    ),
    "key_service_blocked": _blocked(
        "API_KEY_SERVICE_BLOCKED", f"Requests to this API youtube method {_METHOD} are blocked."
    ),
    "key_suspended": _blocked(
        "CONSUMER_SUSPENDED", "Permission denied: Consumer 'project_number:100' has been suspended."
    ),
    "not_enabled": refusal(
        403, "accessNotConfigured", _DISABLED_TEXT, info="SERVICE_DISABLED", domain="usageLimits"
    ),
}
_PARAMETERS = {
    "page_token": refusal(
        400, "invalidPageToken", "The request specifies an invalid page token.", location="pageToken"
    ),
    "filter": refusal(
        400,
        "invalidSearchFilter",
        "The request contains an invalid combination of filters.",
        location=NO_FILTER,
    ),
    "region_code": refusal(
        400,
        "invalidRegionCode",
        "The <code>regionCode</code> parameter specifies an invalid region code.",
        location="regionCode",
    ),
    "language": refusal(
        400,
        "invalidRelevanceLanguage",
        "The <code>relevanceLanguage</code> parameter has an invalid value.",
        location="relevanceLanguage",
    ),
    "channel_id": refusal(
        400,
        "invalidChannelId",
        "The <code>channelId</code> parameter specified an invalid channel ID.",
        location="channelId",
    ),
    "video_not_found": refusal(
        404, "videoNotFound", "The video that you are trying to retrieve cannot be found.", location="id"
    ),
    "chart_not_found": refusal(
        404,
        "videoChartNotFound",
        "The requested video chart is not supported or is not available.",
        location="chart",
    ),
    "playlist_not_found": refusal(
        404,
        "playlistNotFound",
        "The playlist identified with the request's <code>playlistId</code> parameter cannot be found.",
        location="playlistId",
        domain="youtube.playlistItem",
    ),
}
_THINGS = {
    "channel_not_accessible": refusal(
        403,
        "playlistItemsNotAccessible",
        "The request is not properly authorized to retrieve the specified playlist.",
        domain="youtube.playlistItem",
    ),
    "channel_closed": refusal(
        403, "channelClosed", "The channel has been closed.", location="channelId", domain="youtube.channel"
    ),
    "forbidden_thing": refusal(
        403, "forbidden", "Access to what was asked for is forbidden.", domain="youtube.channel"
    ),
    "category_not_found": refusal(
        404,
        "videoCategoryNotFound",
        "The category that the <code>videoCategoryId</code> parameter names cannot be found.",
        location="videoCategoryId",
        domain="youtube.video",
    ),
    "invalid_argument": refusal(400, "badRequest", "Request contains an invalid argument."),
    "delegation": refusal(
        403, "accountDelegationForbidden", "The account cannot be acted for.", domain="youtube.header"
    ),
}
_SERVERS = {
    "http_500": refusal(500, "backendError", "Backend Error"),
    "http_502_json": refusal(502, "backendError", "Bad Gateway"),
    "http_503": refusal(503, "backendError", "The service is currently unavailable."),
    "http_504": refusal(504, "backendError", "Deadline exceeded"),
}

REFUSALS: dict[str, Answer] = {**_QUOTAS, **_KEYS, **_PARAMETERS, **_THINGS, **_SERVERS}
"""Refusals by name: Google's own bodies."""
