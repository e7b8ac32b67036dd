"""The real outbox on a simulated disk, and what the watch is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from prismq_worker_sdk.decide.delivery import Judgement
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.outcome import Child, Outcome
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.outbox import store
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.store import HoldResult
from prismq_worker_sdk.outbox.transactions import Operation
from tests.simulator.actor import Crashed
from tests.simulator.host import Worker
from tests.simulator.watch import Watch

T = TypeVar("T")


class _Disk:
    """The transactions of one process on its host's disk; disks of the simulator fill up, they do not break."""

    damage: str | None = None
    trouble: str | None = None

    def __init__(self, process: Worker) -> None:
        self._process = process

    def run(self, operation: Operation[T], *, within: float | None = None) -> T:
        return self._process.host.transact(self._process, operation)

    def close(self) -> None:
        """The disk stays."""


class SimulatedOutbox(Outbox):
    """The real outbox, watched."""

    def __init__(self, process: Worker, watch: Watch) -> None:
        super().__init__(_Disk(process), process.host.clock, None)
        self._process = process
        self._watch = watch

    def hold(self, claim: Claim) -> HoldResult:
        """Writes a claim down, or answers it."""
        try:
            found = super().hold(claim)
        except Crashed:
            self._count_holds([claim])
            raise
        self._watch.held(self._process, claim, found)
        return found

    def commit(
        self,
        identity: Identity,
        outcome: Outcome,
        *,
        children: Sequence[Child] = (),
        attempt: int | None = None,
        maybe_seen: bool = False,
        wait: float = 0.0,
    ) -> bool:
        """The commit point."""
        first = super().commit(
            identity, outcome, children=children, attempt=attempt, maybe_seen=maybe_seen, wait=wait
        )
        if first:
            self._watch.committed(self._process, identity, outcome)
        return first

    def settle_and_hold(
        self, judged: Sequence[tuple[Report, Judgement, float]], claims: Sequence[Claim | None]
    ) -> tuple[list[bool], list[HoldResult | None]]:
        """Stores the verdicts of an answer and then holds its tasks."""
        try:
            done, held = super().settle_and_hold(judged, claims)
        except Crashed:
            self._count_holds([claim for claim in claims if claim is not None])
            raise
        for (report, judgement, _), changed in zip(judged, done, strict=True):
            if changed:
                self._watch.judged(self._process, report, judgement)
        for claim, found in zip(claims, held, strict=True):
            if claim is not None and found is not None:
                self._watch.held(self._process, claim, found)
        return done, held

    def _count_holds(self, claims: Sequence[Claim]) -> None:
        """The process ended just after its transaction: what it held counts all the same."""
        on_disk = {held for held, _ in self._process.host.disk.run(lambda db: store.holds(db, None))}
        for claim in claims:
            self._watch.holds[claim.task.id] += claim.identity in on_disk
