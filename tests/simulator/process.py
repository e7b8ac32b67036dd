"""One life of a simulated worker: the real loops, decisions and outbox, without threads and without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

from prismq_worker_sdk.decide.claims import lanes
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import PrismqError
from prismq_worker_sdk.handlers.handler import Handler, Registry
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.claim import TaskKey
from prismq_worker_sdk.model.events import Event
from prismq_worker_sdk.model.protocol import (
    ClaimOrder,
    ExchangeReply,
    ExchangeRequest,
    Probe,
    ProbeReply,
    ServerInfo,
)
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.wire.client import health
from prismq_worker_sdk.wire.dialect import Exchange
from prismq_worker_sdk.wire.dialects import DIALECTS, dialect_named
from prismq_worker_sdk.wire.messages import Steps
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.commit_loop import commit_loop
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.delivery_loop import Delivery, delivery_lane, delivery_loop
from prismq_worker_sdk.worker.driver import Reply, wake_all, wake_one
from prismq_worker_sdk.worker.lease_loop import lease_loop
from prismq_worker_sdk.worker.services import Services, build, environment
from prismq_worker_sdk.worker.supervision.recovery import recover
from prismq_worker_sdk.worker.supervision.startup import find_server
from prismq_worker_sdk.worker.supervision.supervise_loop import ask_stop, supervise
from prismq_worker_sdk.worker.supervision.supervisor import close_books, never_begun
from tests.simulator.actor import Actor, Crashed
from tests.simulator.disk import SimulatedOutbox, SimulatedRoom
from tests.simulator.handling import SimulatedSlots
from tests.simulator.host import Host
from tests.simulator.scene import GATED
from tests.simulator.watch import Watch

ORDERS: tuple[ClaimOrder | None, ...] = (None, "lifo", "fifo", "priority", None)
ADDRESS = "http://model.invalid/api"
GRACE = 10.0
ROOM = 1 << 40
SETTING_UP = 0.2
"""Seconds in which handlers are set up at most."""

RESTART = 1.0
"""Seconds after which a worker that ended by itself is started again."""


class Process:
    """One worker process, from its start to its end.

    Attributes:
        dead: Whether it has ended; nothing of it goes on.
        grace: What its stop was given, seconds.
    """

    def __init__(self, host: Host, watch: Watch, handlers: Sequence[Handler]) -> None:
        self.host = host
        self.scene = scene = host.scene
        self.watch = watch
        self.handlers = handlers
        self.dead = False
        self.worker_id = f"worker-{host.number}.{host.lives}"
        self.services: Services | None = None
        self.config = WorkerConfig(
            api_url=ADDRESS,
            state_dir=Path(),
            concurrency=scene.plan.slots,
            grace_period=GRACE,
            poll_interval=5.0,
            server_claim_timeout=60.0,
            startup_timeout=30.0,
            max_attempts=0,
            claim_order=ORDERS[scene.plan.seed % len(ORDERS)],
            server_max_attempts=scene.server_max_attempts,
        )
        self._here = environment(
            self.config,
            Registry(handlers),
            clock=host.clock,
            redactor=Redactor(),
            emit=self.emit,
            rng=Random(scene.rng.random()),
            worker_id=self.worker_id,
        )
        self._exchange: Exchange | None = None
        self._away = 0.0
        self.grace = GRACE
        self._finder = self._actor(
            "startup",
            find_server(self._here),
            self._found,
        )
        self._crew: list[Actor] = []
        self._deliveries: list[Actor] = []
        self._claims: list[Actor] = []
        self._set_ups: set[str] = set()
        self._reported: set[TaskKey] = set()
        self._finder.start()

    # what its loops are stepped by

    def stepped(self) -> None:
        """A step was made."""
        self.host.stepped()
        self.watch.step(self)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Does it in so many seconds, unless the process has ended by then."""

        def alive() -> None:
            if not self.dead:
                with suppress(Crashed):
                    do()

        self.host.later(seconds, alive)

    def perform(self, request: ExchangeRequest | Probe, receive: Callable[[Reply], None]) -> None:
        """Performs a call in the server's dialect, one HTTP request after the other."""
        steps: Steps[ProbeReply] | Steps[ExchangeReply]
        if isinstance(request, Probe):
            steps = health(within=request.within)
        else:
            self.watch.calls(self, request)
            steps = self._steps(request)
            receive = self._reporting(request, receive)

        def go_on(reply: object) -> None:
            try:
                asked = next(steps) if reply is None else steps.send(reply)  # type: ignore[arg-type]
            except StopIteration as end:
                receive(end.value)
            else:
                self.scene.network.send(
                    self.host.number, asked, lambda answer: self.later(0.0, lambda: go_on(answer))
                )

        go_on(None)

    def _reporting(
        self, request: ExchangeRequest, receive: Callable[[Reply], None]
    ) -> Callable[[Reply], None]:
        """Notes which tasks are being reported until the answer is received: none by two loops at once (R26)."""
        keys = {report.identity.task_key for report in request.reports}
        for identity in (report.identity for report in request.reports):
            if identity.task_key in self._reported:
                self.watch.find("R26", f"{self.worker_id} reports {identity.task_id} twice at a time")
        self._reported |= keys

        def received(reply: Reply) -> None:
            self._reported -= keys
            receive(reply)

        return received

    def _steps(self, request: ExchangeRequest) -> Steps[ExchangeReply]:
        services = self.services
        if self._exchange is None:
            dialect = DIALECTS[0] if services is None else dialect_named(services.found.dialect)
            self._exchange = dialect.exchange()
        return self._exchange(request, BASE if services is None else services.can)

    def emit(self, *events: Event) -> None:
        """Something happened in it."""
        for event in events:
            self.watch.event(self, event)

    # its life

    def stop(self, grace: float, away: float) -> None:
        """SIGTERM."""
        self._away, self.grace = away, grace
        ask_stop(self._here, "the plan stops it", grace=grace)
        self.watch.stopped(self, grace)
        self._finder.wake()
        for actor in self._crew:
            actor.wake()

    @property
    def claiming(self) -> bool:
        """Whether a claim may still be in flight."""
        return any(actor.alive for actor in self._claims)

    @property
    def delivering(self) -> bool:
        """Whether reports may still be sent."""
        return self._deliveries[0].alive

    def troubles(self) -> tuple[str, ...]:
        """Loops that died."""
        return tuple(f"{actor.name}: {actor.error!r}" for actor in self._crew if actor.error is not None)

    def _found(self) -> None:
        """The search for the server is over; like `Supervisor._lead`."""
        outbox, found, error = SimulatedOutbox(self, self.watch), self._finder.result, self._finder.error
        try:
            if isinstance(found, ServerInfo):
                self._begin(found, outbox)
                return
            if error is None:
                never_begun(self._here.lifecycle, outbox)
        except PrismqError as trouble:
            error = trouble
        if error is not None and not isinstance(error, PrismqError):
            self.watch.died(self, repr(error))
        self._exit()

    def _begin(self, found: ServerInfo, outbox: Outbox) -> None:
        services = self.services = self._build(found, outbox)
        recover(services, ())
        self.watch.recovered(self)
        wakes = services.wakeups

        def ended() -> None:
            wakes.supervise()

        delivery = Delivery(services)
        more = range(1, lanes(services.can, self.config.concurrency))
        self._deliveries = [
            self._actor("delivery", delivery_loop(services, delivery), ended),
            *(self._actor(f"delivery {lane}", delivery_lane(delivery), ended) for lane in more),
        ]
        self._claims = [
            self._actor("claim", claim_loop(services), ended),
            *(self._actor(f"claim {lane}", claim_loop(services, lane), ended) for lane in more),
        ]
        lease = self._actor("lease", lease_loop(services), ended)
        commit = self._actor("commit", commit_loop(services), ended)
        supervisor = self._actor("supervisor", supervise(services, self), self._over)
        self._crew = [*self._deliveries, *self._claims, lease, commit, supervisor]
        wakes.deliver, wakes.claim = partial(wake_one, self._deliveries), partial(wake_one, self._claims)
        wakes.lanes = partial(wake_all, [*self._deliveries, *self._claims])
        wakes.lease, wakes.commit, wakes.supervise = lease.wake, commit.wake, supervisor.wake
        for actor in self._crew:
            actor.start()
        for handler in self.handlers:
            self.later(SETTING_UP * self._here.rng.random(), partial(self._set_up, handler.task_type))

    def _set_up(self, task_type: str) -> None:
        self._set_ups.add(task_type)
        self.look_at_readiness()

    def look_at_readiness(self) -> None:
        """Asks the handlers that are set up whether they are ready; like `Readiness` and `WorkerThreads`."""
        if self.services is None:
            return
        for name in sorted(self._set_ups):
            ready = name != GATED or self.host.is_ready
            self.services.availability.set_ready(name, None if ready else "as planned")
        self.services.wakeups.claim()
        self.services.wakeups.deliver()

    def _build(self, found: ServerInfo, outbox: Outbox) -> Services:
        slots = SimulatedSlots(self.config.concurrency, self, self.watch)
        return build(self._here, found, outbox, disk=SimulatedRoom(self.host), slots=slots)

    def _over(self) -> None:
        """The supervisor has ended: the books are closed, the process exits."""
        if self.services is None:
            raise RuntimeError("a worker that found no server has no supervisor")
        for trouble in self.troubles():
            self.watch.died(self, trouble)
        try:
            code, reason = close_books(self.services)
        except PrismqError as error:
            self.watch.note(self, f"exit: {error}")
        else:
            self.watch.exited(self, code, reason)
        self._exit()

    def _exit(self) -> None:
        self.dead = True
        self.host.ended(self._away or RESTART)

    def _actor(self, name: str, loop: object, ended: Callable[[], None]) -> Actor:
        return Actor(name, loop, self, ended)  # type: ignore[arg-type]
