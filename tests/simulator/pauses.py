"""Pauses of a limit that handlers asked for: the server is told of every one, unless its worker is killed before."""

from __future__ import annotations

from collections.abc import Iterator

from prismq_worker_sdk.worker.services import Services
from tests.simulator.host import Worker
from tests.simulator.scene import LIMIT, Scene
from tests.simulator.trouble import Trouble

Finding = tuple[str, str]
ROUNDING = 1e-6


class PausedLimits:
    """What each worker has to tell."""

    def __init__(self, scene: Scene, trouble: Trouble) -> None:
        self._scene, self._trouble = scene, trouble
        self._asked: dict[Worker, tuple[float, float, int]] = {}

    def asked(self, process: Worker, seconds: float) -> None:
        """A handler pauses the limit; where the server has none, that is its worker's own affair."""
        if process.services is None or not process.services.can.limits:
            return
        now, seen = self._scene.schedule.now, self._scene.network.disturbed[process.host.number]
        until, _, _ = self._asked.get(process, (0.0, 0.0, 0))
        self._asked[process] = (max(until, now + seconds), now, seen)

    def exited(self, process: Worker, services: Services, calm: float) -> Iterator[Finding]:
        """A worker has ended.

        Args:
            calm: Seconds in which an undisturbed worker has told what it knows.
        """
        if process not in self._asked:
            return
        until, at, seen = self._asked[process]
        now = self._scene.schedule.now
        if services.pauses.due(now):
            if at < now - calm and not self._trouble.may_excuse(process, at, seen, most=0):
                yield (
                    "limits",
                    f"{process.worker_id} ends and has not told of a pause that began at {at:.3f} s",
                )
        elif self._scene.server.paused.get(LIMIT, 0.0) < until - ROUNDING:
            yield "limits", f"a pause until {until:.3f} s counts as told, and the server does not know it"
