"""What stands before the application: addresses, size, rate, key."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from prismq_worker_sdk.testing.prismq_client.answers import Answer, middleware
from prismq_worker_sdk.testing.prismq_client.call import Request
from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment

MEGABYTE = 1024 * 1024
NO_KEY = "Invalid or missing API key. Include X-API-Key header with your request."
BLOCKED = "Your IP address is not allowed to use this API."
SECURITY = (
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Content-Security-Policy", "default-src 'none'"),
    ("Permissions-Policy", "geolocation=(), microphone=(), camera=()"),
)


@dataclass(frozen=True, slots=True)
class Let:
    """The request may pass; these headers go with its answer."""

    headers: tuple[tuple[str, str], ...] = ()


class Guard:
    """Decides on each request before the application sees it, in the order of the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}

    def check(
        self, deployment: PrismqClientDeployment, request: Request, path: str, now: float
    ) -> Answer | Let:
        """The middleware's own answer, or the leave to pass.

        Args:
            path: As the application looks it up.
        """
        address = client_address(request)
        if address in deployment.blocked:
            return middleware(403, "Access Denied", BLOCKED, now)
        if (large := _too_large(deployment.max_request_bytes, request, now)) is not None:
            return large
        counted = self._counted(deployment, address, path, now)
        if isinstance(counted, Answer):
            return counted
        headers = counted.headers + (SECURITY if deployment.guarded else ())
        if path != "/health" and not _knows(deployment, request):
            refused = middleware(401, "Unauthorized", NO_KEY, now)
            return Answer(refused.status, refused.body, refused.content_type, headers)
        return Let(headers)

    def _counted(
        self, deployment: PrismqClientDeployment, address: str, path: str, now: float
    ) -> Answer | Let:
        limit, window = deployment.rate_limit, math.ceil(deployment.rate_window)
        if not limit:
            return Let()
        second = math.floor(now)
        with self._lock:
            start, count = self._windows.get((address, path), (second, 0))
            if second - start > window:
                start, count = second, 0
            over = count >= limit
            self._windows[address, path] = (start, count if over else count + 1)
        left, reset = max(0, limit - count - 1), start + window
        headers = (
            ("X-RateLimit-Limit", str(limit)),
            ("X-RateLimit-Remaining", str(left)),
            ("X-RateLimit-Reset", str(reset)),
        )
        return _over(limit, window, reset - second, headers, now) if over else Let(headers)


def client_address(request: Request) -> str:
    """Who asks, as the server sees it: what the client says of itself counts."""
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    named = (request.headers.get("cf-connecting-ip"), forwarded, request.headers.get("x-real-ip"))
    return next((address for address in named if address), request.peer)


def _over(limit: int, window: int, wait: int, headers: tuple[tuple[str, str], ...], now: float) -> Answer:
    message = f"Rate limit exceeded. Please try again in {wait} seconds."
    said = middleware(429, "Too Many Requests", message, now, retry_after=wait, limit=limit, window=window)
    return Answer(said.status, said.body, said.content_type, (*headers, ("Retry-After", str(wait))))


def _too_large(most: int, request: Request, now: float) -> Answer | None:
    stated = request.headers.get("content-length", "")
    if not most or not stated.isdecimal() or int(stated) <= most:
        return None
    size = f"{round(most / MEGABYTE, 2):g} MB"
    return middleware(413, "Request Too Large", f"Request body exceeds maximum allowed size of {size}", now)


def _knows(deployment: PrismqClientDeployment, request: Request) -> bool:
    given = request.headers.get("x-api-key")
    if deployment.apache and given is not None:
        given = given.strip()
    return deployment.key is None or given == deployment.key
