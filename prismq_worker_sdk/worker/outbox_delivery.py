"""Delivers what waits in an outbox without a worker: the delivery loop alone, until nothing waits or time is up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.model.protocol import ServerInfo
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.connections import Connections
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.driver import Loop, Reply, Wait, Waker, drive
from prismq_worker_sdk.worker.room import Space
from prismq_worker_sdk.worker.services import Environment, Services, build
from prismq_worker_sdk.worker.shared import Lifecycle
from prismq_worker_sdk.worker.slots import SlotPool
from prismq_worker_sdk.worker.supervision.startup import find_server


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
        return Sent(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


def send_stored(here: Environment, outboxes: Iterable[Outbox], *, timeout: float) -> Sent:
    """Sends what waits in these outboxes, each report under its own claim, as a worker would.

    Args:
        here: Without handlers, so that nothing is ever claimed; the server is looked for as long as `startup_timeout`
            says.
        timeout: Seconds for all the outboxes.

    Raises:
        ServerError: There is no server to send to.
    """
    until = here.clock.monotonic() + timeout
    connections = Connections(here.config, here.emit)
    try:
        found: ServerInfo = drive(find_server(here), connections.probe(), Waker())
        perform = connections.open(found)
        sent = Sent()
        for outbox in outboxes:
            here = replace(here, lifecycle=Lifecycle())  # one ends with each outbox
            services = build(here, found, outbox, disk=_NoDisk(), slots=SlotPool(1, _nothing_runs))
            bad = services.outbox.park_unreadable()
            for one in bad:
                here.emit(Notice("error", f"the report of task {one.task_id} is parked: {one.detail}"))
            services.accounting.recover(services.outbox.recover())
            drive(_until(services, until), perform, Waker())
            sent += _counted(services, unreadable=len(bad))
        return sent
    finally:
        connections.close()


class _NoDisk:
    """Nothing is claimed, so nothing needs room."""

    def look(self) -> Space:
        return Space(free=0)

    def empty_log(self) -> str | None:
        return None


def _nothing_runs(_attempts: Sequence[Attempt], _threads: int) -> None:
    raise RuntimeError("a task is to be run by what only delivers")


def _until(services: Services, until: float) -> Loop:
    """The delivery loop, ended when it rests with nothing left, or when time is up."""
    loop = delivery_loop(services)
    reply: Reply = None
    while True:
        try:
            effect = loop.send(reply)
        except StopIteration:
            return
        left = until - services.clock.monotonic()
        if left <= 0 or (isinstance(effect, Wait) and not services.outbox.count("waiting")):
            _end(services)
        if isinstance(effect, Wait):
            reply = None
            if not services.lifecycle.stopped:
                yield Wait(left if effect.seconds is None else min(left, effect.seconds))
        else:
            reply = yield effect


def _end(services: Services) -> None:
    now = services.clock.monotonic()
    services.lifecycle.ask_stop("nothing is left, or time is up", grace=0.0, now=now)
    services.lifecycle.advance(now=now, busy=False, flushed=True)


def _counted(services: Services, *, unreadable: int) -> Sent:
    left = services.outbox.count("waiting")
    settled = services.accounting.settled
    return Sent(
        settled[Settlement.ACCEPTED] + settled[Settlement.UNCONFIRMED],
        settled[Settlement.LOST],
        settled[Settlement.PARKED] + unreadable,
        left,
        sum(services.outbox.elsewhere().values()),
        services.accounting.faults(waiting=left),
    )
