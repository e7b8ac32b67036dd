"""What loops and slots work with: their services, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random
from typing import Protocol

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.decide.retries import can_be_held
from prismq_worker_sdk.handlers.handler import Handler, Registry
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Emit, Notice
from prismq_worker_sdk.model.protocol import (
    ServerInfo,
    WorkerCommand,
)
from prismq_worker_sdk.observe.logs import TextFormatter
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.system import generated_worker_id
from prismq_worker_sdk.wire.address import server_identity
from prismq_worker_sdk.worker.accounting import Accounting
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.availability import ServerStatus, TypeAvailability
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.context import RunningContext
from prismq_worker_sdk.worker.limit_pauses import LimitPauses
from prismq_worker_sdk.worker.room import Disk
from prismq_worker_sdk.worker.shared import Lifecycle, Shared, Wakeups
from prismq_worker_sdk.worker.slots import AttemptTable, SlotPool
from prismq_worker_sdk.worker.stale_claims import StaleClaimGuard
from prismq_worker_sdk.worker.telling import StatusTeller
from prismq_worker_sdk.worker.traces import Tracing


class Children(Protocol):
    """The processes of handlers that have their own: `isolation.call.HandlerProcesses`, imported only for them."""

    def start(self, *, lock: int | None = None) -> None:
        """Begins; the children inherit this descriptor."""
        ...

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of the children."""
        ...

    def has(self, task_type: str) -> bool:
        """Whether handlers of this type run in children."""
        ...

    def for_readiness(self, handler: Handler) -> Handler:
        """The handler as it is asked in this process."""
        ...

    def call(self, services: Services, attempt: Attempt, ctx: RunningContext) -> str:
        """What a handler returns, as JSON text; raises what it raises."""
        ...

    def close(self, seconds: float) -> None:
        """Ends them, those that are idle within so many seconds."""
        ...


@dataclass(slots=True, kw_only=True)
class Environment:
    """What a worker has from its start; each part keeps its own lock.

    Attributes:
        worker_id: The id under which this process claims.
        rng: For jitter only.
        line_text: The text of what a handler logs, as its server is told.
        tracing: None where nobody traces.
    """

    config: WorkerConfig
    worker_id: str
    clock: Clock
    rng: Random
    registry: Registry
    redactor: Redactor
    line_text: TextFormatter
    emit: Emit
    lifecycle: Lifecycle
    server_status: ServerStatus
    availability: TypeAvailability
    tracing: Tracing | None = None


@dataclass(slots=True, kw_only=True)
class Services(Environment):
    """What its loops and slots work with, once it has found its server.

    Attributes:
        server: The identity of the server: normalised api_url and instance (R1).
        found: What the server said of itself when it was found.
        can: What it can do; asked again when an extension is gone (R35).
        stale_claims: Tasks whose claim a report may end while it is on its way.
        children: The processes of handlers that have their own, None when every handler runs in a thread.
        pauses: Of limits, until the server knows them.
        status: What the server was told of this worker.
    """

    server: str
    found: ServerInfo
    can: Capabilities
    outbox: Outbox
    disk: Disk
    attempts: AttemptTable
    slots: SlotPool
    accounting: Accounting
    stale_claims: StaleClaimGuard
    children: Children | None
    wakeups: Wakeups
    shared: Shared
    pauses: LimitPauses
    status: StatusTeller

    def gives_back(self, claim: Claim, delay: float = 0.0) -> bool:
        """Whether a task can go back to the server now, instead of when its claim has lapsed (R18)."""
        left = claim.expires_at - self.clock.monotonic()
        in_time = can_be_held(delay, left=left, lease_seconds=claim.lease_seconds)
        return self.can.releases or (self.retried(claim.task.attempt) and in_time)

    def retried(self, attempt: int | None) -> bool:
        """Whether the server tries a task again once this attempt of it is reported as failed, for certain."""
        can, most = self.can, self.config.server_max_attempts
        return can.releases or (can.retries_at_once and attempt is not None and attempt < most)

    def next_room(self) -> float | None:
        """Seconds until tasks of another type may be claimed, None when only an event can change that."""
        now = self.clock.monotonic()
        return self.slots.next_room(self.availability.reopens(now), now)

    def apply_command(self, command: WorkerCommand) -> None:
        """The server says something else than before of what it wants of this worker."""
        self.shared.command = command
        said = {
            WorkerCommand.RUN: "the server lets this worker claim again",
            WorkerCommand.QUIET: "the server wants this worker quiet: nothing more is claimed until it says otherwise",
            WorkerCommand.TERMINATE: "the server wants this worker to end",
        }
        self.emit(Notice("info", said[command]))
        self.wakeups.notify_all()


def environment(
    config: WorkerConfig,
    registry: Registry,
    *,
    clock: Clock,
    redactor: Redactor,
    emit: Emit,
    rng: Random | None = None,
    worker_id: str = "",
) -> Environment:
    """What a worker has from its start.

    Args:
        worker_id: A generated one unless given, which no other process has.
    """
    return Environment(
        config=config,
        worker_id=worker_id or generated_worker_id(),
        clock=clock,
        rng=rng or Random(),  # noqa: S311 - for jitter only
        registry=registry,
        redactor=redactor,
        line_text=TextFormatter(redactor, ""),
        emit=emit,
        lifecycle=Lifecycle(),
        server_status=ServerStatus(clock, emit),
        availability=TypeAvailability(registry.types, error_limit=config.max_consecutive_errors, emit=emit),
    )


def build(
    here: Environment,
    found: ServerInfo,
    outbox: Outbox,
    *,
    disk: Disk,
    slots: SlotPool,
    children: Children | None = None,
) -> Services:
    """The services of a worker that has found its server: the one place where they are put together.

    Args:
        outbox: Seen from here on as that of this server only (R1).
    """
    server = server_identity(here.config.api_url, found)
    kept = {one.name: getattr(here, one.name) for one in fields(here)}
    return Services(
        **kept,
        server=server,
        found=found,
        can=found.capabilities,
        outbox=outbox.of(server),
        disk=disk,
        attempts=AttemptTable(),
        slots=slots,
        accounting=Accounting(),
        stale_claims=StaleClaimGuard(),
        children=children,
        wakeups=Wakeups(),
        shared=Shared(),
        pauses=LimitPauses(),
        status=StatusTeller(here.clock.utc().isoformat(timespec="milliseconds")),
    )
