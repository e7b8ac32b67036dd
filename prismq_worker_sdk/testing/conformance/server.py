"""A server as it is looked at: where it is, what it announces, and how tasks come onto it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from prismq_worker_sdk.errors import UsageError
from prismq_worker_sdk.testing.conformance.checks import BASE, Broken, Check, NoAnswer
from prismq_worker_sdk.testing.conformance.talk import NOT_ALLOWED, Talk
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS, ConnectionOptions

MOST_WAITING = 180.0
"""Seconds of the machine's clock that a check may let leases run out."""

Submit = Callable[[str, Mapping[str, Any]], None]


class Server:
    """A server to be looked at; nothing is asked of it before the first check.

    Args:
        url: As a worker's `--api-url`: `http://localhost:8000/api`.
        key: Sent as `X-API-Key`. What it may not do is left out, and said.
        submit: Creates a task of a type with these params, where the server announces no `manage`.
        claim_timeout: When a claim of the base protocol runs out, seconds; the server does not tell.
        pass_time: Lets time pass for the server, seconds: the clock of a test. The machine's clock unless given.
        quick: Leave out what waits until a claim runs out.
        timeout: How long an answer is waited for, seconds.
        options: CA and client certificate for https, proxy.
    """

    def __init__(  # noqa: PLR0913 - all that can be said of a server
        self,
        url: str,
        *,
        key: str | None = None,
        submit: Submit | None = None,
        claim_timeout: float | None = None,
        pass_time: Callable[[float], None] | None = None,
        quick: bool = False,
        timeout: float = 10.0,
        options: ConnectionOptions = NO_OPTIONS,
    ) -> None:
        self.url = url.rstrip("/")
        self.talk = Talk(self.url, key, timeout, options)
        self.submit, self.claim_timeout, self.quick = submit, claim_timeout, quick
        self.pass_time = pass_time or time.sleep
        self.has_own_clock = pass_time is not None
        self._health: dict[str, Any] | None = None

    @property
    def health(self) -> dict[str, Any]:
        """What the server said of itself at first.

        Raises:
            UsageError: There is no server of this protocol, or it wants another key.
        """
        if self._health is None:
            self._health = self._met()
        return self._health

    @property
    def announced(self) -> dict[str, Any]:
        """The bundles that the server announces, with what it says of them."""
        found = self.health.get("capabilities")
        return {name: of for name, of in found.items() if of} if isinstance(found, dict) else {}

    @property
    def lease_seconds(self) -> float:
        """How long a claim with a token lasts."""
        found = self.exchange.get("lease_seconds")
        return float(found) if isinstance(found, int | float) and found > 0 else 60.0

    @property
    def exchange(self) -> dict[str, Any]:
        """What the server says of its exchange."""
        found = self.announced.get("exchange")
        return found if isinstance(found, dict) else {}

    def seconds(self, check: Check) -> float:
        """How long a check lets claims run out."""
        return check.waits * (self.claim_timeout or 0 if check.bundle == BASE else self.lease_seconds)

    def obstacle(self, check: Check) -> str | None:
        """Why this check cannot be made here, None when it can."""
        announced = self.announced
        if check.bundle not in {BASE, *announced}:
            return f"the server does not announce {check.bundle}"
        if (missing := self.missing(*check.needs)) is not None:
            return missing
        if not check.waits:
            return None
        if check.bundle == BASE and self.claim_timeout is None:
            return "a base server does not tell when a claim runs out; say it with --claim-timeout"
        if self.quick:
            return "it waits until a claim runs out, and --quick leaves that out"
        if not self.has_own_clock and self.seconds(check) > MOST_WAITING:
            return f"it would wait {self.seconds(check):.0f} s; start the server with a shorter lease for it"
        return None

    def missing(self, *bundles: str) -> str | None:
        """Which of these the server does not announce, in a sentence; None where it announces all."""
        names = [name for name in bundles if name not in self.announced]
        return f"it can be looked at only where the server announces {names[0]} too" if names else None

    def answers(self) -> bool:
        """Whether it still answers at all."""
        try:
            self.talk.ask("GET", "/health")
        except NoAnswer:
            return False
        return True

    def _met(self) -> dict[str, Any]:
        try:
            answer = self.talk.ask("GET", "/health")
        except NoAnswer as error:
            raise UsageError(f"there is no server at {self.url}: {error}") from None
        self._need_key(answer.status)
        try:
            found = answer.json(200, 503)
        except Broken as error:
            raise UsageError(f"{self.url} is not the address of a TaskManager: {error}") from None
        if not isinstance(found, dict):
            raise UsageError(f"{self.url} is not the address of a TaskManager: {answer}")
        if "success" in found and "data" in found:
            raise UsageError(f"{self.url} speaks the dialect prismq-client; this kit is for servers of v1")
        nothing = {
            "worker_id": f"conformance-{uuid.uuid4().hex}",
            "task_types": [f"Conformance.T{uuid.uuid4().hex}"],
        }
        self._need_key(self.talk.ask("POST", "/tasks/claim", nothing).status)
        return found

    def _need_key(self, status: int) -> None:
        if status in NOT_ALLOWED:
            wrong = "takes no call without a key" if self.talk.key is None else "does not take this key"
            raise UsageError(
                f"the server {wrong}; give one for workers and producers with --key, best an admin's"
            )
