"""What every dialect reads alike: failures of HTTP, Retry-After, instants."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from prismq_worker_sdk.model.calls import Failure, Foreign, Rejected, Throttled, Unauthorised, Unreachable
from prismq_worker_sdk.wire.messages import HttpReply

__all__ = ["detail_of", "failure_of", "instant", "retry_after"]

LONGEST_DETAIL = 500


def failure_of(reply: HttpReply) -> Failure | None:
    """The failure that a status means in every dialect; None where the dialect must look itself.

    200 and the 4xx that carry a meaning of their own (400, 404, 409, 413, 422) are left to it.
    """
    status = reply.status
    if 300 <= status < 400:  # noqa: PLR2004
        place = urlsplit(reply.headers.get("location", ""))._replace(query="", fragment="").geturl()
        return Foreign(
            f"it redirects to {place or 'nowhere'} (HTTP {status}); give that address as --api-url"
        )
    if status in {401, 403}:
        return Unauthorised(detail_of(reply))
    if status == 429 or (status == 503 and "retry-after" in reply.headers):  # noqa: PLR2004
        return Throttled(f"HTTP {status}", retry_after(reply))
    if status >= 500:  # noqa: PLR2004
        return Unreachable(f"HTTP {status}: {detail_of(reply)}")
    if not reply.is_json:
        kind = reply.headers.get("content-type", "no content type")
        if status == 404:  # noqa: PLR2004
            return Foreign(f"HTTP 404 with {kind}, not a TaskManager's answer")
        return Unreachable(f"HTTP {status} with {kind} in place of JSON")
    if status == 405:  # noqa: PLR2004
        return Foreign("HTTP 405: nothing takes this call here")
    return None


def rejected(reply: HttpReply) -> Rejected:
    """A 4xx without a meaning of its own."""
    return Rejected(reply.status, detail_of(reply))


def detail_of(reply: HttpReply) -> str:
    """What the server said, for people: the detail of a problem, or a FastAPI detail, or an error text."""
    found: Any = reply.json
    if isinstance(found, dict):
        for name in ("detail", "error", "message", "title"):
            value = found.get(name)
            if isinstance(value, str) and value:
                return value[:LONGEST_DETAIL]
    return f"HTTP {reply.status}"


def retry_after(reply: HttpReply) -> float | None:
    """The seconds of Retry-After; a date counts from the answer's own Date, so that no clocks are compared."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(reply.headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None


def instant(value: object) -> datetime | None:
    """An RFC 3339 instant as UTC; one without a zone is taken for UTC; None for null.

    Raises:
        ValueError: It is neither.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no instant")
    found = datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
