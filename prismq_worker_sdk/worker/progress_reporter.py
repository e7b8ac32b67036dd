"""Tells a server without renewals how far the work is: it extends no claim, but shows which are lost (R15)."""

from __future__ import annotations

from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    LeaseAnswer,
    LeaseVerdict,
    Renewal,
)
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.driver import Loop
from prismq_worker_sdk.worker.services import Services

EVERY = 5.0
"""Seconds between two words about the same task, and after one that was not answered."""

BETWEEN = 0.05
"""Seconds between two words: the loop that says them has handlers to watch."""

PATIENCE = 5.0
"""Seconds that one word may take."""


class ProgressReporter:
    """What was said of each running task; lost in a crash without harm."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._said: dict[Identity, tuple[float, tuple[object, ...]]] = {}
        self._silent_until = services.clock.monotonic()

    def next_due(self) -> float | None:
        """The clock reading at which the next word is due, None when there is nothing new to say."""
        self._forget()
        due = [self._due_at(attempt) for attempt in self._news()]
        return max(self._silent_until, min(due)) if due else None

    def renew(self) -> Loop:
        """Says what is new of one task."""
        services = self._services
        now = services.clock.monotonic()
        attempt = next((one for one in self._news() if self._due_at(one) <= now), None)
        if attempt is None:
            return
        identity, progress = attempt.claim.identity, attempt.progress
        renewal = Renewal(identity, *progress)
        whole = yield from services.exchange(ExchangeRequest(renewals=(renewal,), within=PATIENCE))
        reply = whole.renewals[0] if isinstance(whole, ExchangeResponse) and whole.renewals else None
        answered, now = isinstance(reply, LeaseAnswer), services.clock.monotonic()
        self._silent_until = now + (BETWEEN if answered else EVERY)
        if answered:
            self._said[identity] = now, progress
        lost = isinstance(reply, LeaseAnswer) and reply.verdict is LeaseVerdict.LOST
        same = attempt.claim.identity == identity  # it may go on under a new claim (R9)
        if lost and same and not attempt.committed:
            attempt.cancel(CancelReason.LOST, now)

    def _news(self) -> list[Attempt]:
        return [
            attempt
            for attempt in self._services.attempts.live()
            if attempt.cancelled is None
            and attempt.progress[0] is not None
            and attempt.progress != self._said.get(attempt.claim.identity, (0.0, ()))[1]
        ]

    def _due_at(self, attempt: Attempt) -> float:
        said = self._said.get(attempt.claim.identity)
        return self._silent_until if said is None else said[0] + EVERY

    def _forget(self) -> None:
        live = {attempt.claim.identity for attempt in self._services.attempts.live()}
        self._said = {identity: said for identity, said in self._said.items() if identity in live}
