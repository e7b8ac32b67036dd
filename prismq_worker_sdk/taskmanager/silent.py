"""Clients that keep a connection and do not get on with their request, so that descriptors run out in the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

CLIENT_SECONDS = 120.0
"""How long a client may take for the head of a request, and for its body."""


class SilentClients:
    """Tells which connections are to be closed.

    Args:
        seconds: How long the server waits for a client.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waited_for: dict[Any, tuple[Any, float]] = {}

    def found(self, connections: Iterable[Any], now: float) -> list[Any]:
        """Those of uvicorn's connections whose client has been waited for too long in one request.

        Args:
            now: Seconds that never run back.
        """
        before, self._waited_for = self._waited_for, {}
        for one in connections:
            request = getattr(one, "cycle", None)
            if request is None or request.response_complete or request.more_body:
                last, since = before.get(one, (request, now))
                self._waited_for[one] = (request, since if last is request else now)
        return [one for one, (_, since) in self._waited_for.items() if now - since >= self._seconds]
