"""Asking a server, and keeping every answer: other checks read its headers and times."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.transport import Timeouts, Transport

__all__ = ["Reply", "Seen", "Server", "body_of", "get", "post", "status_of"]

Reply: TypeAlias = HttpReply | Unreachable

TIMEOUTS = Timeouts(connect=5.0, default=15.0, calls={"health": 10.0})


@dataclass(frozen=True, slots=True)
class Seen:
    """One request and what became of it.

    Attributes:
        seconds: From sending it to the end of its answer.
    """

    request: HttpRequest
    reply: Reply
    seconds: float


@dataclass(slots=True)
class Server:
    """A server that is asked, with the key and without.

    Attributes:
        seen: Every request so far.
    """

    api_url: str
    key: Callable[[], str | None]
    seen: list[Seen] = field(default_factory=list)

    def ask(self, request: HttpRequest, *, with_key: bool = True) -> Reply:
        """The answer to one request."""
        begun = time.perf_counter()
        reply = self._sent(request, with_key=with_key)
        self.seen.append(Seen(request, reply, time.perf_counter() - begun))
        return reply

    def _sent(self, request: HttpRequest, *, with_key: bool) -> Reply:
        key = self.key if with_key else lambda: None
        try:
            transport = Transport(self.api_url, key=key, timeouts=TIMEOUTS)
        except SettingsError as error:  # there is no way to it
            return Unreachable(str(error), maybe_seen=False)
        try:
            return transport.send(request)
        finally:
            transport.close()

    def follow(self, steps: Generator[HttpRequest, Reply, Any]) -> Any:
        """What the steps of a dialect return, each of their requests answered."""
        try:
            request = next(steps)
            while True:
                request = steps.send(self.ask(request))
        except StopIteration as end:
            return end.value

    @property
    def last_seconds(self) -> float:
        """How long the last request took."""
        return self.seen[-1].seconds


def get(call: str, *segments: str, **query: str) -> HttpRequest:
    """A request that only reads."""
    return HttpRequest(call, "GET", segments, query=tuple(query.items()))


def post(call: str, *segments: str, body: object) -> HttpRequest:
    """A request with a body."""
    return HttpRequest(call, "POST", segments, json.dumps(body, ensure_ascii=False))


def status_of(reply: Reply) -> int:
    """The HTTP status, 0 for no answer."""
    return reply.status if isinstance(reply, HttpReply) else 0


def body_of(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer, an empty one where there is none."""
    found = reply.json if isinstance(reply, HttpReply) else None
    return found if isinstance(found, dict) else {}
