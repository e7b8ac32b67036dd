"""The claim loop: reserves slots, asks for as many tasks as find room, starts what comes (R3, R4, R6, R9)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from prismq_worker_sdk.decide.claims import (
    Pace,
    lanes,
    longest_wait,
    next_claim,
    pace_after,
    prefetch,
    recent,
    window_after,
    worth_repeating,
)
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ClaimWork,
    ExchangeRequest,
    ExchangeResponse,
    ExtensionGone,
    Failure,
    Grant,
    Rejected,
    Unreachable,
    WorkerCommand,
)
from prismq_worker_sdk.outbox.store import HoldResult
from prismq_worker_sdk.worker.driver import Loop, Wait, exchange
from prismq_worker_sdk.worker.room import why_full
from prismq_worker_sdk.worker.services import Services
from prismq_worker_sdk.worker.shared import ClaimRequest
from prismq_worker_sdk.worker.standing_by import listen, rest, stand_by
from prismq_worker_sdk.worker.task_path import Arrival, accept, arrive, refuse

QUICK_ANSWER = 0.5
"""A wait on the server that ended sooner than this was no wait: the worker rests by itself."""


def claim_loop(services: Services, lane: int = 0) -> Loop:
    """Claims while the worker runs; ends when it drains, after the answer to the last claim is dealt with.

    The first claim waits until the reports of earlier processes were sent once (R27). While reports go out,
    claims go along with them, and this loop rests.

    Args:
        lane: Its number among several; all but the first claim only while claims bring work, and never wait on the
            server: one wait at a time can be ended.
    """
    pace, word_at = Pace(), None
    claimer = Claimer(services)
    while services.lifecycle.running:
        if claimer.in_doubt is None and (services.shared.delivering or lane >= services.shared.claim_window):
            yield Wait(None)
            continue
        if services.shared.command is WorkerCommand.QUIET and lane == 0:
            yield from listen(services)
            continue
        request = claimer.prepare(waits=lane == 0)
        if request is not None:
            word_at = None
            if services.shared.claim_window > 1 and services.slots.free:
                services.wakeups.claim()  # whose turn it is: this loop has enough to do
            pace = yield from _claim(services, claimer, request, pace)
            if lane:
                services.wakeups.claim()  # the slot that was kept may be free again: the first lane asks on
                pace = pace if pace.failures or pace.conflicts else Pace()
            if not request.part or pace.failures:
                yield from rest(services, pace.wait)
        else:
            word_at = yield from stand_by(services, word_at)
    if (request := claimer.prepare(waits=False)) is not None:
        yield from _claim(services, claimer, request, pace)


def _claim(services: Services, claimer: Claimer, request: ClaimRequest, pace: Pace) -> Loop:
    """One claim, its tasks started; returns the pace."""
    call = ExchangeRequest(claim=request.work, request_id=request.request_id, maybe_seen=request.maybe_seen)
    begun = services.clock.monotonic()
    if request.work.wait_seconds:
        services.shared.waiting = request
    try:
        reply = yield from exchange(services, call)
    except BaseException:
        claimer.release(request)
        raise
    finally:
        if services.shared.waiting is request:
            services.shared.waiting = None
    tasks = reply.tasks if isinstance(reply, ExchangeResponse) else reply
    if isinstance(tasks, tuple):
        answer: int | Failure = claimer.accepted(request, claimer.arrived(request, tasks))
    else:
        answer = claimer.failed(request, tasks)
    if answer == 0 and request.work.wait_seconds and services.clock.monotonic() - begun > QUICK_ANSWER:
        return Pace()
    window = services.shared.claim_window
    most = lanes(services.can, services.config.concurrency)
    services.shared.claim_window = window_after(window, answer, most)
    pace = pace_after(pace, answer, poll_interval=services.config.poll_interval, jitter=services.rng.random())
    if services.shared.claim_window > window:
        services.wakeups.claim()
    if not isinstance(answer, int):
        services.server_status.failed(answer, pace.wait)
    return pace


def claim_apart(services: Services) -> None:
    """Claims go along with reports no more: the claim loop claims by itself again."""
    if services.shared.delivering:
        services.shared.delivering = False
        services.wakeups.claim()


class Claimer:
    """What one loop remembers of its claims, be it the claim loop or the delivery loop, whose calls take claims along.

    Attributes:
        in_doubt: A claim whose answer was lost, where the server knows its request again.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._partial_asked = False
        self.in_doubt: ClaimRequest | None = None

    def prepare(self, *, waits: bool) -> ClaimRequest | None:
        """What to claim now, its slots reserved; None when nothing can be.

        Args:
            waits: Whether the server may wait for work.
        """
        if (again := self.in_doubt) is not None:
            if self.worth_repeating(again):
                again.work, again.maybe_seen = replace(again.work, wait_seconds=0.0), True
                return again
            self.release(again)
        return self._reserve(waits=waits)

    def _reserve(self, *, waits: bool) -> ClaimRequest | None:
        """A claim that was not sent yet, its slots reserved; None when there is no room."""
        services = self._services
        with services.shared.planning:
            rooms, free, reserved = self.rooms(), services.slots.free, services.slots.reserved
            longest = 0.0
            if waits:
                longest = longest_wait(services.can, services.config.poll_interval, services.rng.random())
            plan = next_claim(
                free=free,
                rooms=rooms,
                max_tasks=services.can.max_tasks,
                claimed=services.accounting.claimed + reserved,
                max_runs=services.config.max_runs,
                whole=self._partial_asked,
                ahead=0 if waits else ahead(services),
            )
            if plan is None:
                return None
            shared, told = services.shared, services.shared.disk_trouble is not None
            needed = services.config.concurrency * services.can.max_result_bytes
            waiting = services.accounting.waiting
            shared.disk_trouble = why_full(services.disk, services.outbox, waiting=waiting, needed=needed)
            if shared.disk_trouble is not None:
                if not told:
                    services.emit(Notice("error", shared.disk_trouble))
                return None
            services.slots.reserve(plan.types, plan.max_tasks)
            self._partial_asked = plan.part
        work = ClaimWork(
            services.worker_id,
            plan.types,
            max_tasks=plan.max_tasks,
            wait_seconds=0.0 if plan.part else longest,
            order=services.config.claim_order,
        )
        request_id = uuid.uuid4().hex if services.can.finds_claims else ""
        return ClaimRequest(work, request_id, services.clock.monotonic(), plan.max_tasks, plan.part)

    def rooms(self) -> dict[str, int | None]:
        """The task types that may be claimed now, and how many tasks of each may start: None for as many as come."""
        services, shared = self._services, self._services.shared
        runs = services.lifecycle.running and shared.command is WorkerCommand.RUN
        if not (runs and shared.stored_sent):
            return {}
        now = services.clock.monotonic()
        return services.slots.rooms(services.availability.open(now), now)

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
        arrivals = self._arrivals(request, tasks)
        if self._services.server_status.answered():
            self._services.wakeups.deliver()
        return arrivals

    def accepted(
        self, request: ClaimRequest, arrivals: Sequence[Arrival], held: Sequence[HoldResult] | None = None
    ) -> int:
        """Starts what has arrived; how many tasks were taken on.

        Tasks that could not be taken on, or run here already, count as none, so that a worker in trouble does not empty
        the queue, nor ask without a pause.

        Args:
            held: What their holds gave, where they were made already.
        """
        if arrivals and not request.work.wait_seconds and not request.maybe_seen:
            shared, now = self._services.shared, self._services.clock.monotonic()
            shared.exchange_seconds = recent(shared.exchange_seconds, now - request.sent_at)
        with request.lock:
            try:
                return self._take_on(request, arrivals, held)
            finally:
                self.release(request)

    def answered_again(self, request: ClaimRequest, tasks: tuple[Grant | BadGrant, ...]) -> None:
        """Starts what came with a repeat that was to end the wait of another loop's claim (R6, R9).

        Both answers may have the same tasks: what one of them brought is not new in the other. A repeat that comes
        when the wait is over claims by itself, and its tasks are taken on as those of a new claim.
        """
        with request.lock:
            # a worker that stops gives them back, without slots
            if request.open or not self._services.lifecycle.running:
                self._take_on(request, self._arrivals(request, tasks))
            elif new := _new(request, tasks):
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

    def _arrivals(self, request: ClaimRequest, tasks: tuple[Grant | BadGrant, ...]) -> list[Arrival]:
        services = self._services
        with request.lock:
            new = _new(request, tasks)
            # a worker that stops gives them back, without slots
            most = request.slots_left if services.lifecycle.running else len(new)
        if len(new) > most:
            refuse(services, new[most:], request.sent_at)
        return arrive(services, new[:most], request.sent_at) if new else []

    def _take_on(
        self, request: ClaimRequest, arrivals: Sequence[Arrival], held: Sequence[HoldResult] | None = None
    ) -> int:
        """Starts tasks in the slots that are kept for them; how many were taken on."""
        started, settled = accept(self._services, arrivals, held) if arrivals else (0, 0)
        request.slots_left -= started
        return started + settled

    def worth_repeating(self, request: ClaimRequest) -> bool:
        """Whether what an unanswered claim was given can still be begun (R5)."""
        services = self._services
        lease_seconds = services.can.lease_seconds or services.config.server_claim_timeout
        return worth_repeating(services.clock.monotonic() - request.sent_at, lease_seconds)

    def release(self, request: ClaimRequest) -> None:
        """A claim is over: gives back the slots that it did not need."""
        self.in_doubt = None
        self._give_back(request)

    def _give_back(self, request: ClaimRequest) -> None:
        with request.lock:
            left, request.slots_left, request.open = request.slots_left, 0, False
            self._services.slots.unreserve(request.work.task_types, request.work.max_tasks, left=left)


def ahead(services: Services) -> int:
    """How many tasks may wait for a slot: none where giving one back costs it an attempt, or their results no disk."""
    can, config, shared = services.can, services.config, services.shared
    if config.prefetch == "off" or not (can.releases and can.renews):
        return 0
    wanted = prefetch(
        config.concurrency, handler_seconds=shared.handler_seconds, exchange_seconds=shared.exchange_seconds
    )
    if not wanted:
        return 0
    try:
        results = services.disk.look().free // can.max_result_bytes
    except OSError:
        return 0
    return min(wanted, max(0, results - config.concurrency))


def _new(request: ClaimRequest, tasks: tuple[Grant | BadGrant, ...]) -> tuple[Grant | BadGrant, ...]:
    """Those tasks that no answer to the claim had before: a task's token tells, where there is one."""
    new = tuple(one for one in tasks if one.token is None or one.token not in request.tokens)
    request.tokens.update(one.token for one in new if one.token is not None)
    return new


def still_unknown(failure: Failure, *, before: bool) -> bool:
    """Whether a claim may have been given tasks that no answer has told.

    Args:
        before: Whether that was so before it was sent this time.
    """
    sent = before or (isinstance(failure, Unreachable) and failure.maybe_seen)
    return sent and not isinstance(failure, Rejected | ExtensionGone)
