"""What may cost a worker its claims: a breach that may follow from it is no finding."""

from __future__ import annotations

from tests.simulator.host import Worker
from tests.simulator.scene import Scene


class Trouble:
    """What happened to the workers and to their requests."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    @property
    def tells_apart(self) -> bool:
        """Whether a request that comes twice cannot end a later claim: a base server knows worker ids only."""
        return self._scene.network.plain or self._scene.plan.dialect != "base"

    def may_excuse(self, process: Worker, since: float, seen: int, *, most: int) -> bool:
        """Whether something happened to a worker since then that may cost it a claim.

        Args:
            since: Simulated time, seconds.
            seen: How many requests of its machine had gone wrong by then.
            most: How many more may go wrong.
        """
        host, network = process.host, self._scene.network
        return (
            process.dead
            or not self.tells_apart
            or any(at >= since for at in host.troubles)
            or network.disturbed[host.number] - seen > most
            or not network.undisturbed(host.number, since)
        )

    def last(self, process: Worker) -> float:
        """When the last of it is over."""
        return max((*process.host.troubles, self._scene.plan.healed_at))
