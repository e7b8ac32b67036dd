"""The claim loop: reserves slots, asks for tasks, and starts what comes (R3, R4, R9)."""

from __future__ import annotations

from prismq_worker_sdk.decide.claims import Ask, Hold, Pace, next_claim, pace_after
from prismq_worker_sdk.model.calls import BadGrant, ClaimWork, Exchange, Exchanged, Failure, Grant
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.worker.admission import Admission, admit, admit_unreadable
from prismq_worker_sdk.worker.effects import Call, Loop, Reply, Wait
from prismq_worker_sdk.worker.runtime import Runtime

__all__ = ["claim_loop"]

DISK_PAUSE = 5.0
"""Seconds before a full disk is looked at again."""


def claim_loop(runtime: Runtime) -> Loop:
    """Claims while the worker runs; ends when it drains, after the answer to the last claim is dealt with.

    The first claim waits until the reports of earlier processes were sent once (R27).
    """
    pace = Pace()
    told_full = False
    while runtime.life.running:
        now = runtime.clock.monotonic()
        types = runtime.gate.claimable(now) if runtime.stored_sent else ()
        plan = next_claim(
            free=runtime.slots.free,
            types=len(types),
            max_tasks=runtime.health.capabilities.max_tasks,
            claimed=runtime.ledger.claimed,
            max_runs=runtime.config.max_runs,
        )
        match plan:
            case Hold():
                yield Wait(runtime.gate.next_change(now))
            case Ask() if (lacking := _disk_lacks(runtime)) is not None:
                if not told_full:
                    runtime.emit(Notice("error", lacking))
                told_full = True
                yield from _rest(runtime, DISK_PAUSE)
            case Ask(max_tasks=number):
                told_full = False
                pace = yield from _claim(runtime, types, number, pace)
                yield from _rest(runtime, pace.wait)


def _claim(runtime: Runtime, types: tuple[str, ...], number: int, pace: Pace) -> Loop:
    """One claim, its tasks started; returns the pace.

    Tasks that could not be taken on count as none, so that a worker in trouble does not empty the queue.
    """
    work = ClaimWork(
        runtime.worker_id,
        types,
        max_tasks=number,
        wait_seconds=runtime.health.capabilities.max_wait_seconds,
    )
    runtime.slots.reserve(number)
    used = lapsed = 0
    try:
        sent_at = runtime.clock.monotonic()
        reply = yield Call(Exchange(claim=work))
        tasks = _tasks(reply)
        if isinstance(tasks, tuple):
            runtime.contact.answered()
            for grant in tasks:
                admission = _start(runtime, grant, sent_at)
                used += admission is Admission.STARTED
                lapsed += admission is Admission.LAPSED
    finally:
        runtime.slots.unreserve(number - used)
    answer = len(tasks) - lapsed if isinstance(tasks, tuple) else tasks
    pace = pace_after(pace, answer, poll_interval=runtime.config.poll_interval, jitter=runtime.dice.random())
    if not isinstance(tasks, tuple):
        runtime.contact.failed(tasks, pace.wait)
    return pace


def _tasks(reply: Reply) -> tuple[Grant | BadGrant, ...] | Failure:
    match reply:
        case Exchanged(tasks=tasks):
            return tasks
        case None:
            raise ValueError("a claim was answered with nothing at all")
        case _:
            return reply  # type: ignore[return-value]  # Healthy never answers an Exchange


def _start(runtime: Runtime, grant: Grant | BadGrant, sent_at: float) -> Admission:
    runtime.ledger.claim()
    try:
        if isinstance(grant, BadGrant):
            return admit_unreadable(runtime, grant)
        return admit(runtime, grant, sent_at)
    finally:
        runtime.wakes.supervise()


def _rest(runtime: Runtime, seconds: float) -> Loop:
    """Waits the whole time, however often something else changes, unless the worker stops."""
    until = runtime.clock.monotonic() + seconds
    while runtime.life.running and (left := until - runtime.clock.monotonic()) > 0:
        yield Wait(left)


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
