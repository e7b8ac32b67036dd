"""What the loops and the slots of one worker share."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from random import Random

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.decide.renewals import first_renewal
from prismq_worker_sdk.decide.retries import can_be_held
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Emit, Notice
from prismq_worker_sdk.model.protocol import ServerInfo, WorkerCommand
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.worker.accounting import Ledger
from prismq_worker_sdk.worker.attempt import Attempt, AttemptTable, Ending
from prismq_worker_sdk.worker.availability import Gate
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.isolation.pool import ChildPool
from prismq_worker_sdk.worker.lifecycle import Lifecycle
from prismq_worker_sdk.worker.reservation import Asked
from prismq_worker_sdk.worker.server_status import Contact
from prismq_worker_sdk.worker.slots import SlotPool
from prismq_worker_sdk.worker.stale_claims import Overtaken


def _nobody() -> None:
    """Nobody sleeps yet."""


@dataclass(slots=True)
class Wakes:
    """How each loop is told that something changed."""

    claim: Callable[[], None] = _nobody
    lease: Callable[[], None] = _nobody
    commit: Callable[[], None] = _nobody
    deliver: Callable[[], None] = _nobody
    supervise: Callable[[], None] = _nobody

    def everybody(self) -> None:
        """Look again, all of you."""
        for wake in (self.claim, self.lease, self.commit, self.deliver, self.supervise):
            wake()


@dataclass(slots=True, kw_only=True)
class Runtime:
    """What the loops and the slots of one worker share; each part keeps its own lock.

    Attributes:
        worker_id: The id under which this process claims.
        server: The identity of the server: normalised api_url and instance (R1).
        dice: For jitter only.
        free_bytes: Free space of the state folder.
        stored_bytes: How large the outbox file is.
        log_bytes: How large its write-ahead log is.
        empty_log: Empties that; why it stays large, None where it does not.
        parked: Reports that earlier processes parked, whichever server they are for.
        overtaken: Tasks whose claim a report may end while it is on its way.
        children: The processes of handlers that have their own, None when every handler runs in a thread.
        finished: Attempts whose handlers have ended, with how: the commit loop stores them.
        closed: Whether nothing more is to be stored: the worker has stopped.
        lease_looks_at: Clock reading at which the lease loop looks next by itself.
        threads: The last attempt of each thread, by its number.
        command: What the server wants of this worker (R40).
        delivering: Whether reports go out now, so that claims go along with them.
        waiting: The claim that waits on the server now, so that a stop can end its wait (R6).
        claim_window: How many claims may be under way at once, where a claim brings one task.
        planning: Held while a claim is planned and its slots are reserved (R4).
        disk_trouble: Why the disk keeps the worker from claiming, if it does.
        claims_hold: Whether claims last as long as they are taken to; False once a task came again too early.
        stored_sent: Whether the reports of earlier processes were sent once (R27).
    """

    config: WorkerConfig
    worker_id: str
    server: str
    health: ServerInfo
    clock: Clock
    dice: Random
    outbox: Outbox
    registry: Registry
    table: AttemptTable
    slots: SlotPool
    gate: Gate
    life: Lifecycle
    contact: Contact
    ledger: Ledger
    redactor: Redactor
    emit: Emit
    free_bytes: Callable[[], int]
    stored_bytes: Callable[[], int] = lambda: 0
    log_bytes: Callable[[], int] = lambda: 0
    empty_log: Callable[[], str | None] = lambda: None
    overtaken: Overtaken = field(default_factory=Overtaken)
    children: ChildPool | None = None
    threads: dict[int, Attempt] = field(default_factory=dict)
    finished: deque[tuple[Attempt, Ending]] = field(default_factory=deque)
    lease_looks_at: float = inf
    closed: bool = False
    wakes: Wakes = field(default_factory=Wakes)
    claims_hold: bool = True
    stored_sent: bool = False
    flushed: bool = False
    command: WorkerCommand = WorkerCommand.RUN
    delivering: bool = False
    disk_trouble: str | None = None
    parked: int = 0
    waiting: Asked | None = None
    claim_window: int = 1
    planning: threading.Lock = field(default_factory=threading.Lock)

    def gives_back(self, claim: Claim, delay: float = 0.0) -> bool:
        """Whether a task can go back to the server now, instead of when its claim has lapsed (R18)."""
        left = claim.expires_at - self.clock.monotonic()
        in_time = can_be_held(delay, left=left, lease_seconds=claim.lease_seconds)
        return self.health.capabilities.releases or (self.retried(claim.task.attempt) and in_time)

    def retried(self, attempt: int | None) -> bool:
        """Whether the server tries a task again once this attempt of it is reported as failed, for certain."""
        can, most = self.health.capabilities, self.config.server_max_attempts
        return can.releases or (can.retries_at_once and attempt is not None and attempt < most)

    @property
    def all_runs_done(self) -> bool:
        """Whether the worker has ended as many tasks as it was to."""
        most = self.config.max_runs
        return bool(most) and self.ledger.ended >= most

    def slots_freed(self) -> None:
        """Tasks have left their slots: others may be claimed, unless claims go along with reports just now."""
        if not self.delivering:
            self.wakes.claim()
        self.wakes.deliver()
        if not self.life.running:
            self.wakes.supervise()

    def watch(self, attempts: Iterable[Attempt]) -> None:
        """New attempts are to be watched: wakes the lease loop where it would look too late by itself (R7, R16)."""
        first = first_renewal(self.clock.monotonic())
        if self.lease_looks_at > min(first, *(attempt.limit_at for attempt in attempts)):
            self.wakes.lease()

    def deliver_with_claims(self, *, now: bool) -> None:
        """Whether reports go out now; when they do no more, the claim loop claims by itself again."""
        before, self.delivering = self.delivering, now
        if before and not now:
            self.wakes.claim()

    def apply_command(self, command: WorkerCommand) -> None:
        """The server said what it wants of this worker."""
        if command is self.command:
            return
        self.command = command
        said = {
            WorkerCommand.RUN: "the server lets this worker claim again",
            WorkerCommand.QUIET: "the server wants this worker quiet: nothing more is claimed until it says otherwise",
            WorkerCommand.TERMINATE: "the server wants this worker to end",
        }
        self.emit(Notice("info", said[command]))
        self.wakes.everybody()
