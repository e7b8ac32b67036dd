"""The lease loop: renews claims, watches every running handler's limit and claim; it ends last (R16, R21, R36)."""

from __future__ import annotations

import sys
import traceback
from math import inf

from prismq_worker_sdk.decide.exceptions import own_frames
from prismq_worker_sdk.decide.leases import ABANDON_AFTER, Abandon, Cancel, Look, watch
from prismq_worker_sdk.model.events import HandlerOverran, Notice, Phase
from prismq_worker_sdk.model.outcome import Failed
from prismq_worker_sdk.worker.attempt import Attempt, Ending
from prismq_worker_sdk.worker.commit_loop import commit
from prismq_worker_sdk.worker.driver import Loop, Wait
from prismq_worker_sdk.worker.lease_renewer import Renewing
from prismq_worker_sdk.worker.progress_reporter import Telling
from prismq_worker_sdk.worker.services import Runtime

LOOK_EVERY = 5.0
"""Longest rest while a handler runs, seconds: rests do not end earlier when the machine slept (R5)."""


def lease_loop(runtime: Runtime) -> Loop:
    """Renews claims, cancels handlers whose time is over, and commits the failure of those that do not end."""
    renewing = Telling(runtime) if runtime.health.capabilities.tells_progress else Renewing(runtime)
    while runtime.life.phase is not Phase.STOPPED:
        runtime.lease_looks_at = inf  # whoever comes from here on wakes this loop
        now = runtime.clock.monotonic()
        due_at = renewing.next_due()
        if due_at is not None and due_at <= now:
            yield from renewing.renew()
            continue
        looks = [_watch(runtime, attempt, now) for attempt in runtime.table.live()]
        if due_at is not None:
            looks.append(due_at)
        seconds = min(LOOK_EVERY, max(0.0, min(looks) - now)) if looks else None
        if seconds is not None:
            runtime.lease_looks_at = now + seconds
        yield Wait(seconds)


def _watch(runtime: Runtime, attempt: Attempt, now: float) -> float:
    """Does what is due about one attempt; the clock reading at which to look again."""
    action = watch(
        now=now,
        limit_at=attempt.limit_at,
        expires_at=attempt.claim.expires_at,
        cancelled=attempt.cancelled,
        told_at=attempt.told_at,
    )
    match action:
        case Look(at=at):
            return at
        case Cancel(reason=reason):
            attempt.cancel(reason, now)
            return max(attempt.limit_at, now) + ABANDON_AFTER
        case Abandon():
            return _abandon(runtime, attempt, now)


def _abandon(runtime: Runtime, attempt: Attempt, now: float) -> float:
    """Commits the failure without the handler; its process is killed; a thread is a stray, its slot is lost (R16)."""
    started = attempt.started_at if attempt.started_at is not None else now
    limit = attempt.limit_text(now)
    text = f"the handler did not end within its time limit of {limit}, nor {ABANDON_AFTER:.0f} s after it was told to"
    if attempt.returned or attempt.killed:  # its own end only waits for the disk (R12), or is on its way
        return now + ABANDON_AFTER
    ending = Ending(Failed(text, "time_limit"), error=TimeoutError(text), seconds=now - started)
    if commit(runtime, [(attempt, ending)]):
        return now + ABANDON_AFTER
    if attempt.kill():
        runtime.emit(
            Notice(
                "error",
                f"task {attempt.ref.task_id} ({attempt.ref.task_type}): {text}; its process is killed",
            )
        )
        return now + ABANDON_AFTER
    if attempt.abandon():
        runtime.slots.lose(attempt)
        runtime.emit(HandlerOverran(attempt.ref, now - started, _stack(attempt)))
        runtime.wakes.everybody()
    return now + ABANDON_AFTER


def _stack(attempt: Attempt) -> str:
    """Where the handler is now, for the log; the whole stack where none of its own code is on it."""
    frame = sys._current_frames().get(attempt.thread_id or 0)  # noqa: SLF001 - the documented way to another stack
    if frame is None:
        return ""
    stack = traceback.extract_stack(frame)
    return "".join(traceback.format_list(own_frames(stack) or stack))
