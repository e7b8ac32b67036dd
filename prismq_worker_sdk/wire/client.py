"""The worker's client: performs calls in the dialect of the server; every failure is a value."""

from __future__ import annotations

import time
from collections.abc import Callable

from prismq_worker_sdk.model.calls import (
    Exchange,
    Exchanged,
    Failure,
    Foreign,
    Healthy,
    Probe,
    Unauthorised,
    Unreachable,
)
from prismq_worker_sdk.model.events import ApiCalled
from prismq_worker_sdk.wire.dialects import Steps, v1, v1_exchange
from prismq_worker_sdk.wire.dialects.reading import failure_of, rejected
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.transport import Timeouts, Transport

__all__ = ["WireClient", "health"]


def no_key() -> str | None:
    """For servers that want no key."""
    return None


def ignore(_event: ApiCalled) -> None:
    """For callers that count no calls."""


class WireClient:
    """Performs calls; for one thread.

    Args:
        key: The API key now; asked again after the server refused it (R34).
        dialect: `auto`, or the one that must be met.
        on_call: Is told of every HTTP request.
    """

    def __init__(
        self,
        api_url: str,
        *,
        key: Callable[[], str | None] = no_key,
        dialect: str = "auto",
        on_call: Callable[[ApiCalled], None] = ignore,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._transport = Transport(api_url, key=key, timeouts=timeouts)
        self._dialect = dialect
        self._on_call = on_call
        self._exchange = False

    def use(self, found: Healthy) -> None:
        """From now on calls go the way that this server takes."""
        self._exchange = found.capabilities.renews

    def perform(self, call: Exchange | Probe) -> Healthy | Exchanged | Failure:
        """The answer to a call; raises nothing for what a server or a network does."""
        steps = self._steps(call)
        reply: HttpReply | Unreachable | None = None
        while True:
            try:
                request = next(steps) if reply is None else steps.send(reply)
            except StopIteration as end:
                answer: Healthy | Exchanged | Failure = end.value
                if isinstance(answer, Healthy):
                    self.use(answer)
                return answer
            reply = self._send(request)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def _steps(self, call: Exchange | Probe) -> Steps:
        if isinstance(call, Probe):
            return health(self._dialect)
        return v1_exchange.exchange(call) if self._exchange else v1.exchange(call)

    def _send(self, request: HttpRequest) -> HttpReply | Unreachable:
        begun = time.perf_counter()
        reply = self._transport.send(request)
        seconds = time.perf_counter() - begun
        self._on_call(ApiCalled(request.call, seconds, _error_word(request, reply)))
        if isinstance(reply, HttpReply) and isinstance(failure_of(reply), Unauthorised):
            self._transport.forget_key()
        return reply


def health(wanted: str = "auto") -> Steps:
    """Asks for the health, and finds the dialect in the answer (R33).

    Args:
        wanted: `auto`, or the dialect that must be met.
    """
    reply = yield HttpRequest("health", "GET", ("health",))
    if isinstance(reply, Unreachable):
        return reply
    if reply.status != 200:  # noqa: PLR2004
        failure = failure_of(reply)
        if failure is not None:
            return failure
        return Foreign(f"HTTP {reply.status}") if reply.status == 404 else rejected(reply)  # noqa: PLR2004
    if not reply.is_json:
        return Foreign(f"its health is {reply.headers.get('content-type', 'no JSON')}, not JSON")
    found = v1.read_health(reply.json)
    if found is None:
        return Foreign(_stranger(reply.json))
    if wanted not in {"auto", found.dialect}:
        return Foreign(f"it speaks {found.dialect}, not {wanted}; leave --dialect at auto")
    return found


def _stranger(body: object) -> str:
    if (
        isinstance(body, dict)
        and "success" in body
        and isinstance(body.get("data"), dict)
        and "status" in body["data"]
    ):
        return "it speaks the dialect prismq-client, which this version does not know yet"
    return "its health answer has no status, so it is another service"


def _error_word(request: HttpRequest, reply: HttpReply | Unreachable) -> str:
    if isinstance(reply, Unreachable):
        return "unreachable"
    if reply.status < 400 and reply.is_json:  # noqa: PLR2004
        return ""
    if request.call == "claim" and reply.status == 404 and reply.is_json:  # noqa: PLR2004
        return ""
    return f"http_{reply.status}"
