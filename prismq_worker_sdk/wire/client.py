"""The worker's client: performs calls in the dialect of the server; every failure is a value."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.events import ApiCalled
from prismq_worker_sdk.model.protocol import (
    ExchangeReply,
    ExchangeRequest,
    Failure,
    NoKey,
    Probe,
    ProbeReply,
    ServerInfo,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS, ConnectionOptions
from prismq_worker_sdk.wire.dialect import Exchange
from prismq_worker_sdk.wire.dialects import AUTO, DIALECTS, HEALTH, dialect_named, recognise
from prismq_worker_sdk.wire.key_redaction import clean_answer
from prismq_worker_sdk.wire.messages import NOT_JSON, HttpAnswer, HttpRequest, Steps
from prismq_worker_sdk.wire.rate_limits import RateLimits, rate_limits_of
from prismq_worker_sdk.wire.reading import KEY_REFUSED
from prismq_worker_sdk.wire.transport import Transport

MAX_CALL = 90.0
"""Seconds that the requests of one call may take together; one that has begun may take its own time."""


class _NotSent(Exception):  # noqa: N818 - no error: it ends a call between two of its requests
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class WireClient:
    """Performs calls; for one thread.

    Args:
        key: The API key now; asked again after the server refused it (R34).
        dialect: `auto`, or the one that must be met.
        on_call: Is told of every HTTP request.
        options: How the server is reached.
        exchange: The worker's side of the dialect, which the clients of one worker share; its own unless given.
    """

    def __init__(
        self,
        api_url: str,
        *,
        key: Callable[[], str | None] = lambda: None,
        dialect: str = AUTO,
        on_call: Callable[[ApiCalled], object] = lambda _: None,
        options: ConnectionOptions = NO_OPTIONS,
        exchange: Exchange | None = None,
    ) -> None:
        self._api_url = api_url
        self._transport = Transport(api_url, key=key, options=options)
        self._wanted = dialect
        self._on_call = on_call
        self._exchange = exchange
        self._dialect = DIALECTS[0]
        self._capabilities = BASE
        self._limits: RateLimits | None = None

    def use(self, found: ServerInfo) -> None:
        """From now on calls go the way that this server takes."""
        self._dialect = dialect_named(found.dialect)
        self._capabilities = found.capabilities
        self._limits = rate_limits_of(self._api_url) if self._dialect.limits_requests else None

    def perform(self, call: ExchangeRequest | Probe) -> ProbeReply | ExchangeReply:
        """The answer to a call; raises nothing for what a server or a network does.

        All requests of the call together keep to one deadline, so that it is never overdue (R31).
        """
        steps: Steps[ProbeReply] | Steps[ExchangeReply]
        if isinstance(call, Probe):
            steps = health(self._wanted, call.within)
        else:
            if self._exchange is None:
                self._exchange = self._dialect.exchange()
            steps = self._exchange(call, self._capabilities)
        until = time.monotonic() + (MAX_CALL if call.within is None else min(MAX_CALL, call.within))
        try:
            request = next(steps)
            while True:
                request = steps.send(self._send(request, until))
        except StopIteration as end:
            answer: ProbeReply | ExchangeReply = end.value
        except _NotSent as why:
            return why.failure
        finally:
            steps.close()
        if isinstance(answer, ServerInfo):
            self.use(answer)
        secret = self._transport.secret
        return answer if secret is None else clean_answer(answer, secret)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def _send(self, request: HttpRequest, until: float) -> HttpAnswer:
        limits = self._limits
        if limits is not None and (limited := limits.refusal(request)) is not None:
            raise _NotSent(limited)
        if time.monotonic() >= until:
            return Unreachable(f"all of it takes longer than {MAX_CALL:.0f} s", maybe_seen=False)
        begun = time.perf_counter()
        try:
            answer = self._transport.send(request)
        except SettingsError as error:
            raise _NotSent(NoKey(str(error))) from None
        seconds = time.perf_counter() - begun
        word = ""
        if isinstance(answer, Unreachable):
            word = "unreachable"
        else:
            if limits is not None:
                limits.learn(request, answer)
            if answer.status in KEY_REFUSED:
                self._transport.forget_key()
            is_good = answer.status < 400 and answer.json is not NOT_JSON  # noqa: PLR2004
            if not is_good and not (request.call == "claim" and self._dialect.finds_no_task(answer)):
                word = f"http_{answer.status}"
        self._on_call(ApiCalled(request.call, seconds, word))
        return answer


def health(wanted: str = AUTO, within: float | None = None) -> Steps[ProbeReply]:
    """Asks for the health, and finds the dialect in the answer (R33).

    Args:
        wanted: `auto`, or the dialect that must be met.
        within: Seconds that a request may take, None for what it usually may.
    """
    found = recognise((yield replace(HEALTH, within=within)))
    if not isinstance(found, ServerInfo):
        return found
    if wanted not in {AUTO, found.dialect}:
        return UnrecognisedServer(f"it speaks {found.dialect}, not {wanted}; leave --dialect at auto")
    check_key = dialect_named(found.dialect).check_key
    trouble = None if check_key is None else (yield from check_key())
    return trouble or found
