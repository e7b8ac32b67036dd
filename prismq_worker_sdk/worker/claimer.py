"""One loop's way to tasks: asks for as many as there is room for, and deals with what comes (R3, R4, R6, R9)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from prismq_worker_sdk.decide.claims import Ask, longest_wait, next_claim, worth_repeating
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ClaimWork,
    ExtensionGone,
    Failure,
    Grant,
    Rejected,
    Unreachable,
    WorkerCommand,
)
from prismq_worker_sdk.outbox.store import HoldResult
from prismq_worker_sdk.worker.reservation import Asked, Reservation
from prismq_worker_sdk.worker.room import has_room
from prismq_worker_sdk.worker.services import Runtime
from prismq_worker_sdk.worker.task_path import Arrival, accept, arrive, refuse


class Claimer:
    """One loop's way to tasks: reserves their slots before it asks, and remembers what it asked for (R4)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._part_asked = False
        self.unanswered: Asked | None = None
        """A claim whose answer was lost, where the server knows its request again."""

    def ask(self, *, waits: bool) -> Asked | None:
        """What to claim now, its slots reserved; None when nothing can be.

        Args:
            waits: Whether the server may wait for work.
        """
        runtime = self._runtime
        if self.unanswered is not None:
            age = runtime.clock.monotonic() - self.unanswered.sent_at
            if worth_repeating(age, self._lease_seconds):
                work = replace(self.unanswered.work, wait_seconds=0.0)
                return replace(self.unanswered, work=work, maybe_seen=True)
            self.forget(self.unanswered)
        return self._reserve(waits=waits)

    def _reserve(self, *, waits: bool) -> Asked | None:
        """A claim that was not sent yet, its slots reserved; None when there is no room."""
        runtime = self._runtime
        with runtime.planning:
            plan = next_claim(
                free=runtime.slots.free,
                rooms=self._rooms(),
                max_tasks=runtime.health.capabilities.max_tasks,
                claimed=runtime.ledger.claimed + runtime.slots.reserved,
                max_runs=runtime.config.max_runs,
                whole=self._part_asked,
            )
            if not isinstance(plan, Ask) or not has_room(runtime):
                return None
            runtime.slots.reserve(plan.max_tasks)
            runtime.gate.expect(plan.types, plan.max_tasks)
            self._part_asked = plan.part
        waits = waits and not plan.part
        longest = longest_wait(
            runtime.health.capabilities, runtime.config.poll_interval, runtime.dice.random()
        )
        work = ClaimWork(
            runtime.worker_id,
            plan.types,
            max_tasks=plan.max_tasks,
            wait_seconds=longest if waits else 0.0,
            order=runtime.config.claim_order,
        )
        request_id = uuid.uuid4().hex if runtime.health.capabilities.finds_claims else ""
        kept = Reservation(plan.max_tasks)
        return Asked(work, request_id, runtime.clock.monotonic(), kept, plan.part)

    def failed(self, asked: Asked, failure: Failure) -> Failure:
        """There was no answer: the same claim is sent again where the server knows its request (R6)."""
        sent = self.unanswered is not None or (isinstance(failure, Unreachable) and failure.maybe_seen)
        final = isinstance(failure, Rejected | ExtensionGone)
        if sent and not final and asked.request_id and self._runtime.life.running:
            self.unanswered = asked
        else:
            self.forget(asked)
        return failure

    def arrived(self, asked: Asked, tasks: tuple[Grant | BadGrant, ...]) -> list[Arrival]:
        """The tasks of an answer that are new and have a slot; those that have none are given back (R4)."""
        runtime = self._runtime
        if runtime.contact.answered():
            runtime.wakes.deliver()
        return self._new(asked, tasks)

    def accepted(
        self, asked: Asked, arrivals: Sequence[Arrival], held: Sequence[HoldResult] | None = None
    ) -> int:
        """Starts what has arrived; how many tasks were taken on.

        Tasks that could not be taken on, or run here already, count as none, so that a worker in trouble does not empty
        the queue, nor ask without a pause.

        Args:
            held: What their holds gave, where they were made already.
        """
        with asked.kept.lock:
            try:
                return self._take_on(asked, arrivals, held)
            finally:
                self.forget(asked)

    def answered_again(self, asked: Asked, tasks: tuple[Grant | BadGrant, ...]) -> None:
        """Starts what came with a repeat that was to end the wait of another loop's claim (R6, R9).

        Both answers may have the same tasks: what one of them brought is not new in the other. A repeat that comes
        when the wait is over claims by itself, and its tasks are taken on as those of a new claim.
        """
        with asked.kept.lock:
            if (
                asked.kept.open or not self._runtime.life.running
            ):  # a worker that stops gives them back, without slots
                self._take_on(asked, self._new(asked, tasks))
            elif new := asked.kept.know(tasks):
                self._take_on_anew(new, asked.sent_at)

    def _take_on_anew(self, tasks: tuple[Grant | BadGrant, ...], sent_at: float) -> None:
        """Starts tasks that nothing is reserved for any more, as far as there is room for them now."""
        anew = self._reserve(waits=False)
        types = () if anew is None else anew.work.task_types
        fitting = tuple(grant for grant in tasks if isinstance(grant, Grant) and grant.task.type in types)
        if anew is not None:
            self._take_on(anew, arrive(self._runtime, fitting, sent_at))
            self._give_back(anew)
        refuse(self._runtime, [grant for grant in tasks if grant not in fitting], sent_at)

    def _new(self, asked: Asked, tasks: tuple[Grant | BadGrant, ...]) -> list[Arrival]:
        runtime, kept = self._runtime, asked.kept
        with kept.lock:
            new = kept.know(tasks)
            most = (
                kept.left if runtime.life.running else len(new)
            )  # a worker that stops gives them back, without slots
        refuse(runtime, new[most:], asked.sent_at)
        return arrive(runtime, new[:most], asked.sent_at)

    def _take_on(
        self, asked: Asked, arrivals: Sequence[Arrival], held: Sequence[HoldResult] | None = None
    ) -> int:
        """Starts tasks in the slots that are kept for them; how many were taken on."""
        started, settled = accept(self._runtime, arrivals, held)
        asked.kept.left -= started
        return started + settled

    @property
    def _lease_seconds(self) -> float:
        """How long what the server hands out lasts; as the settings say where it does not tell."""
        return self._runtime.health.capabilities.lease_seconds or self._runtime.config.server_claim_timeout

    def types(self) -> tuple[str, ...]:
        """The task types that may be claimed now."""
        return tuple(self._rooms())

    def _rooms(self) -> dict[str, int | None]:
        runtime = self._runtime
        if not runtime.stored_sent or not runtime.life.running or runtime.command is not WorkerCommand.RUN:
            return {}
        return runtime.gate.rooms(runtime.clock.monotonic())

    @property
    def full(self) -> bool:
        """Whether the disk keeps the worker from claiming."""
        return self._runtime.disk_trouble is not None

    def forget(self, asked: Asked) -> None:
        """A claim is over: gives back the slots that it did not need."""
        self.unanswered = None
        self._give_back(asked)

    def _give_back(self, asked: Asked) -> None:
        with asked.kept.lock:
            left, asked.kept.left, asked.kept.open = asked.kept.left, 0, False
            self._runtime.slots.unreserve(left)
            self._runtime.gate.expect(asked.work.task_types, -asked.work.max_tasks)
