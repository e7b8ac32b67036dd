"""What must hold of tasks that wait for a slot: few, for short, and none begins that must not (R4, R5, R7, R36)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from prismq_worker_sdk.worker.attempt import Attempt, Prefetched
from prismq_worker_sdk.worker.prefetch import LONGEST_WAIT
from prismq_worker_sdk.worker.services import Services
from tests.simulator.host import Worker
from tests.simulator.scene import Scene

SECOND = 1.1
"""A second between two looks at what waits for a slot, and a moment."""

A_MOMENT = 0.1

Breach: TypeAlias = tuple[str, str]
"""The rule, and what breaks it."""


class PrefetchedTasks:
    """What waited for a slot, in every process.

    Attributes:
        seen: Attempts that waited for a slot.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.seen: set[Attempt] = set()
        self._stopped_at: dict[Worker, float] = {}

    def wait(self, attempts: Iterable[Attempt]) -> None:
        """Tasks wait for a slot."""
        self.seen.update(attempts)

    def stopped(self, process: Worker) -> None:
        """A worker is told to stop."""
        self._stopped_at.setdefault(process, self._scene.schedule.now)

    def step(self, process: Worker, services: Services) -> Iterator[Breach]:
        """A loop of a worker made a step."""
        slots, now = services.slots, self._scene.schedule.now
        most = process.config.concurrency if self._scene.server.exchange else 0
        if slots.free < -most or len(slots.prefetched) > most:
            yield "R4", f"{process.worker_id} has claimed more than it has slots for"
        stopped = now - self._stopped_at.get(process, now) > A_MOMENT
        for attempt in slots.prefetched:
            since = attempt.state.since if isinstance(attempt.state, Prefetched) else now
            disturbed = any(at >= since for at in process.host.troubles)
            if now - since > LONGEST_WAIT + SECOND and not disturbed:
                yield "R4", f"{attempt.ref.task_id} waits in {process.worker_id} for a slot, and not briefly"
            if stopped and not process.host.suspended_until > now - 1:
                yield "R36", f"{attempt.ref.task_id} waits in {process.worker_id}, which is stopped"

    def begins(self, process: Worker, attempt: Attempt) -> Iterator[Breach]:
        """A handler begins."""
        if attempt not in self.seen:
            return
        task = attempt.claim.task.id
        if process in self._stopped_at:
            yield "R36", f"{task} waited for a slot and is begun by {process.worker_id}, which is stopped"
        if self._scene.schedule.now >= attempt.claim.expires_at:
            yield "R5", f"{task} is begun after its claim ran out, which it waited for"
