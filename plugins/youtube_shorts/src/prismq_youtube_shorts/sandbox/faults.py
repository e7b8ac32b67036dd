"""Bad days to order: Google's error bodies, damaged answers, and cut connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["EDITS", "FAULTS", "RAW", "REFUSALS", "WIRE", "FaultPlan", "refusal"]

Body = dict[str, Any]

_QUOTA_TEXT = (
    "The request cannot be completed because you have exceeded your "
    '<a href="/youtube/v3/getting-started#quota">quota</a>.'
)
_BLOCKED_TEXT = "The request did not come from an IP address that this key allows."
_DISABLED_TEXT = (
    "YouTube Data API v3 has not been used in project 100 before or it is disabled. Enable it by visiting "
    "https://console.developers.google.com/apis/api/youtube.googleapis.com/overview?project=100 then retry."
)
_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


def refusal(
    code: int,
    reason: str,
    message: str,
    *,
    info: str = "",
    metadata: Mapping[str, str] | None = None,
    location: str = "",
    domain: str = "global",
) -> tuple[int, Body]:
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
        item |= {"location": location, "locationType": "parameter"}
    error: Body = {"code": code, "message": message, "errors": [item]}
    if code in _STATUS:
        error["status"] = _STATUS[code]
    if info:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        named = {"service": "youtube.googleapis.com", **(metadata or {})}
        error["details"] = [{"@type": kind, "reason": info, "domain": "googleapis.com", "metadata": named}]
    return code, {"error": error}


def _limit(name: str, metric: str, unit: str, metric_name: str, limit_name: str) -> tuple[int, Body]:
    message = (
        f"Quota exceeded for quota metric '{metric_name}' and limit '{limit_name}' of service "
        "'youtube.googleapis.com' for consumer 'project_number:100'."
    )
    metadata = {"quota_limit": name, "quota_metric": metric, "quota_unit": unit, "consumer": "projects/100"}
    return refusal(429, "rateLimitExceeded", message, info="RATE_LIMIT_EXCEEDED", metadata=metadata)


_SEARCH = "youtube.googleapis.com/search_list"
_DEFAULT = "youtube.googleapis.com/default"

REFUSALS: dict[str, tuple[int, Body]] = {
    "search_quota_day": _limit(
        "defaultSearchListPerDayPerProject",
        _SEARCH,
        "1/d/{project}",
        "Search Queries",
        "Search Queries per day",
    ),
    "quota_day": refusal(403, "quotaExceeded", _QUOTA_TEXT, domain="youtube.quota"),
    "daily_limit": refusal(403, "dailyLimitExceeded", "Daily Limit Exceeded.", domain="usageLimits"),
    "rate_minute": _limit(
        "defaultPerMinutePerProject", _DEFAULT, "1/min/{project}", "Queries", "Queries per minute"
    ),
    "rate_user": refusal(403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits"),
    "key_missing": refusal(
        403,
        "forbidden",
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    ),
    "key_bad": refusal(
        400, "badRequest", "API key not valid. Please pass a valid API key.", info="API_KEY_INVALID"
    ),
    "key_expired": refusal(
        400, "badRequest", "API key expired. Please renew the API key.", info="API_KEY_EXPIRED"
    ),
    "key_blocked": refusal(403, "ipRefererBlocked", _BLOCKED_TEXT, info="API_KEY_IP_ADDRESS_BLOCKED"),
    "not_enabled": refusal(
        403, "accessNotConfigured", _DISABLED_TEXT, info="SERVICE_DISABLED", domain="usageLimits"
    ),
    "page_token": refusal(
        400, "invalidPageToken", "The request specifies an invalid page token.", location="pageToken"
    ),
    "filter": refusal(
        400,
        "invalidSearchFilter",
        "The request contains an invalid combination of filters.",
        location="parameters.",
    ),
    "http_500": refusal(500, "backendError", "Backend Error"),
    "http_503": refusal(503, "backendError", "The service is currently unavailable."),
}
"""Refusals by name: Google's own bodies."""

RAW: dict[str, tuple[int, str, bytes]] = {
    "html_502": (502, "text/html", b"<!DOCTYPE html><html><title>Error 502</title>That's an error.</html>"),
    "html_403": (403, "text/html", b"<html><body>Blocked by the proxy of this network</body></html>"),
    "html_200": (200, "text/html", b"<html><body>Please log in to the network</body></html>"),
    "moved": (302, "text/html", b"<html>Moved</html>"),
    "not_utf8": (200, "application/json", b'{"items": ["\xff\xfe"]}'),
    "odd_types": (200, "application/json", b'{"items": "none today"}'),
}
"""Whole answers by name: status, content type, body."""

EDITS: dict[str, Callable[[Body], Body]] = {
    "no_items": lambda body: {name: value for name, value in body.items() if name != "items"},
    "empty_page": lambda body: {**body, "items": []},
}
"""Changes to a good answer, by name."""

WIRE = frozenset({"reset", "hang_up", "truncated", "stall"})
"""What happens to the connection: RST, closed without an answer, half a body, silence."""

FAULTS: tuple[str, ...] = tuple(sorted({*REFUSALS, *RAW, *EDITS, *WIRE}))
"""The names of all faults."""


@dataclass(slots=True)
class _Planned:
    name: str
    call: str
    left: int | None


class FaultPlan:
    """Faults in waiting, oldest first; safe to share between threads."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    def add(self, name: str, call: str = "", times: int | None = 1) -> None:
        """Let this fault happen.

        Args:
            name: One of FAULTS.
            call: `search` or `videos`; "" for either.
            times: How often; None for always.

        Raises:
            ValueError: There is no such fault or call.
        """
        if name not in FAULTS:
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(FAULTS)}")
        if call not in {"", "search", "videos"}:
            raise ValueError(f"a fault befalls search or videos, not {call!r}")
        with self._lock:
            self._planned.append(_Planned(name, call, times))

    def take(self, call: str) -> str | None:
        """The fault that this call meets, None for none."""
        with self._lock:
            for planned in self._planned:
                if planned.call in {"", call} and planned.left != 0:
                    if planned.left is not None:
                        planned.left -= 1
                    return planned.name
        return None
