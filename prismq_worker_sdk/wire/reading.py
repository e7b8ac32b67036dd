"""What every dialect reads alike: failures of HTTP, Retry-After, instants."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from prismq_worker_sdk.compat import UTC, datetime_from_iso
from prismq_worker_sdk.model.protocol import (
    Failure,
    Rejected,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.wire.messages import HttpReply

KEY_REFUSED = frozenset({401, 403})
"""The statuses by which a server refuses the API key."""

MAX_DETAIL = 500
"""Characters of a server's words that are kept."""

MAX_RETRY_AFTER = 86400.0
"""The most that a Retry-After is believed, seconds."""

MAX_WHOLE = 2**53
"""Whole numbers up to here mean the same to everyone who reads JSON."""

MAX_PARAMS_DEPTH = 256
"""Levels of params that can be digested, checked and handed on without fear for the stack."""


def failure_of(reply: HttpReply) -> Failure | None:
    """The failure that a status means in every dialect; None where the dialect must look itself.

    200 and the 4xx that carry a meaning of their own (400, 404, 409, 413, 422) are left to it.
    """
    status = reply.status
    if 300 <= status < 400:  # noqa: PLR2004
        return UnrecognisedServer(
            f"it redirects to {_place(reply) or 'nowhere'} (HTTP {status}); give that address as --api-url"
        )
    if status in KEY_REFUSED:
        return Unauthorised(detail_of(reply))
    if status == 429 or (status == 503 and "retry-after" in reply.headers):  # noqa: PLR2004
        return Throttled(f"HTTP {status}", retry_after(reply))
    if status >= 500:  # noqa: PLR2004
        return Unreachable(f"HTTP {status}: {detail_of(reply)}")
    if not reply.is_json and status != 413:  # noqa: PLR2004 - a proxy's word for "too large" counts like the server's
        kind = reply.headers.get("content-type", "no content type")
        if status == 404:  # noqa: PLR2004
            return UnrecognisedServer(f"HTTP 404 with {kind}, not a TaskManager's answer")
        return Unreachable(f"HTTP {status} with {kind} in place of JSON")
    if status == 405:  # noqa: PLR2004
        return UnrecognisedServer("HTTP 405: nothing takes this call here")
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
                return strip_surrogates(value[:MAX_DETAIL])
    return f"HTTP {reply.status}"


def retry_after(reply: HttpReply) -> float | None:
    """The seconds of Retry-After; a date counts from the answer's own Date, so that no clocks are compared."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return min(MAX_RETRY_AFTER, float(value))
    if not value:
        return None
    try:
        left = (http_date(value) - http_date(reply.headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(MAX_RETRY_AFTER, max(0.0, left))


def http_date(text: str) -> datetime:
    """An instant as HTTP headers write it.

    Raises:
        ValueError, TypeError, OverflowError: It is none.
    """
    from email.utils import parsedate_to_datetime  # 5 ms that few workers ever need

    return parsedate_to_datetime(text)


def instant(value: object) -> datetime | None:
    """An RFC 3339 instant as UTC; one without a zone is taken for UTC; None for null.

    Raises:
        ValueError: It is neither, or lies outside the years 1 to 9999.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} is no instant")
    found = datetime_from_iso(value)
    if found.tzinfo is UTC:
        return found
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def number(value: object) -> float | None:
    """A finite number as it stands in JSON, None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def whole(value: Any) -> int:
    """A whole number of a task.

    Raises:
        ValueError, TypeError, OverflowError: It is none, or too large to mean the same to everyone.
    """
    found = int(value)
    if abs(found) > MAX_WHOLE:
        raise ValueError(f"{found} is too large")
    return found


def is_valid_id(value: object) -> TypeGuard[str]:
    """Whether it can name something: a text that UTF-8 takes and that stays in its place of a path."""
    return (
        isinstance(value, str)
        and value not in {"", ".", ".."}
        and (value.isascii() or strip_surrogates(value) == value)
    )


def strip_surrogates(text: str) -> str:
    """The text without lone surrogates, which neither UTF-8 nor the outbox takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def truncate_utf8(text: str, max_bytes: int) -> str:
    """The text without its end where it takes more bytes."""
    return text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")


def strict_params(params: dict[str, Any]) -> dict[str, Any]:
    """Params that are strict JSON.

    Raises:
        ValueError: They hold NaN or an infinity, or are nested too deep.
    """
    level: list[Any] = [params]
    for _ in range(MAX_PARAMS_DEPTH):
        deeper = []
        for node in level:
            for child in node.values() if isinstance(node, dict) else node:
                if isinstance(child, (dict, list)):
                    deeper.append(child)
                elif isinstance(child, float) and not math.isfinite(child):
                    raise ValueError("its params hold NaN or an infinity, which is no JSON")
        if not deeper:
            return params
        level = deeper
    raise ValueError(f"its params are nested deeper than {MAX_PARAMS_DEPTH} levels")


def _place(reply: HttpReply) -> str:
    """Where a redirect leads, without what may be secret in it."""
    try:
        place = urlsplit(reply.headers.get("location", ""))
    except ValueError:
        return "something that is no address"
    return place._replace(netloc=place.netloc.rpartition("@")[2], query="", fragment="").geturl()
