"""One simulation: the machines, the network, the server, and the time between them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.schema import ParamsSpec
from prismq_worker_sdk.outbox import store
from tests.simulator.handling import CHILD, GATED, act
from tests.simulator.host import Host
from tests.simulator.model_prismq_client import ModelPrismqClient
from tests.simulator.model_server import ModelServer
from tests.simulator.network import Network
from tests.simulator.plan import Cancelled, HalfFailure, Plan, Steered, Work
from tests.simulator.process import GRACE, Process
from tests.simulator.schedule import Schedule
from tests.simulator.verdict import final_findings
from tests.simulator.watch import Watch

TYPE = "Simulated.Work"
TIME_LIMIT = 15.0
PATIENCE = 3600.0
"""Simulated seconds after the last fault in which everything must have ended."""

MOST_STEPS = 400_000
ANYTHING = ParamsSpec.of(dict)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of a simulation.

    Attributes:
        findings: What must not be, one sentence each; empty when every promise was kept.
        seconds: Simulated time.
        requests: HTTP requests.
        starts: Handlers begun.
        trace: What happened, when it was asked for.
    """

    findings: tuple[str, ...]
    seconds: float
    requests: int
    starts: int
    trace: tuple[str, ...] = ()


def simulate(plan: Plan, *, traced: bool = False) -> Simulated:
    """Runs a fault plan; the same plan always goes the same way.

    Args:
        traced: Whether to write down what happens.
    """
    world = World(plan, traced=traced)
    try:
        world.run()
    finally:
        for host in world.hosts:
            host.disk.close()
    watch = world.watch
    return Simulated(
        findings=tuple(watch.findings),
        seconds=world.schedule.now,
        requests=world.network.carried,
        starts=sum(watch.starts.values()),
        trace=tuple(watch.trace),
    )


class World:
    """Everything there is in a simulation."""

    def __init__(self, plan: Plan, *, traced: bool = False) -> None:
        self.plan = plan
        self.traced = traced
        self.dice = Random(plan.seed)
        self.schedule = Schedule(self.dice)
        refused = frozenset(plan.task_id(n) for n, work in enumerate(plan.works) if work.fate == "refused")
        self.server = (
            ModelPrismqClient(
                exchange=False,
                refused=refused,
                types=(TYPE, CHILD, GATED),
                halves=frozenset(one.number for one in plan.faults if isinstance(one, HalfFailure)),
            )
            if plan.dialect == "prismq-client"
            else ModelServer(exchange=plan.dialect == "exchange", refused=refused, hasty=plan.hasty)
        )
        self.network = Network(plan, self.schedule, self.server, self.dice)
        self.watch = Watch(self)
        self.handlers = tuple(self._handler(name) for name in (TYPE, CHILD, GATED))
        self.hosts = tuple(Host(self, number) for number in range(plan.workers))
        self._works = {plan.task_id(number): work for number, work in enumerate(plan.works)}
        for task_id, work in self._works.items():
            task = self.server.add(task_id, GATED if work.gated else TYPE, max_attempts=work.max_attempts)
            task.not_before = work.at
            task.params = "none" if work.fate == "unreadable" else None
        self.cancelled_at: dict[str, float] = {}
        self._plan_wishes()

    @property
    def server_max_attempts(self) -> int:
        """What workers are told of the server's limit on attempts: nothing, or what holds for every task."""
        told = self.plan.dialect == "prismq-client" and self.plan.seed % 2
        return min(work.max_attempts for work in self.plan.works) if told else 0

    @property
    def limit(self) -> float:
        """The time limit of every handler, seconds."""
        return TIME_LIMIT

    def work(self, task_id: str) -> Work:
        """How a task's handler goes."""
        return self._works.get(task_id, Work(seconds=0.05))

    def process(self, worker_id: str) -> Process | None:
        """The process with this id, None when it has ended."""
        running = (host.process for host in self.hosts)
        return next((one for one in running if one is not None and one.worker_id == worker_id), None)

    def run(self) -> None:
        """Goes on until everything has ended, or something must not be."""
        for host in self.hosts:
            host.start()
        while not self.watch.findings and not (self.schedule.now > self.plan.healed_at and self._done()):
            if not self._some_steps():
                return
        if self.watch.findings:
            return
        self._close()
        if not self.watch.findings:
            for finding in final_findings(self):
                self.watch.find(*finding)

    def _some_steps(self) -> bool:
        """A second of simulated time; False when it is over, or never will be."""
        until = self.schedule.now + 1.0
        while self.schedule.now < until and not self.watch.findings:
            if not self.schedule.step():
                self.watch.find("hang", "nothing happens any more, and not everything has ended")
                return False
        if self.schedule.now > self.plan.healed_at + PATIENCE or self.schedule.done > MOST_STEPS:
            self.watch.find("hang", f"not everything ended: {self._left()}")
            return False
        return True

    def _close(self) -> None:
        """Every worker is told to stop and must find nothing left."""
        for host in self.hosts:
            host.retired = True
            if host.process is not None:
                host.process.stop(GRACE, 0.0)
        until = self.schedule.now + 2 * GRACE
        while (
            self.schedule.now < until and any(host.process for host in self.hosts) and not self.watch.findings
        ):
            if not self.schedule.step():
                break
        left = [
            host.process.worker_id
            for host in self.hosts
            if host.process is not None and not self.watch.findings
        ]
        if left:
            self.watch.find("R36", f"{', '.join(left)} did not end")

    def _done(self) -> bool:
        tasks = self.server.tasks.values()
        return all(task.status in {"completed", "failed"} for task in tasks) and not any(
            host.disk.run(lambda db: store.count(db, None, "waiting") + len(store.holds(db, None)))
            for host in self.hosts
        )

    def _left(self) -> str:
        tasks = [f"{task.id} is {task.status}" for task in self.server.tasks.values()]
        disks = [host.disk.run(lambda db: store.count(db, None, "waiting")) for host in self.hosts]
        return f"{', '.join(tasks)}; reports waiting: {disks}"

    def _plan_wishes(self) -> None:
        for fault in self.plan.faults:
            match fault:
                case Cancelled(task=task, at=at) if self.plan.dialect != "prismq-client":
                    self.schedule.at(at, lambda task=task: self._cancel(self.plan.task_id(task)))  # type: ignore[misc]
                case Steered(at=at, seconds=seconds):
                    self.schedule.at(at, lambda: self._order("quiet"))
                    self.schedule.at(at + seconds, lambda: self._order("run"))

    def _cancel(self, task_id: str) -> None:
        self.cancelled_at.setdefault(task_id, self.schedule.now)
        self.server.cancel(task_id)

    def _order(self, order: str) -> None:
        self.server.order = order

    def _handler(self, name: str) -> Handler:
        def run(_params: Any, ctx: Any) -> Any:
            return act(ctx, self.work(ctx.task.id), self.watch.starts[ctx.task.id])

        return Handler(
            task_type=name, params=ANYTHING, run=run, origin=f"simulator:{name}", time_limit=TIME_LIMIT
        )
