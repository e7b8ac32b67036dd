"""The requests of a producer: sent one at a time, and what goes wrong told in the house's errors."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

from prismq_worker_sdk.errors import (
    NotATaskManager,
    PrismqError,
    RequestRefused,
    ServerUnreachable,
    Unauthorised,
)
from prismq_worker_sdk.model import protocol
from prismq_worker_sdk.wire.address import what_to_check
from prismq_worker_sdk.wire.budgets import Budgets, budgets_of
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.transport import Transport

__all__ = ["Caller"]


class Caller:
    """Sends requests to one server.

    Args:
        api_url: Named in every error.
    """

    def __init__(self, api_url: str, transport: Transport) -> None:
        self.api_url = api_url
        self._transport = transport
        self._budgets: Budgets | None = None

    def keep_limits(self) -> None:
        """From now on what the server's answers tell of its request limits is kept to."""
        self._budgets = budgets_of(self.api_url)

    def send(self, request: HttpRequest) -> HttpReply | protocol.Unreachable:
        """The answer to a request, whatever it says.

        Raises:
            ServerUnreachable: It would be over the server's limit, and was not sent.
        """
        if self._budgets is None:
            return self._transport.send(request)
        limited = self._budgets.refusal(request, spread=False)
        if limited is not None:
            raise self.error(limited)
        reply = self._transport.send(request)
        if isinstance(reply, HttpReply):
            self._budgets.learn(request, reply)
        return reply

    def perform(self, steps: Generator[HttpRequest, HttpReply | protocol.Unreachable, Any]) -> Any:
        """What some steps of a dialect come to."""
        reply: HttpReply | protocol.Unreachable | None = None
        while True:
            try:
                request = next(steps) if reply is None else steps.send(reply)
            except StopIteration as end:
                return end.value
            reply = self.send(request)

    def error(self, failure: protocol.Failure) -> PrismqError:
        """A failure as it is raised."""
        match failure:
            case protocol.Unauthorised(reason=reason):
                return Unauthorised(f"{self.api_url} refuses the API key ({reason}); set TASKMANAGER_API_KEY")
            case protocol.UnrecognisedServer(reason=reason):
                return NotATaskManager(
                    f"{self.api_url} is not a TaskManager: {reason}; {what_to_check(self.api_url)}"
                )
            case protocol.Rejected(status=status, reason=reason):
                return RequestRefused(reason, status=status)
            case protocol.Throttled(reason=reason, retry_after=seconds, limited=limited):
                when = "later" if seconds is None else f"in {math.ceil(seconds)} s"
                text = (
                    f"{self.api_url} takes no more requests for now: {reason.rstrip('.')}; try again {when}"
                )
                return ServerUnreachable(text, retry_after=seconds if limited else None)
            case _:
                return ServerUnreachable(
                    f"{self.api_url} did not answer: {failure.reason}; start the TaskManager, or check the address "
                    "(--api-url, TASKMANAGER_API_URL)"
                )

    def foreign(self, what: str) -> NotATaskManager:
        """The error for an answer that no TaskManager gives."""
        return NotATaskManager(f"{self.api_url} answered {what}")
