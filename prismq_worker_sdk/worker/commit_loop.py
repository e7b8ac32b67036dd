"""The end of a claim, any end of any claim: stored, counted, told, and what waits for it woken (R10, R38).

The commit loop stores the ends of tasks, all that finished meanwhile in one transaction (R11, R12).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from prismq_worker_sdk.decide.backoff import Backoff
from prismq_worker_sdk.decide.claims import recent
from prismq_worker_sdk.decide.exceptions import logged_trace, sentence, shown, tell
from prismq_worker_sdk.decide.retries import held_back
from prismq_worker_sdk.errors import (
    Defer,
    HandlerSignal,
    InvalidParams,
    OutboxError,
    TaskCancelled,
    Unavailable,
)
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import ClaimEnded, End, Event, Notice, OutcomeCommitted, TaskRef
from prismq_worker_sdk.model.outcome import Completed, Failed, Outcome, Released
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.outbox.store import ClaimEnd, Commit, Drop, Lapse
from prismq_worker_sdk.worker.attempt import Abandoned, Attempt, Ending, Offered, Settled, ref_of
from prismq_worker_sdk.worker.driver import Loop, Wait
from prismq_worker_sdk.worker.services import Services

DISK = Backoff(initial=0.5, ceiling=10.0, floor=0.5)
"""How long to wait before a commit that the disk refused is tried again (R12)."""

Finished: TypeAlias = tuple[Attempt, Ending]


def commit_loop(services: Services) -> Loop:
    """Stores ends as they come, at once when nothing is being stored; those that the disk refuses again and again.

    A slot is free, and its attempt off the table, only once its end is stored. The loop ends last, with what came until
    then.
    """
    refused: list[Finished] = []
    tries = 0
    while services.shared.finished or not services.shared.closed:
        finished = refused
        while services.shared.finished:
            finished.append(services.shared.finished.popleft())
        refused = commit(services, finished) if finished else []
        leave(services, [attempt for attempt, _ in finished if not any(attempt is one for one, _ in refused)])
        tries = tries + 1 if refused else 0
        if refused:
            yield Wait(DISK.seconds(tries, services.rng.random()))
        elif not services.shared.finished:
            yield Wait(None)


def finish(services: Services, attempt: Attempt, ending: Ending) -> None:
    """Leaves the end of a task to the commit loop; its place stays taken until it is stored (R12)."""
    attempt.finish()
    services.shared.finished.append((attempt, ending))
    services.wakeups.commit()
    services.slots.returned(attempt)


def commit(services: Services, finished: Sequence[Finished]) -> list[Finished]:
    """Stores the ends of attempts, together where that works, else each by itself; gives those that the disk refuses.

    What it refuses is offered from memory meanwhile (R12).
    """
    try:
        with ExitStack() as bound:
            for attempt, _ in finished:
                bound.enter_context(attempt.binding)
            ends = [_ended(services, attempt, ending) for attempt, ending in finished]
            first = _store(services, ends)
            for attempt, _ in finished:
                attempt.commit()
    except OutboxError as error:
        if len(finished) > 1:
            return [one for single in finished for one in commit(services, [single])]
        ((attempt, ending),) = finished
        if attempt.settled is None or services.lifecycle.running:
            _offer(services, attempt, ending, str(error))
            return [*finished]
        first = [True]  # its verdict is in and the worker stops: the next start finds the hold as an orphan
    _note(services, finished)
    if services.can.renews and any(one.reported for one in ends):
        # before the slots are free, so that the next claim goes along with these reports
        services.shared.delivering = True
    told = [end for end, is_first in zip(ends, first, strict=True) if is_first]
    count_and_tell(services, told, deliver=not all(attempt.returned for attempt, _ in finished))
    for (attempt, ending), end, is_first in zip(finished, ends, first, strict=True):
        if attempt.trace is not None:
            attempt.trace.end(end.end, end.detail, end.error_type)
        if is_first:
            _tell_type(services, attempt, ending, end.end)
    return []


def _note(services: Services, finished: Sequence[Finished]) -> None:
    """How long handlers take decides how many tasks are prefetched (R4); what was stored is about to be reported."""
    for attempt, ending in finished:
        if ending.seconds is not None:
            services.shared.handler_seconds = recent(services.shared.handler_seconds, ending.seconds)
        if attempt.claim.identity.token is None:
            services.stale_claims.committed(attempt.claim)


def leave(services: Services, attempts: Sequence[Attempt]) -> None:
    """Attempts whose threads have ended, and whose ends are stored, leave their slots."""
    if not attempts:
        return
    services.attempts.remove(attempts)
    services.slots.finished(attempts)
    if not services.shared.delivering:  # else claims go along with reports
        services.wakeups.claim()
    services.wakeups.deliver()
    if not services.lifecycle.running:
        services.wakeups.supervise()


def _ended(services: Services, attempt: Attempt, ending: Ending) -> Ended:
    """What the end of an attempt is, as the books know it and as it is stored.

    What was offered from memory is its end, whatever its handler says later: the server may have it (R10, R12).
    """
    outcome, children, claim = ending.outcome, ending.children, attempt.claim
    seen = False
    settled: Settlement | None = None
    match attempt.state:
        case Offered(outcome=outcome, children=children, maybe_seen=seen):
            pass
        case Settled(settlement=settled, outcome=outcome):
            pass
        case Abandoned(settlement=settled):
            pass
    end, error, error_type = _end_of(services, claim, outcome)
    reported = outcome is not None and end is not End.LAPSED
    stored: ClaimEnd = Lapse(claim.identity) if isinstance(outcome, Released) else Drop(claim.identity)
    told = ending.error if end is End.FAILED and attempt.cancelled is None else None
    trace = logged_trace(told, services.redactor.text)
    if outcome is not None and reported and settled is None:
        wait = _held_back(services, claim, outcome)
        log = attempt.log.ending(trace, services.clock.utc().timestamp() if trace else 0.0)
        at = claim.task.trace if attempt.trace is None else attempt.trace.context
        stored = Commit(claim.identity, outcome, children, claim.task.attempt, seen, wait, log=log, trace=at)
    return Ended(
        attempt.ref,
        end,
        stored,
        error,
        reported,
        settled,
        seconds=ending.seconds,
        error_type=error_type,
        trace=trace,
    )


def _end_of(services: Services, claim: Claim, outcome: Outcome | None) -> tuple[End, str, str]:
    """Which end a claim has that leaves this outcome, what people are told of it, and the type of its error (R38)."""
    match outcome:
        case None:
            return End.LOST, "", ""
        case Completed():
            return End.COMPLETED, "", ""
        case Failed(error=error, error_type=error_type):
            return End.FAILED, error, error_type
        case Released(reason=reason, delay_seconds=delay):
            return (End.RELEASED if services.gives_back(claim, delay) else End.LAPSED), reason, ""


def _held_back(services: Services, claim: Claim, outcome: Outcome) -> float:
    """Seconds before a report goes out, where the server would hand a failed task out again at once."""
    if not services.can.retries_at_once or not services.lifecycle.running:
        return 0.0
    return held_back(
        outcome,
        attempt=claim.task.attempt,
        left=claim.expires_at - services.clock.monotonic(),
        lease_seconds=claim.lease_seconds,
        jitter=services.rng.random(),
    )


def _offer(services: Services, attempt: Attempt, ending: Ending, trouble: str) -> None:
    """From now on its outcome is reported from memory, where there is one to report."""
    outcome = ending.outcome
    lapses = _end_of(services, attempt.claim, outcome)[0] is End.LAPSED
    if outcome is not None and not lapses and attempt.offer(outcome, ending.children):
        services.shared.offered[attempt] = services.clock.monotonic()
        text = f"{trouble}; task {attempt.ref.task_id} keeps its slot and its result is reported from memory"
        services.emit(Notice("error", text))
    services.wakeups.deliver()


def _tell_type(services: Services, attempt: Attempt, ending: Ending, end: End) -> None:
    """What the end says about the type: all is well, not now, or something is broken (R18, R19)."""
    task = attempt.claim.task
    match ending.error:
        case Unavailable(retry_in=seconds) as error:
            _pause(services, task.type, seconds, error)
        case Defer(or_pause=True) as error if end is End.LAPSED and isinstance(ending.outcome, Released):
            _pause(services, task.type, ending.outcome.delay_seconds, error)
        case None if attempt.started_at is not None and not isinstance(ending.outcome, Failed | None):
            services.availability.succeeded(task.type)
        case HandlerSignal() | InvalidParams() | TaskCancelled() | None:
            pass
        case _ if attempt.cancelled in {None, CancelReason.TIME_LIMIT}:
            error_text = sentence(tell(ending.error), services.redactor.text)[:200]
            now, jitter = services.clock.monotonic(), services.rng.random()
            services.availability.errored(task.type, task.id, error=error_text, now=now, jitter=jitter)
            services.wakeups.supervise()


def _pause(services: Services, task_type: str, seconds: float, error: HandlerSignal) -> None:
    trace = logged_trace(error, services.redactor.text)
    pause_type(services, task_type, seconds, services.redactor.text(shown(error)), trace)


def pause_type(services: Services, task_type: str, seconds: float, reason: str, trace: str = "") -> None:
    """Claims no more of a type here for a while; a restart does not end that (R18).

    Args:
        trace: Where its handler raised, for the log.
    """
    services.availability.pause(task_type, seconds, reason, now=services.clock.monotonic(), trace=trace)
    try:
        services.outbox.pause(task_type, seconds, reason)
    except OutboxError as trouble:
        services.emit(Notice("warning", f"the pause of {task_type} will not survive a restart: {trouble}"))


@dataclass(frozen=True, slots=True)
class Ended:
    """How one claim ended.

    Attributes:
        stored: What the outbox does about it; None where nothing of it is there.
        detail: Why, for people.
        reported: Whether an outcome stands in the line of reports, or was settled from memory.
        settled: The verdict that came before it could be stored (R12).
        answered: Whether a result that was still here is its outcome (R25).
        seconds: Handler time.
        trace: Where its handler failed, for the log.
    """

    ref: TaskRef
    end: End
    stored: ClaimEnd | None
    detail: str = ""
    reported: bool = False
    settled: Settlement | None = None
    answered: bool = False
    seconds: float | None = None
    error_type: str = ""
    trace: str = ""


def end_claims(services: Services, ends: Sequence[Ended]) -> None:
    """Ends claims together; a second end of one is dropped (R10).

    Raises:
        OutboxError: Nothing of it could be stored.
    """
    first = _store(services, ends)
    count_and_tell(services, [end for end, is_first in zip(ends, first, strict=True) if is_first])


def _store(services: Services, ends: Sequence[Ended]) -> list[bool]:
    """Stores ends in one transaction; for each whether it was the first of its claim.

    Raises:
        OutboxError: Nothing of it could be stored.
    """
    kept = iter(services.outbox.end(*(one.stored for one in ends if one.stored is not None)))
    return [one.stored is None or next(kept) for one in ends]


def count_and_tell(services: Services, ends: Sequence[Ended], *, deliver: bool = True) -> None:
    """Books ends that are stored, tells them, and wakes who has to do with them.

    Args:
        deliver: Not where slots are about to be freed: the delivery loop is woken then, to claim for them as well.
    """
    ledger, events = services.accounting, list[Event]()
    reported = [one for one in ends if one.reported]
    ledger.commit(len(reported))
    ledger.end(len(ends))
    for one in ends:
        if one.settled is not None:
            ledger.settle(one.settled)
        if one.reported:
            error = "" if one.end is End.COMPLETED else one.detail
            events.append(
                OutcomeCommitted(
                    one.ref, one.end, one.seconds, error, one.error_type, one.answered, one.trace
                )
            )
        events.append(ClaimEnded(one.ref, one.end, one.detail))
    services.emit(*events)
    if reported and deliver:
        services.wakeups.deliver()
    if not services.lifecycle.running or all_runs_done(services):
        services.wakeups.supervise()


def all_runs_done(services: Services) -> bool:
    """Whether the worker has ended as many tasks as it was to."""
    most = services.config.max_runs
    return bool(most) and services.accounting.ended >= most


def failed(claim: Claim, outcome: Failed) -> Ended:
    """A held claim fails without any work."""
    stored = Commit(claim.identity, outcome, attempt=claim.task.attempt, trace=claim.task.trace)
    error, kind = outcome.error, outcome.error_type
    return Ended(ref_of(claim), End.FAILED, stored, error, reported=True, error_type=kind)


def released(claim: Claim, outcome: Released, *, held: bool) -> Ended:
    """A claim goes back without having been begun.

    Args:
        held: Whether it is in the outbox.
    """
    task = claim.task
    stored = Commit(claim.identity, outcome, attempt=task.attempt, held=held, trace=task.trace)
    return Ended(ref_of(claim), End.RELEASED, stored, outcome.reason, reported=True)


def answered(claim: Claim) -> Ended:
    """A claim is answered with the result that was still here, in the transaction that held it (R25)."""
    detail = "answered with the result that was still here"
    return Ended(ref_of(claim), End.COMPLETED, None, detail, reported=True, answered=True)


def lapsed(ref: TaskRef, why: str, *, held: Claim | None = None) -> Ended:
    """A claim is left to lapse.

    Args:
        held: Where it is in the outbox.
    """
    return Ended(ref, End.LAPSED, None if held is None else Drop(held.identity), why)
