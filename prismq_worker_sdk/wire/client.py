"""The worker's client: performs calls in the dialect of the server; every failure is a value."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.events import ApiCalled
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    NoKey,
    Probe,
    ServerInfo,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.wire.budgets import Budgets, budgets_of
from prismq_worker_sdk.wire.dialects import Steps, prismq_client, v1, v1_exchange
from prismq_worker_sdk.wire.dialects.prismq_client import is_empty_queue
from prismq_worker_sdk.wire.dialects.reading import failure_of, rejected
from prismq_worker_sdk.wire.key_redaction import clean_answer
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.transport import Timeouts, Transport

__all__ = ["HEALTH", "WireClient", "health", "told_by_health"]

HEALTH = HttpRequest("health", "GET", ("health",))

LONGEST_CALL = 90.0
"""Seconds that the requests of one call may take together; one that has begun may take its own time."""


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
        session: What the clients of one worker remember together; its own unless given.
    """

    def __init__(
        self,
        api_url: str,
        *,
        key: Callable[[], str | None] = no_key,
        dialect: str = "auto",
        on_call: Callable[[ApiCalled], None] = ignore,
        timeouts: Timeouts | None = None,
        session: prismq_client.Session | None = None,
    ) -> None:
        self._api_url = api_url
        self._transport = Transport(api_url, key=key, timeouts=timeouts)
        self._dialect = dialect
        self._on_call = on_call
        self._session = session or prismq_client.Session()
        self._exchange: Callable[[ExchangeRequest], Steps] = v1.exchange
        self._budgets: Budgets | None = None

    def use(self, found: ServerInfo) -> None:
        """From now on calls go the way that this server takes."""
        if found.dialect == prismq_client.NAME:
            self._exchange = partial(prismq_client.exchange, self._session)
            self._budgets = budgets_of(self._api_url)
        else:
            self._exchange = v1_exchange.exchange if found.capabilities.renews else v1.exchange

    def perform(self, call: ExchangeRequest | Probe) -> ServerInfo | ExchangeResponse | Failure:
        """The answer to a call; raises nothing for what a server or a network does.

        All requests of the call together keep to one deadline, so that it is never overdue (R31).
        """
        steps = self._steps(call)
        longest = LONGEST_CALL if call.within is None else min(LONGEST_CALL, call.within)
        until = time.monotonic() + longest
        reply: HttpReply | Unreachable | None = None
        while True:
            try:
                request = next(steps) if reply is None else steps.send(reply)
            except StopIteration as end:
                answer: ServerInfo | ExchangeResponse | Failure = end.value
                if isinstance(answer, ServerInfo):
                    self.use(answer)
                return clean_answer(answer, self._transport.clean)
            limited = None if self._budgets is None else self._budgets.refusal(request)
            if limited is not None:
                steps.close()
                return limited
            try:
                reply = self._send(request, until - time.monotonic())
            except SettingsError as error:
                steps.close()
                return NoKey(str(error))

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def _steps(self, call: ExchangeRequest | Probe) -> Steps:
        if isinstance(call, Probe):
            return health(self._dialect, call.within)
        return self._exchange(call)

    def _send(self, request: HttpRequest, left: float) -> HttpReply | Unreachable:
        if left <= 0:
            return Unreachable(f"all of it takes longer than {LONGEST_CALL:.0f} s", maybe_seen=False)
        begun = time.perf_counter()
        reply = self._transport.send(request)
        seconds = time.perf_counter() - begun
        if self._budgets is not None and isinstance(reply, HttpReply):
            self._budgets.learn(request, reply)
        self._on_call(ApiCalled(request.call, seconds, _error_word(request, reply)))
        if isinstance(reply, HttpReply) and isinstance(failure_of(reply), Unauthorised):
            self._transport.forget_key()
        return reply


def health(wanted: str = "auto", within: float | None = None) -> Steps:
    """Asks for the health, and finds the dialect in the answer (R33).

    Args:
        wanted: `auto`, or the dialect that must be met.
        within: Seconds that a request may take, None for what it usually may.
    """
    found = told_by_health((yield replace(HEALTH, within=within)))
    if not isinstance(found, ServerInfo):
        return found
    if wanted not in {"auto", found.dialect}:
        return UnrecognisedServer(f"it speaks {found.dialect}, not {wanted}; leave --dialect at auto")
    if found.dialect == prismq_client.NAME:
        trouble: Failure | None = yield from prismq_client.check_key()
        return found if trouble is None else trouble
    return found


def told_by_health(reply: HttpReply | Unreachable) -> ServerInfo | Failure:
    """What the answer to HEALTH tells of the server, whatever its dialect."""
    if isinstance(reply, Unreachable):
        return reply
    if reply.status != 200:  # noqa: PLR2004
        failure = failure_of(reply)
        if failure is not None:
            return failure
        return UnrecognisedServer(f"HTTP {reply.status}") if reply.status == 404 else rejected(reply)  # noqa: PLR2004
    body = reply.json if reply.is_json else prismq_client.envelope(reply)
    if body is None and not reply.is_json:
        return UnrecognisedServer(f"its health is {reply.headers.get('content-type', 'no JSON')}, not JSON")
    found = v1.read_health(body) or prismq_client.read_health(body)
    return found or UnrecognisedServer("its health answer has no status, so it is another service")


def _error_word(request: HttpRequest, reply: HttpReply | Unreachable) -> str:
    if isinstance(reply, Unreachable):
        return "unreachable"
    if reply.status < 400 and reply.is_json:  # noqa: PLR2004
        return ""
    if request.call == "claim" and ((reply.status == 404 and reply.is_json) or is_empty_queue(reply)):  # noqa: PLR2004
        return ""
    return f"http_{reply.status}"
