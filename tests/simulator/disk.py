"""The real outbox on a simulated disk, and what the watch is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from prismq_worker_sdk.decide.delivery import Judgement
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.outbox import left_behind
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.store import ClaimEnd, Commit, HoldResult
from prismq_worker_sdk.outbox.transactions import Operation, Then
from prismq_worker_sdk.worker.room import Space
from tests.simulator.actor import Crashed
from tests.simulator.host import Host, Worker
from tests.simulator.watch import Watch

T = TypeVar("T")
ROOM = 1 << 40


class _Disk:
    """The transactions of one process on its host's disk; disks of the simulator fill up, they do not break."""

    damage: str | None = None
    trouble: str | None = None

    def __init__(self, process: Worker) -> None:
        self._process = process

    def run(
        self,
        operation: Operation[T],
        *,
        within: float | None = None,
        then: Then[T] | None = None,
        here: bool = False,
    ) -> T:
        found = self._process.host.transact(self._process, operation)
        if then is not None:
            then(found)
        return found

    def close(self) -> None:
        """The disk stays."""


class SimulatedRoom:
    """A disk has all the room there is, or none."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def look(self) -> Space:
        """Free space for more."""
        return Space(free=0 if self._host.disk_is_full else ROOM)

    def empty_log(self) -> str | None:
        """Nothing to do."""
        return None


class SimulatedOutbox(Outbox):
    """The real outbox, watched."""

    def __init__(self, process: Worker, watch: Watch) -> None:
        super().__init__(_Disk(process), process.host.clock, None)
        self._process = process
        self._watch = watch

    def of(self, server: str) -> Outbox:
        """There is one server."""
        self._server = server
        return self

    def end(self, *ends: ClaimEnd) -> list[bool]:
        """Ends claims."""
        first = super().end(*ends)
        for end, is_first in zip(ends, first, strict=True):
            if isinstance(end, Commit) and end.held and is_first:
                self._watch.committed(self._process, end.identity, end.outcome)
        return first

    def settle_and_hold(
        self, judged: Sequence[tuple[Report, Judgement, float]], claims: Sequence[Claim]
    ) -> tuple[list[bool], list[HoldResult]]:
        """Stores the verdicts of an answer and then holds its tasks."""
        try:
            done, held = super().settle_and_hold(judged, claims)
        except Crashed:
            self._count_holds(claims)
            raise
        for (report, judgement, _), changed in zip(judged, done, strict=True):
            if changed:
                self._watch.judged(self._process, report, judgement)
        for claim, found in zip(claims, held, strict=True):
            self._watch.held(self._process, claim, found)
        return done, held

    def _count_holds(self, claims: Sequence[Claim]) -> None:
        """The process ended just after its transaction: what it held counts all the same."""
        on_disk = {held for held, *_ in self._process.host.disk.run(lambda db: left_behind.holds(db, None))}
        for claim in claims:
            self._watch.holds[claim.task.id] += claim.identity in on_disk
