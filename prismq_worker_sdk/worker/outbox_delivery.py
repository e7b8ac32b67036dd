"""Delivers what waits in an outbox without a worker: the delivery loop alone, until nothing waits or time is up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Emit, Notice
from prismq_worker_sdk.model.protocol import ServerInfo
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.system import generated_worker_id
from prismq_worker_sdk.worker.accounting import Ledger
from prismq_worker_sdk.worker.attempt import AttemptTable
from prismq_worker_sdk.worker.availability import Gate
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.connections import Connections, server_identity
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.driver import Loop, Reply, Wait, Waker, drive
from prismq_worker_sdk.worker.lifecycle import Lifecycle
from prismq_worker_sdk.worker.server_status import Contact
from prismq_worker_sdk.worker.services import Runtime
from prismq_worker_sdk.worker.slots import SlotPool
from prismq_worker_sdk.worker.startup import find_server


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the reports of one or more outboxes.

    Attributes:
        accepted: The server took them, those included whose repeat met a conflict.
        lost: Their claims are somebody else's now.
        parked: They do not pass, or cannot be read.
        left: They wait still; for this server, and for others.
        faults: Sums that are off (R38); none but by a bug.
    """

    accepted: int = 0
    lost: int = 0
    parked: int = 0
    left: int = 0
    elsewhere: int = 0
    faults: tuple[str, ...] = ()

    def __add__(self, other: Sent) -> Sent:
        """Both together."""
        return Sent(
            self.accepted + other.accepted,
            self.lost + other.lost,
            self.parked + other.parked,
            self.left + other.left,
            self.elsewhere + other.elsewhere,
            self.faults + other.faults,
        )


def send_stored(
    config: WorkerConfig,
    outboxes: Iterable[Outbox],
    *,
    timeout: float,
    clock: Clock,
    redactor: Redactor,
    emit: Emit,
) -> Sent:
    """Sends what waits in these outboxes, each report under its own claim, as a worker would.

    Args:
        config: Where the server is; it is looked for as long as `startup_timeout` says.
        timeout: Seconds for all the outboxes.

    Raises:
        ServerError: There is no server to send to.
    """
    until = clock.monotonic() + timeout
    contact, connections, dice = Contact(clock, emit), Connections(config, emit), Random()  # noqa: S311 - jitter
    try:
        looking = find_server(config, life=Lifecycle(), contact=contact, clock=clock, dice=dice)
        found: ServerInfo = drive(looking, connections.probe(), Waker())
        perform = connections.open(found)
        sent = Sent()
        for outbox in outboxes:
            runtime = _share(
                config, found, outbox, clock=clock, redactor=redactor, contact=contact, emit=emit
            )
            bad = runtime.outbox.park_unreadable()
            for one in bad:
                emit(Notice("error", f"the report of task {one.task_id} is parked: {one.detail}"))
            runtime.ledger.recover(runtime.outbox.recover())
            drive(_until(runtime, until), perform, Waker())
            sent += _counted(runtime, unreadable=len(bad))
        return sent
    finally:
        connections.close()


def _share(
    config: WorkerConfig,
    found: ServerInfo,
    outbox: Outbox,
    *,
    clock: Clock,
    redactor: Redactor,
    contact: Contact,
    emit: Emit,
) -> Runtime:
    """What the delivery loop works with: no handlers, so nothing is ever claimed."""
    server = server_identity(config, found)
    return Runtime(
        config=config,
        worker_id=generated_worker_id(),
        server=server,
        health=found,
        clock=clock,
        dice=Random(),  # noqa: S311 - for jitter only
        outbox=outbox.of(server),
        registry=Registry([]),
        table=AttemptTable(),
        slots=SlotPool(1, lambda _attempts, _threads: None),
        gate=Gate([], error_limit=0, emit=emit),
        life=Lifecycle(),
        contact=contact,
        ledger=Ledger(),
        redactor=redactor,
        emit=emit,
        free_bytes=lambda: 0,
    )


def _until(runtime: Runtime, until: float) -> Loop:
    """The delivery loop, ended when it rests with nothing left, or when time is up."""
    loop = delivery_loop(runtime)
    reply: Reply = None
    while True:
        try:
            effect = loop.send(reply)
        except StopIteration:
            return
        left = until - runtime.clock.monotonic()
        if left <= 0 or (isinstance(effect, Wait) and not runtime.outbox.count("waiting")):
            _end(runtime)
        if isinstance(effect, Wait):
            reply = None
            if not runtime.life.stopped:
                yield Wait(left if effect.seconds is None else min(left, effect.seconds))
        else:
            reply = yield effect


def _end(runtime: Runtime) -> None:
    now = runtime.clock.monotonic()
    runtime.life.ask_stop("nothing is left, or time is up", grace=0.0, now=now)
    runtime.life.advance(now=now, busy=False, flushed=True)


def _counted(runtime: Runtime, *, unreadable: int) -> Sent:
    left = runtime.outbox.count("waiting")
    accounts = runtime.ledger.accounts(waiting=left)
    return Sent(
        accounts.accepted,
        accounts.lost_reports,
        accounts.parked + unreadable,
        left,
        sum(runtime.outbox.elsewhere().values()),
        accounts.faults(),
    )
