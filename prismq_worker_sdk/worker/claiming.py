"""The claim loop: reserves slots, asks for tasks, and starts what comes (R3, R4, R9)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from prismq_worker_sdk.decide.claims import Ask, Pace, longest_wait, next_claim, pace_after, worth_repeating
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.calls import (
    BadGrant,
    ClaimWork,
    Exchange,
    Exchanged,
    Failure,
    Grant,
    Order,
    Rejected,
    Unreachable,
    Vanished,
)
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.outbox.store import HoldResult
from prismq_worker_sdk.worker.admission import Admission, admit, admit_unreadable, refuse, to_hold
from prismq_worker_sdk.worker.effects import Loop, Reply, Wait
from prismq_worker_sdk.worker.runtime import Runtime
from prismq_worker_sdk.worker.talking import talk

__all__ = ["Asked", "Claimer", "claim_loop"]

DISK_PAUSE = 5.0
"""Seconds before a full disk is looked at again."""

UNKNOWN_PAUSE = 60.0
"""Seconds before a type that the server does not know is asked for again."""

MOST_REPORTS = 100_000
MOST_BYTES = 1 << 30
"""What may wait in the outbox, in reports and in bytes, before nothing more is claimed."""

QUICK_ANSWER = 0.5
"""A wait on the server that ended sooner than this was no wait: the worker rests by itself."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A claim that is sent, and sent again until its answer is known (R6).

    Attributes:
        sent_at: Clock reading at its first sending (R5).
        part: Whether it leaves out types that have less room; another claim asks for them next.
        maybe_seen: Whether it was sent before without an answer.
    """

    work: ClaimWork
    request_id: str
    sent_at: float
    part: bool = False
    maybe_seen: bool = False


class Claimer:
    """One loop's way to tasks: reserves their slots before it asks, and remembers what it asked for (R4)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._told_full = False
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
        with runtime.planning:
            plan = next_claim(
                free=runtime.slots.free,
                rooms=self._rooms(),
                max_tasks=runtime.health.capabilities.max_tasks,
                claimed=runtime.ledger.claimed + runtime.slots.reserved,
                max_runs=runtime.config.max_runs,
                whole=self._part_asked,
            )
            if not isinstance(plan, Ask) or not self._has_room():
                return None
            runtime.slots.reserve(plan.max_tasks)
            runtime.gate.expect(plan.types, plan.max_tasks)
            self._part_asked = plan.part
        waits = waits and not plan.part
        longest = longest_wait(runtime.health.capabilities, runtime.config.poll_interval)
        work = ClaimWork(
            runtime.worker_id,
            plan.types,
            max_tasks=plan.max_tasks,
            wait_seconds=longest if waits else 0.0,
            order=runtime.config.claim_order,
        )
        request_id = uuid.uuid4().hex if runtime.health.capabilities.finds_claims else ""
        return Asked(work, request_id, runtime.clock.monotonic(), plan.part)

    def to_hold(self, asked: Asked, tasks: tuple[Grant | BadGrant, ...]) -> tuple[Claim | None, ...]:
        """The claims of an answer that can be held in one transaction, one place for each task."""
        wanted = tasks[: asked.work.max_tasks]
        return tuple(to_hold(self._runtime, grant, asked.sent_at) for grant in wanted)

    def answered(
        self,
        asked: Asked,
        tasks: tuple[Grant | BadGrant, ...] | Failure,
        early: Sequence[HoldResult | None] = (),
    ) -> int | Failure:
        """Starts what was handed out; how many tasks were taken on, or why there was no answer.

        Tasks that could not be taken on, or run here already, count as none, so that a worker in trouble does not empty
        the queue, nor ask without a pause.

        Args:
            early: What the holds gave that were made already, one place for each task; none unless given.
        """
        runtime = self._runtime
        if not isinstance(tasks, tuple):
            sent = self.unanswered is not None or (isinstance(tasks, Unreachable) and tasks.maybe_seen)
            final = isinstance(tasks, Rejected | Vanished)
            if sent and not final and asked.request_id and runtime.life.running:
                self.unanswered = asked
            else:
                self.forget(asked)
            return tasks
        used = lapsed = 0
        try:
            if runtime.contact.answered():
                runtime.wakes.deliver()
            for grant, held in zip_longest(tasks[: asked.work.max_tasks], early):
                admission = _start(runtime, grant, asked.sent_at, held)
                used += admission is Admission.STARTED
                lapsed += admission in {Admission.LAPSED, Admission.RUNS}
            for grant in tasks[asked.work.max_tasks :]:
                runtime.ledger.claim()
                refuse(runtime, grant, asked.sent_at)
        finally:
            self.forget(asked, used=used)
        return len(tasks) - lapsed

    @property
    def _lease_seconds(self) -> float:
        """How long what the server hands out lasts; as the settings say where it does not tell."""
        return self._runtime.health.capabilities.lease_seconds or self._runtime.config.server_claim_timeout

    def types(self) -> tuple[str, ...]:
        """The task types that may be claimed now."""
        return tuple(self._rooms())

    def _rooms(self) -> dict[str, int | None]:
        runtime = self._runtime
        if not runtime.stored_sent or not runtime.life.running or runtime.order is not Order.RUN:
            return {}
        return runtime.gate.rooms(runtime.clock.monotonic())

    @property
    def full(self) -> bool:
        """Whether the disk keeps the worker from claiming."""
        return self._told_full

    def forget(self, asked: Asked, *, used: int = 0) -> None:
        """Gives back the slots that a claim did not need."""
        self.unanswered = None
        self._runtime.slots.unreserve(asked.work.max_tasks - used)
        self._runtime.gate.expect(asked.work.task_types, -asked.work.max_tasks)

    def _has_room(self) -> bool:
        """Whether the disk has room for every result that may come (R12)."""
        lacking = _outbox_full(self._runtime) or _disk_lacks(self._runtime)
        if lacking is not None and not self._told_full:
            self._runtime.emit(Notice("error", lacking))
        self._told_full = lacking is not None
        self._runtime.disk_trouble = lacking
        return lacking is None


def claim_loop(runtime: Runtime) -> Loop:
    """Claims while the worker runs; ends when it drains, after the answer to the last claim is dealt with.

    The first claim waits until the reports of earlier processes were sent once (R27). While reports go out,
    claims go along with them, and this loop rests.
    """
    pace = Pace()
    claimer = Claimer(runtime)
    while runtime.life.running:
        if runtime.delivering and claimer.unanswered is None:
            yield Wait(None)
            continue
        if runtime.order is Order.QUIET:
            yield from _listen(runtime)
            continue
        asked = claimer.ask(waits=True)
        if asked is not None:
            pace = yield from _claim(runtime, claimer, asked, pace)
            if not asked.part or pace.failures:
                yield from _rest(runtime, pace.wait)
        elif claimer.full:
            yield from _rest(runtime, DISK_PAUSE)
        else:
            yield Wait(runtime.gate.next_change(runtime.clock.monotonic()))
    if (asked := claimer.ask(waits=False)) is not None:
        yield from _claim(runtime, claimer, asked, pace)


def _claim(runtime: Runtime, claimer: Claimer, asked: Asked, pace: Pace) -> Loop:
    """One claim, its tasks started; returns the pace."""
    call = Exchange(claim=asked.work, request_id=asked.request_id, maybe_seen=asked.maybe_seen)
    begun = runtime.clock.monotonic()
    runtime.waiting = call if asked.work.wait_seconds else None
    try:
        reply = yield from talk(runtime, call)
    except BaseException:
        claimer.forget(asked)
        raise
    finally:
        runtime.waiting = None
    _pause_unknown(runtime, reply)
    answer = claimer.answered(asked, _tasks(reply))
    if answer == 0 and asked.work.wait_seconds and runtime.clock.monotonic() - begun > QUICK_ANSWER:
        return Pace()
    pace = pace_after(pace, answer, poll_interval=runtime.config.poll_interval, jitter=runtime.dice.random())
    if not isinstance(answer, int):
        runtime.contact.failed(answer, pace.wait)
    return pace


def _pause_unknown(runtime: Runtime, reply: Reply) -> None:
    """Types that the server does not know are asked for again later: somebody may register them."""
    for name in reply.unknown_types if isinstance(reply, Exchanged) else ():
        reason = "the TaskManager does not know this type; register it (prismq-worker plugins --publish)"
        runtime.gate.pause(name, UNKNOWN_PAUSE, reason, now=runtime.clock.monotonic())


def _listen(runtime: Runtime) -> Loop:
    """Asks the server whether it still wants this worker quiet (R40)."""
    reply = yield from talk(runtime, Exchange())
    if isinstance(reply, Exchanged):
        runtime.contact.answered()
    if runtime.order is Order.QUIET:
        yield from _rest(runtime, runtime.config.poll_interval)


def _tasks(reply: Reply) -> tuple[Grant | BadGrant, ...] | Failure:
    match reply:
        case Exchanged(tasks=tasks):
            return tasks
        case None:
            raise ValueError("a claim was answered with nothing at all")
        case _:
            return reply  # type: ignore[return-value]  # Healthy never answers an Exchange


def _start(runtime: Runtime, grant: Grant | BadGrant, sent_at: float, early: HoldResult | None) -> Admission:
    runtime.ledger.claim()
    try:
        if isinstance(grant, BadGrant):
            return admit_unreadable(runtime, grant)
        return admit(runtime, grant, sent_at, early)
    finally:
        runtime.wakes.supervise()


def _rest(runtime: Runtime, seconds: float) -> Loop:
    """Waits the whole time, however often something else changes, unless the worker stops."""
    until = runtime.clock.monotonic() + seconds
    while runtime.life.running and (left := until - runtime.clock.monotonic()) > 0:
        yield Wait(left)


def _outbox_full(runtime: Runtime) -> str | None:
    """Why nothing more can be stored without a verdict for what waits; None while it can."""
    waiting = runtime.ledger.waiting
    if waiting >= MOST_REPORTS:
        return f"{waiting} reports wait for the server; nothing is claimed until some of them are delivered"
    if runtime.stored_bytes() < MOST_BYTES:  # a look at the file costs less than a question to the outbox
        return None
    try:
        used = runtime.outbox.used_bytes()
    except OutboxError as error:
        return str(error)
    if used < MOST_BYTES:
        return None
    return (
        f"the outbox holds {used // 2**20} MiB; nothing is claimed until reports are delivered, or parked ones are "
        "dropped (prismq-worker outbox list)"
    )


def _disk_lacks(runtime: Runtime) -> str | None:
    """Why there is no room for the results of every slot; None when there is (R12)."""
    needed = runtime.config.concurrency * runtime.health.capabilities.max_result_bytes
    try:
        free = runtime.free_bytes()
    except OSError as error:
        return f"the state folder cannot be looked at ({error}); nothing is claimed until it can"
    if free >= needed:
        return None
    return (
        f"the disk of the state folder has {free // 2**20} MiB left, {needed // 2**20} MiB are needed for the "
        "results of every slot; nothing is claimed until there is room"
    )
