"""One loop's way to tasks: asks for as many as there is room for, and deals with what comes (R3, R4, R6, R9)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from prismq_worker_sdk.decide.claims import Ask, longest_wait, next_claim, recent, worth_repeating
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
from prismq_worker_sdk.worker.prefetch import ahead
from prismq_worker_sdk.worker.reservation import ClaimRequest, Reservation
from prismq_worker_sdk.worker.room import has_room
from prismq_worker_sdk.worker.services import Services
from prismq_worker_sdk.worker.task_path import Arrival, accept, arrive, refuse


class Claimer:
    """One loop's way to tasks: reserves their slots before it asks, and remembers what it request for (R4)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._partial_asked = False
        self.in_doubt: ClaimRequest | None = None
        """A claim whose answer was lost, where the server knows its request again."""

    def prepare(self, *, waits: bool) -> ClaimRequest | None:
        """What to claim now, its slots reserved; None when nothing can be.

        Args:
            waits: Whether the server may wait for work.
        """
        if self.in_doubt is not None:
            if self.worth_repeating(self.in_doubt):
                work = replace(self.in_doubt.work, wait_seconds=0.0)
                return replace(self.in_doubt, work=work, maybe_seen=True)
            self.release(self.in_doubt)
        return self._reserve(waits=waits)

    def _reserve(self, *, waits: bool) -> ClaimRequest | None:
        """A claim that was not sent yet, its slots reserved; None when there is no room."""
        services = self._services
        with services.shared.planning:
            plan = next_claim(
                free=services.slots.free,
                rooms=self._capacity(),
                max_tasks=services.can.max_tasks,
                claimed=services.accounting.claimed + services.slots.reserved,
                max_runs=services.config.max_runs,
                whole=self._partial_asked,
                ahead=0 if waits else ahead(services),
            )
            if not isinstance(plan, Ask) or not has_room(services):
                return None
            services.slots.reserve(plan.max_tasks)
            services.availability.reserve(plan.types, plan.max_tasks)
            self._partial_asked = plan.part
        waits = waits and not plan.part
        longest = longest_wait(services.can, services.config.poll_interval, services.rng.random())
        work = ClaimWork(
            services.worker_id,
            plan.types,
            max_tasks=plan.max_tasks,
            wait_seconds=longest if waits else 0.0,
            order=services.config.claim_order,
        )
        request_id = uuid.uuid4().hex if services.can.finds_claims else ""
        kept = Reservation(plan.max_tasks)
        return ClaimRequest(work, request_id, services.clock.monotonic(), kept, plan.part)

    def failed(self, request: ClaimRequest, failure: Failure) -> Failure:
        """There was no answer: the same claim is sent again where the server knows its request (R6)."""
        unknown = still_unknown(failure, before=self.in_doubt is not None)
        if unknown and request.request_id and self._services.lifecycle.running:
            self.in_doubt = request
        else:
            self.release(request)
        return failure

    def arrived(self, request: ClaimRequest, tasks: tuple[Grant | BadGrant, ...]) -> list[Arrival]:
        """The tasks of an answer that are new and have a slot; those that have none are given back (R4)."""
        services = self._services
        if services.server_status.answered():
            services.wakeups.deliver()
        return self._new(request, tasks)

    def accepted(
        self, request: ClaimRequest, arrivals: Sequence[Arrival], held: Sequence[HoldResult] | None = None
    ) -> int:
        """Starts what has arrived; how many tasks were taken on.

        Tasks that could not be taken on, or run here already, count as none, so that a worker in trouble does not empty
        the queue, nor ask without a pause.

        Args:
            held: What their holds gave, where they were made already.
        """
        if not request.work.wait_seconds and not request.maybe_seen:
            shared, now = self._services.shared, self._services.clock.monotonic()
            shared.exchange_seconds = recent(shared.exchange_seconds, now - request.sent_at)
        with request.reservation.lock:
            try:
                return self._take_on(request, arrivals, held)
            finally:
                self.release(request)

    def answered_again(self, request: ClaimRequest, tasks: tuple[Grant | BadGrant, ...]) -> None:
        """Starts what came with a repeat that was to end the wait of another loop's claim (R6, R9).

        Both answers may have the same tasks: what one of them brought is not new in the other. A repeat that comes
        when the wait is over claims by itself, and its tasks are taken on as those of a new claim.
        """
        with request.reservation.lock:
            if (
                request.reservation.open or not self._services.lifecycle.running
            ):  # a worker that stops gives them back, without slots
                self._take_on(request, self._new(request, tasks))
            elif new := request.reservation.know(tasks):
                self._take_on_anew(new, request.sent_at)

    def _take_on_anew(self, tasks: tuple[Grant | BadGrant, ...], sent_at: float) -> None:
        """Starts tasks that nothing is reserved for any more, as far as there is room for them now."""
        anew = self._reserve(waits=False)
        types = () if anew is None else anew.work.task_types
        fitting = tuple(grant for grant in tasks if isinstance(grant, Grant) and grant.task.type in types)
        if anew is not None:
            self._take_on(anew, arrive(self._services, fitting, sent_at))
            self._give_back(anew)
        refuse(self._services, [grant for grant in tasks if grant not in fitting], sent_at)

    def _new(self, request: ClaimRequest, tasks: tuple[Grant | BadGrant, ...]) -> list[Arrival]:
        services, kept = self._services, request.reservation
        with kept.lock:
            new = kept.know(tasks)
            most = (
                kept.left if services.lifecycle.running else len(new)
            )  # a worker that stops gives them back, without slots
        refuse(services, new[most:], request.sent_at)
        return arrive(services, new[:most], request.sent_at)

    def _take_on(
        self, request: ClaimRequest, arrivals: Sequence[Arrival], held: Sequence[HoldResult] | None = None
    ) -> int:
        """Starts tasks in the slots that are kept for them; how many were taken on."""
        started, settled = accept(self._services, arrivals, held)
        request.reservation.left -= started
        return started + settled

    def worth_repeating(self, request: ClaimRequest) -> bool:
        """Whether what an unanswered claim was given can still be begun (R5)."""
        services = self._services
        lease_seconds = services.can.lease_seconds or services.config.server_claim_timeout
        return worth_repeating(services.clock.monotonic() - request.sent_at, lease_seconds)

    def types(self) -> tuple[str, ...]:
        """The task types that may be claimed now."""
        return tuple(self._capacity())

    def _capacity(self) -> dict[str, int | None]:
        services, shared = self._services, self._services.shared
        runs = services.lifecycle.running and shared.command is WorkerCommand.RUN
        if not (runs and shared.stored_sent):
            return {}
        return services.availability.capacity(services.clock.monotonic())

    @property
    def full(self) -> bool:
        """Whether the disk keeps the worker from claiming."""
        return self._services.shared.disk_trouble is not None

    def release(self, request: ClaimRequest) -> None:
        """A claim is over: gives back the slots that it did not need."""
        self.in_doubt = None
        self._give_back(request)

    def _give_back(self, request: ClaimRequest) -> None:
        with request.reservation.lock:
            left, request.reservation.left, request.reservation.open = request.reservation.left, 0, False
            self._services.slots.unreserve(left)
            self._services.availability.reserve(request.work.task_types, -request.work.max_tasks)


def still_unknown(failure: Failure, *, before: bool) -> bool:
    """Whether a claim may have been given tasks that no answer has told.

    Args:
        before: Whether that was so before it was sent this time.
    """
    sent = before or (isinstance(failure, Unreachable) and failure.maybe_seen)
    return sent and not isinstance(failure, Rejected | ExtensionGone)
