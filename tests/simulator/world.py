"""One simulation: the machines, the network, the server, and the time between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from prismq_worker_sdk.outbox import left_behind
from tests.simulator.handling import make_handlers
from tests.simulator.host import Host
from tests.simulator.plan import Cancelled, Plan, Steered
from tests.simulator.process import GRACE, Process
from tests.simulator.scene import Scene
from tests.simulator.verdict import Verdict
from tests.simulator.watch import Watch

PATIENCE = 3600.0
"""Simulated seconds after the last fault in which everything must have ended."""

MOST_STEPS = 400_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of a simulation.

    Attributes:
        findings: What must not be, one sentence each; empty when every promise was kept.
        seconds: Simulated time.
        requests: HTTP requests.
        starts: Handlers begun.
        prefetched: Tasks that waited for a slot.
        lines: What handlers logged and the server has.
        trace: What happened, when it was asked for.
    """

    findings: tuple[str, ...]
    seconds: float
    requests: int
    starts: int
    prefetched: int
    lines: int
    trace: tuple[str, ...] = ()


def simulate(plan: Plan, *, traced: bool = False) -> Simulated:
    """Runs a fault plan; the same plan always goes the same way.

    Args:
        traced: Whether to write down what happens.
    """
    scene = Scene(plan, traced=traced)
    world = World(scene)
    try:
        world.run()
    finally:
        for host in world.hosts:
            host.disk.close()
    watch = world.watch
    return Simulated(
        findings=tuple(watch.findings),
        seconds=scene.schedule.now,
        requests=scene.network.carried,
        starts=sum(watch.starts.values()),
        prefetched=len(watch.prefetched.seen),
        lines=sum(len(claim.lines) for claim in scene.server.claims),
        trace=tuple(watch.trace),
    )


class World:
    """A scene with its machines and their watch, and the time that they take."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._schedule = scene.schedule
        self.watch = Watch(scene)
        handlers = make_handlers(scene, self.watch)
        self.hosts = tuple(
            Host(scene, number, lambda host: Process(host, self.watch, handlers))
            for number in range(scene.plan.workers)
        )
        self._schedule_wishes()

    def run(self) -> None:
        """Goes on until everything has ended, or something must not be."""
        for host in self.hosts:
            host.start()
        while not self.watch.findings and not (
            self._schedule.now > self._scene.plan.healed_at and self._done()
        ):
            if not self._some_steps():
                return
        if self.watch.findings:
            return
        self._close()
        if not self.watch.findings:
            for finding in Verdict(self._scene, self.watch, self.hosts).findings():
                self.watch.find(*finding)

    def _some_steps(self) -> bool:
        """A second of simulated time; False when it is over, or never will be."""
        until = self._schedule.now + 1.0
        while self._schedule.now < until and not self.watch.findings:
            if not self._schedule.step():
                self.watch.find("hang", "nothing happens any more, and not everything has ended")
                return False
        if self._schedule.now > self._scene.plan.healed_at + PATIENCE or self._schedule.done > MOST_STEPS:
            self.watch.find("hang", f"not everything ended: {self._left()}")
            return False
        return True

    def _close(self) -> None:
        """Every worker is told to stop and must find nothing left."""
        for host in self.hosts:
            host.retired = True
            if host.process is not None:
                host.process.stop(GRACE, 0.0)
        until = self._schedule.now + 2 * GRACE
        while (
            self._schedule.now < until
            and any(host.process for host in self.hosts)
            and not self.watch.findings
        ):
            if not self._schedule.step():
                break
        left = [
            host.process.worker_id
            for host in self.hosts
            if host.process is not None and not self.watch.findings
        ]
        if left:
            self.watch.find("R36", f"{', '.join(left)} did not end")

    def _done(self) -> bool:
        tasks = self._scene.server.tasks.values()
        return all(task.status in {"completed", "failed"} for task in tasks) and not any(
            host.outbox.count("waiting") + host.disk.run(lambda db: len(left_behind.holds(db, None)))
            for host in self.hosts
        )

    def _left(self) -> str:
        tasks = [f"{task.id} is {task.status}" for task in self._scene.server.tasks.values()]
        disks = [host.outbox.count("waiting") for host in self.hosts]
        return f"{', '.join(tasks)}; reports waiting: {disks}"

    def _schedule_wishes(self) -> None:
        plan, server = self._scene.plan, self._scene.server
        for fault in plan.faults:
            match fault:
                case Cancelled(task=task, at=at) if plan.dialect != "prismq-client":
                    self._schedule.at(at, partial(self._scene.cancel, plan.task_id(task)))
                case Steered(at=at, seconds=seconds):
                    self._schedule.at(at, partial(server.steer, "quiet"))
                    self._schedule.at(at + seconds, partial(server.steer, "run"))
