"""The request limits of a server, kept by all workers of this process together (R34).

The server counts each path by itself, for all that come from one address. Other processes behind the same address show
in what it says remains.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from prismq_worker_sdk.decide.rate_limits import RateLimitWindow, after_request, seconds_to_next, update
from prismq_worker_sdk.model.protocol import Throttled
from prismq_worker_sdk.wire.address import normalise
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.reading import http_date, number, retry_after

MAX_PATHS = 4_096
USUAL_WINDOW = 60.0
MAX_WINDOW = 3600.0
"""Seconds; what is believed of a server's window."""

WHOLE_SECOND = 1.0
"""The server counts in whole seconds, and its window is over only in the second after the one that it names."""

MAX_DIGITS = 12


class RateLimits:
    """What one server allows on each of its paths; may be used from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._paths: OrderedDict[tuple[str, ...], RateLimitWindow] = OrderedDict()

    def refusal(self, request: HttpRequest, *, spread: bool = True) -> Throttled | None:
        """How long to wait with a request that would be over the limit, so that it is not sent; None lets it go.

        Args:
            spread: Whether it may wait its turn before the limit is reached.
        """
        now = self._clock()
        with self._lock:
            window = self._paths.get(request.segments)
            if window is None:
                return None
            wait = seconds_to_next(window, now, spread=spread)
            if wait <= 0:
                self._paths[request.segments] = after_request(window, now)
                return None
        text = f"its limit of {window.limit} requests is used up, or spread over the time that is left"
        return Throttled(text, wait, limited=True)

    def learn(self, request: HttpRequest, reply: HttpReply) -> None:
        """What an answer tells of the limit of its path."""
        limit, left = count(reply, "x-ratelimit-limit"), count(reply, "x-ratelimit-remaining")
        if reply.status == 429:  # noqa: PLR2004
            left = 0
        if left is None:
            return
        seconds, now = _closed_for(reply), self._clock()
        with self._lock:
            known = self._paths.get(request.segments)
            most = limit if limit is not None else known.limit if known is not None else 1
            self._paths[request.segments] = update(known, limit=most, left=left, seconds=seconds, now=now)
            self._paths.move_to_end(request.segments)
            if len(self._paths) > MAX_PATHS:
                self._paths.popitem(last=False)


def count(reply: HttpReply, name: str) -> int | None:
    """A header's number, such as a count or seconds since 1970; None where there is none."""
    value = reply.headers.get(name, "").strip()
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS else None


def window_left(reply: HttpReply) -> float | None:
    """Seconds until the window ends, by the answer's own time, so that no clocks are compared; None for not told."""
    reset = count(reply, "x-ratelimit-reset")
    now = None if reset is None else _time_of(reply)
    return None if reset is None or now is None else min(MAX_WINDOW, max(0.0, reset - now))


def _closed_for(reply: HttpReply) -> float:
    """Until no request of this window counts any more: as a refusal says, else to the window's end."""
    patience = retry_after(reply) if reply.status == 429 else None  # noqa: PLR2004
    left = window_left(reply) if patience is None else min(MAX_WINDOW, patience)
    return USUAL_WINDOW if left is None else left + WHOLE_SECOND


def _time_of(reply: HttpReply) -> float | None:
    """The server's own time in an answer: of its envelope, else the Date, which a proxy may have put there."""
    body = reply.json if reply.is_json else None
    stamp = number(body.get("timestamp")) if isinstance(body, dict) else None
    if stamp is not None:
        return stamp
    try:
        return http_date(reply.headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


_SERVERS: dict[str, RateLimits] = {}
_SERVERS_LOCK = threading.Lock()


def rate_limits_of(api_url: str) -> RateLimits:
    """The limits of a server, the same for every caller in this process."""
    with _SERVERS_LOCK:
        return _SERVERS.setdefault(normalise(api_url), RateLimits())
