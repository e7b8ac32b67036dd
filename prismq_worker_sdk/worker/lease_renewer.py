"""What a server is told of claims: renewals, which keep them alive, or how far the work is (R5, R7, R15, R21)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from prismq_worker_sdk.decide.leases import (
    deadline,
    first_renewal,
    next_renewal,
    renewal_after_failure,
    together,
)
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.model.protocol import (
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    LeaseAnswer,
    LeaseReply,
    LeaseVerdict,
    Renewal,
    Unreachable,
)
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.driver import Loop, exchange
from prismq_worker_sdk.worker.services import Services

UNTOLD_LEASE = 30.0
"""Seconds that a claim of an earlier process is taken to last until its first renewal tells."""

LOOK_EVERY = 1.0
"""Seconds between two looks at the reports that wait."""

TELL_EVERY = 1.5
"""Seconds between two calls that tell how far tasks are and what they log, at least: people see it within two."""

PRESSING = 0.25
"""The same where so much is logged that it must be sent before the end."""

LOG_BYTES = 256 * 1024
"""Of lines in one call: a renewal must be quick."""

MOST_WAITING = 10_000
"""Claims of waiting reports that are kept alive, the oldest first."""

WORD_EVERY = 5.0
"""Seconds between two words about the same task, and after one that was not answered."""

WORD_PAUSE = 0.05
"""Seconds between two words: the loop that says them has handlers to watch."""

WORD_SECONDS = 5.0
"""Seconds that one word may take."""


@dataclass(slots=True)
class _Lease:
    """One claim that is kept alive.

    Attributes:
        due_at: Clock reading of its next renewal; infinity once it is lost.
        told: Progress and message that the server knows.
        checkpoint: What the server has; known only once it was sent.
    """

    due_at: float
    seconds: float
    told: tuple[float | None, str] = (None, "")
    checkpoint: str | None = None


class LeaseRenewer:
    """Keeps claims alive on servers with leases: those that run, and those whose report waits (R5, R7, R21).

    What it remembers of them is lost in a crash without harm.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._leases: dict[Identity, _Lease] = {}
        self._attempts: dict[Identity, Attempt] = {}
        self._failures = 0
        self._told_at = -math.inf
        self._look_at = -math.inf
        self._looked = False
        self._told = False

    def next_due(self) -> float | None:
        """The clock reading of the next renewal, None when there is nothing to renew."""
        if not self._services.can.renews:
            return None
        self._services.shared.lease_listens = not self._failures
        self._look_around()
        due = [self._due_at(identity, lease) for identity, lease in self._leases.items()]
        if not self._looked:  # a claim that began and ended since the last look may wait for its report
            due.append(self._look_at)
        if self._services.can.limits and (pause_at := self._services.pauses.next_due()) is not None:
            due.append(pause_at)
        first = min(due, default=math.inf)
        return None if first == math.inf else first

    def renew(self) -> Loop:
        """Renews what is due, and what nearly is."""
        services = self._services
        now = services.clock.monotonic()
        chosen = [
            identity
            for identity, lease in self._leases.items()
            if self._due_at(identity, lease) <= now or together(now, lease.due_at, lease.seconds)
        ]
        room, renewals = LOG_BYTES, []
        for identity in chosen[: services.can.max_tasks]:
            renewals.append(renewal := self._renewal(identity, now, room))
            room -= 0 if renewal.log is None else renewal.log.size
        if not renewals and services.pauses.next_due() is None:
            return
        batch = tuple(renewals)
        if any(renewal.progress is not None or renewal.log for renewal in batch):
            self._told_at = now
        leases = [self._leases[renewal.identity].seconds for renewal in batch]
        shortest = min(leases, default=services.can.lease_seconds)
        whole = yield from exchange(services, ExchangeRequest(renewals=batch, within=deadline(shortest)))
        if isinstance(whole, ExchangeResponse):
            if services.server_status.answered():
                services.wakeups.deliver()
            self._failures = 0
        for renewal, reply in zip(batch, _replies(whole, len(batch)), strict=True):
            self._judge(renewal, reply, sent_at=now)
        if not isinstance(whole, ExchangeResponse):
            self._failures += 1

    def _look_around(self) -> None:
        """Takes on new claims and lets go of those that have ended."""
        services = self._services
        now = services.clock.monotonic()
        self._attempts = {
            attempt.claim.identity: attempt
            for attempt in services.attempts.live()
            if attempt.claim.identity.token is not None
            and not attempt.prefetched  # no attempt of it counts yet (R7)
        }
        leases: dict[Identity, _Lease] = {}
        for identity, attempt in self._attempts.items():
            fresh = _Lease(first_renewal(attempt.started_at or now), attempt.claim.lease_seconds)
            leases[identity] = self._leases.get(identity, fresh)
        for identity in self._waiting(now):
            leases.setdefault(identity, self._leases.get(identity, _Lease(first_renewal(now), UNTOLD_LEASE)))
        self._leases = leases

    def _waiting(self, now: float) -> list[Identity]:
        """The claims of waiting reports; what was known a moment ago is good enough, looking costs the disk time."""
        services = self._services
        self._looked = False
        if now < self._look_at:
            return list(self._leases)
        self._look_at = now + LOOK_EVERY
        try:
            found = services.outbox.claims_waiting(MOST_WAITING)
        except OutboxError as error:
            if not self._told:
                services.emit(Notice("error", str(error)))
            self._told = True
            return list(self._leases)
        self._looked, self._told = True, False
        return found

    def _due_at(self, identity: Identity, lease: _Lease) -> float:
        """When a claim is to be renewed: sooner than its lease needs, where there is something new to tell.

        A server in trouble is asked only as the leases need it.
        """
        attempt = self._attempts.get(identity)
        if lease.due_at == math.inf or self._failures or attempt is None:
            return lease.due_at
        if attempt.progress == lease.told and not attempt.log.has_news:
            return lease.due_at
        self._services.shared.lease_listens = False  # there is something to tell already
        if attempt.log.is_pressing:
            return min(lease.due_at, self._told_at + PRESSING)
        return min(lease.due_at, max(self._told_at + TELL_EVERY, first_renewal(attempt.started_at or 0.0)))

    def _renewal(self, identity: Identity, now: float, room: int) -> Renewal:
        """What is told of a claim; a checkpoint, which may be large, goes along when the lease is due only.

        Lines that may not have passed are no load for the next try.

        Args:
            room: Characters of lines that may go along.
        """
        attempt, lease = self._attempts.get(identity), self._leases[identity]
        if attempt is None:
            return Renewal(identity)
        percent, message = attempt.progress if attempt.progress != lease.told else (None, "")
        is_due = together(now, lease.due_at, lease.seconds)
        checkpoint = attempt.checkpoint if is_due and attempt.checkpoint != lease.checkpoint else None
        log = None if self._failures else attempt.log.part(room)
        return Renewal(identity, percent, message, checkpoint, log)

    def _judge(self, renewal: Renewal, reply: LeaseReply, *, sent_at: float) -> None:
        """What a reply means; one for a claim that has ended meanwhile is ignored (R10)."""
        services = self._services
        identity = renewal.identity
        lease, attempt = self._leases[identity], self._attempts.get(identity)
        now = services.clock.monotonic()
        match reply:
            case LeaseAnswer(verdict=LeaseVerdict.LOST):
                lease.due_at = math.inf
                if attempt is not None and not attempt.committed:
                    attempt.cancel(CancelReason.LOST, now)
            case LeaseAnswer(verdict=verdict, lease_seconds=seconds) if seconds is not None:
                lease.due_at, lease.seconds = next_renewal(sent_at, seconds), seconds
                if attempt is not None:
                    self._extend(attempt, renewal, sent_at, seconds)
                    if renewal.progress is not None:
                        lease.told = (renewal.progress, renewal.message)
                    if renewal.checkpoint is not None:
                        lease.checkpoint = renewal.checkpoint
                    if verdict is LeaseVerdict.CANCEL:
                        attempt.cancel(CancelReason.ASKED, now)
            case _:
                jitter = services.rng.random()
                lease.due_at = renewal_after_failure(now, lease.seconds, self._failures + 1, jitter)

    def _extend(self, attempt: Attempt, renewal: Renewal, sent_at: float, seconds: float) -> None:
        with attempt.binding:
            if attempt.claim.identity == renewal.identity:
                attempt.claim = replace(attempt.claim, sent_at=sent_at, lease_seconds=seconds)
                if renewal.log is not None:
                    attempt.log.acknowledge(renewal.log)


def _replies(whole: ExchangeReply, number: int) -> tuple[LeaseReply, ...]:
    """One reply for each renewal, whatever came."""
    if not isinstance(whole, ExchangeResponse):
        return (whole,) * number
    silent = Unreachable("the server did not say what became of the lease")
    return (*whole.renewals[:number], *(silent,) * (number - len(whole.renewals)))


class ProgressReporter:
    """Tells a server without renewals how far the work is: it extends no claim, but shows which are lost (R15).

    What was said of each running task is lost in a crash without harm.
    """

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
        whole = yield from exchange(services, ExchangeRequest(renewals=(renewal,), within=WORD_SECONDS))
        reply = whole.renewals[0] if isinstance(whole, ExchangeResponse) and whole.renewals else None
        answered, now = isinstance(reply, LeaseAnswer), services.clock.monotonic()
        self._silent_until = now + (WORD_PAUSE if answered else WORD_EVERY)
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
        return self._silent_until if said is None else said[0] + WORD_EVERY

    def _forget(self) -> None:
        live = {attempt.claim.identity for attempt in self._services.attempts.live()}
        self._said = {identity: said for identity, said in self._said.items() if identity in live}
