"""A simulated machine: its disk, its clock, and what becomes of the worker that it keeps running."""

from __future__ import annotations

import atexit
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol, TypeVar

from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.schema import prepare
from prismq_worker_sdk.outbox.transactions import Operation
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.services import Services
from tests.simulator.actor import Crashed, Stage
from tests.simulator.plan import Crash, FullDisk, Jump, Stop, Suspend, Unready
from tests.simulator.scene import Scene
from tests.simulator.schedule import LocalClock
from tests.support.outbox import Immediate

T = TypeVar("T")


class Worker(Stage, Protocol):
    """The process that a machine runs, as far as it is seen from outside.

    Attributes:
        dead: Whether it has ended; nothing of it goes on.
        grace: What its stop was given, seconds.
        services: None while it looks for a server.
    """

    host: Host
    worker_id: str
    config: WorkerConfig
    handlers: Sequence[Handler]
    dead: bool
    grace: float
    services: Services | None

    def stop(self, grace: float, away: float) -> None:
        """SIGTERM; it is started again after so many seconds away."""
        ...

    def look_at_readiness(self) -> None:
        """Asks its handlers whether they are ready."""
        ...


class Host:
    """One machine with one worker process at a time; what is on its disk outlives every process.

    Attributes:
        outbox: What is on its disk, for whoever looks at it from outside.
        troubles: When something happened to it that may cost it its claims.
    """

    def __init__(self, scene: Scene, number: int, spawn: Callable[[Host], Worker]) -> None:
        self.scene = scene
        self.number = number
        self.clock = LocalClock(scene.schedule)
        self.disk = Immediate(empty_disk())
        self.outbox = Outbox(self.disk, self.clock)
        self.process: Worker | None = None
        self.lives = 0
        self.steps = 0
        self.transactions = 0
        self.suspended_until = 0.0
        self.troubles: list[float] = []
        self.retired = False
        self._spawn = spawn
        faults = [fault for fault in scene.plan.faults if getattr(fault, "worker", None) == number]
        self._crashes: dict[tuple[str, int], float] = {
            (f.place, f.number): f.away for f in faults if isinstance(f, Crash)
        }
        self._full = [fault for fault in faults if isinstance(fault, FullDisk)]
        self._unready = [fault for fault in faults if isinstance(fault, Unready)]
        for fault in faults:
            match fault:
                case Stop():
                    scene.schedule.at(fault.at, lambda fault=fault: self._stop(fault))  # type: ignore[misc]
                case Suspend():
                    scene.schedule.at(fault.at, lambda fault=fault: self._suspend(fault.seconds))  # type: ignore[misc]
                case Unready():
                    for time in (fault.at, fault.at + fault.seconds):
                        scene.schedule.at(time, self._readiness_changed)
                case Jump():
                    scene.schedule.at(fault.at, lambda fault=fault: self._jump(fault.seconds))  # type: ignore[misc]

    def start(self) -> None:
        """Starts the worker, under a new id."""
        if self.retired:
            return
        self.lives += 1
        self.process = self._spawn(self)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Does it in so many seconds, or when the machine is awake again."""

        def awake() -> None:
            if self.scene.schedule.now < self.suspended_until:
                self.scene.schedule.at(self.suspended_until, awake)
            else:
                do()

        self.scene.schedule.after(seconds, awake)

    def stepped(self) -> None:
        """One more step of a loop; the process may end here."""
        self.steps += 1
        self._crash_if_planned("step", self.steps)

    def transact(self, process: Worker, operation: Operation[T]) -> T:
        """One transaction on the disk; the process may end before it or after it."""
        if process.dead:
            raise Crashed
        self.transactions += 1
        number = self.transactions
        self._crash_if_planned("before", number)
        if self.disk_is_full:
            raise OutboxError("the outbox could not be written (disk full)")
        result = self.disk.run(operation)
        self._crash_if_planned("after", number)
        return result

    @property
    def disk_is_full(self) -> bool:
        """Whether nothing can be written now."""
        now = self.scene.schedule.now
        return any(full.at <= now < full.at + full.seconds for full in self._full)

    @property
    def is_ready(self) -> bool:
        """Whether the handler of its gated type says that it is ready."""
        now = self.scene.schedule.now
        return not any(fault.at <= now < fault.at + fault.seconds for fault in self._unready)

    @property
    def had_full_disk(self) -> bool:
        """Whether it ever came to that."""
        return any(full.at <= self.scene.schedule.now for full in self._full)

    def crash(self, away: float) -> None:
        """The process ends at once; it is started again later."""
        if self.process is not None:
            self.process.dead = True
        self.process = None
        self.trouble()
        self.scene.schedule.after(away, self.start)

    def ended(self, away: float) -> None:
        """The process has ended by itself; its supervisor starts it again."""
        self.process = None
        self.trouble()
        self.scene.schedule.after(away, self.start)

    def trouble(self) -> None:
        """Something happened that may cost it its claims."""
        self.troubles.append(max(self.scene.schedule.now, self.suspended_until))

    def _crash_if_planned(self, place: str, number: int) -> None:
        away = self._crashes.pop((place, number), None)
        if away is not None:
            self.crash(away)
            raise Crashed

    def _stop(self, fault: Stop) -> None:
        self.trouble()
        asleep = self.scene.schedule.now < self.suspended_until
        if self.process is not None and not asleep:  # a signal to a machine that sleeps is left out
            self.process.stop(fault.grace, fault.away)

    def _suspend(self, seconds: float) -> None:
        self.suspended_until = max(self.suspended_until, self.scene.schedule.now + seconds)
        self.trouble()

    def _readiness_changed(self) -> None:
        if self.process is not None:
            self.process.look_at_readiness()

    def _jump(self, seconds: float) -> None:
        self.clock.off += seconds


def empty_disk() -> sqlite3.Connection:
    """A disk with an outbox that has nothing in it."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _prepared().backup(connection)
    return connection


@cache
def _prepared() -> sqlite3.Connection:
    disk = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    prepare(disk)
    atexit.register(disk.close)
    return disk
