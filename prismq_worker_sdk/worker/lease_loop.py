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
from prismq_worker_sdk.worker.lease_renewer import LeaseRenewer, ProgressReporter
from prismq_worker_sdk.worker.services import Services

LOOK_EVERY = 5.0
"""Longest rest while a handler runs, seconds: rests do not end earlier when the machine slept (R5)."""


def lease_loop(services: Services) -> Loop:
    """Renews claims, cancels handlers whose time is over, and commits the failure of those that do not end."""
    renewing = ProgressReporter(services) if services.can.tells_progress else LeaseRenewer(services)
    while services.lifecycle.phase is not Phase.STOPPED:
        services.shared.lease_looks_at = inf  # whoever comes from here on wakes this loop
        now = services.clock.monotonic()
        due_at = renewing.next_due()
        if due_at is not None and due_at <= now:
            yield from renewing.renew()
            continue
        looks = [_watch(services, attempt, now) for attempt in services.attempts.live()]
        if due_at is not None:
            looks.append(due_at)
        seconds = min(LOOK_EVERY, max(0.0, min(looks) - now)) if looks else None
        if seconds is not None:
            services.shared.lease_looks_at = now + seconds
        yield Wait(seconds)


def _watch(services: Services, attempt: Attempt, now: float) -> float:
    """Does what is due about one attempt; the clock reading at which to look again."""
    if attempt.prefetched:
        return inf  # this loop is woken when its handler begins
    action = watch(
        now=now,
        limit_at=attempt.limit_at,
        expires_at=attempt.claim.expires_at,
        cancelled=attempt.cancelled,
        cancelled_at=attempt.cancelled_at,
    )
    match action:
        case Look(at=at):
            return at
        case Cancel(reason=reason):
            attempt.cancel(reason, now)
            return max(attempt.limit_at, now) + ABANDON_AFTER
        case Abandon():
            return _abandon(services, attempt, now)


def _abandon(services: Services, attempt: Attempt, now: float) -> float:
    """Commits the failure without the handler; its process is killed; a thread is a stray, its slot is lost (R16)."""
    started = attempt.started_at if attempt.started_at is not None else now
    limit = attempt.limit_text(now)
    text = f"the handler did not end within its time limit of {limit}, nor {ABANDON_AFTER:.0f} s after it was told to"
    if attempt.returned or attempt.killed:  # its own end only waits for the disk (R12), or is on its way
        return now + ABANDON_AFTER
    ending = Ending(Failed(text, "time_limit"), error=TimeoutError(text), seconds=now - started)
    if commit(services, [(attempt, ending)]):
        return now + ABANDON_AFTER
    if attempt.kill():
        services.emit(
            Notice(
                "error",
                f"task {attempt.ref.task_id} ({attempt.ref.task_type}): {text}; its process is killed",
            )
        )
        return now + ABANDON_AFTER
    if attempt.abandon():
        services.slots.lose(attempt)
        services.emit(HandlerOverran(attempt.ref, now - started, _stack(attempt)))
        services.wakeups.notify_all()
    return now + ABANDON_AFTER


def _stack(attempt: Attempt) -> str:
    """Where the handler is now, for the log; the whole stack where none of its own code is on it."""
    frame = sys._current_frames().get(attempt.thread_id or 0)  # noqa: SLF001 - the documented way to another stack
    if frame is None:
        return ""
    stack = traceback.extract_stack(frame)
    return "".join(traceback.format_list(own_frames(stack) or stack))
