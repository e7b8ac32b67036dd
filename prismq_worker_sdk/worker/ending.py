"""The end of a claim: the one commit, its books, and what it means for the type (R10, R12, R18, R19)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from prismq_worker_sdk.decide.backoff import Backoff
from prismq_worker_sdk.decide.ends import end_of
from prismq_worker_sdk.decide.exceptions import sentence, shown, tell
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
from prismq_worker_sdk.model.events import ClaimEnded, End, Notice, OutcomeCommitted
from prismq_worker_sdk.model.outcome import Child, Failed, Outcome, Released
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.runtime import Runtime
from prismq_worker_sdk.worker.traces import logged_trace

DISK = Backoff(initial=0.5, ceiling=10.0, floor=0.5)
"""How long to wait before a commit that the disk refused is tried again (R12)."""


class Commit(Enum):
    """What became of one try to commit an end."""

    FIRST = "first"
    SECOND = "second"
    """The claim had another end before; this one is dropped (R10)."""
    REFUSED = "refused"
    """The disk did not take it (R12)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended.

    Attributes:
        outcome: None when the claim was lost while the handler ran (R15).
        error: What the handler raised, for the log.
        seconds: Handler time.
    """

    outcome: Outcome | None
    error: BaseException | None = None
    seconds: float | None = None
    children: tuple[Child, ...] = ()


def finish(runtime: Runtime, attempt: Attempt, ending: Ending) -> None:
    """Commits an end, as often as the disk needs; until then the slot stays taken (R12)."""
    tries = 0
    while try_finish(runtime, attempt, ending) is Commit.REFUSED:
        tries += 1
        attempt.changed.wait(DISK.seconds(tries, runtime.dice.random()))
        attempt.changed.clear()


def try_finish(runtime: Runtime, attempt: Attempt, ending: Ending) -> Commit:
    """Commits an end once; where the disk refuses it, it is offered from memory meanwhile (R12)."""
    delay = ending.outcome.delay_seconds if isinstance(ending.outcome, Released) else 0.0
    end = end_of(ending.outcome, releases=runtime.gives_back(attempt.claim, delay))
    reported = ending.outcome is not None and end is not End.LAPSED
    try:
        with attempt.binding:
            first = _commit(runtime, attempt, ending, reported=reported)
            runtime.overtaken.committed(attempt.claim)
            attempt.committed = attempt.settled is None
    except OutboxError as error:
        if attempt.settled is None:
            _offer(runtime, attempt, ending, str(error), reported=reported)
        if attempt.settled is None or runtime.life.running:
            return Commit.REFUSED
        first = (
            True  # its verdict is in and the worker stops: the hold is left as an orphan of the next start
        )
    if not first:
        return Commit.SECOND
    if reported and runtime.health.capabilities.renews:
        # before the slot is free, so that the next claim goes along with this report
        runtime.deliver_with_claims(now=True)
    _book(runtime, attempt, ending, end, reported=reported)
    return Commit.FIRST


def _commit(runtime: Runtime, attempt: Attempt, ending: Ending, *, reported: bool) -> bool:
    identity = attempt.claim.identity
    if attempt.settled is not None or not reported:
        given_back = isinstance(ending.outcome, Released)
        return runtime.outbox.lapse(identity) if given_back else runtime.outbox.drop(identity)
    outcome = _require(ending.outcome)
    return runtime.outbox.commit(
        identity,
        outcome,
        children=ending.children,
        attempt=attempt.claim.task.attempt,
        maybe_seen=attempt.maybe_seen,
        wait=_held_back(runtime, attempt.claim, outcome),
    )


def _held_back(runtime: Runtime, claim: Claim, outcome: Outcome) -> float:
    """Seconds before a report goes out, where the server would hand a failed task out again at once."""
    if not runtime.health.capabilities.retries_at_once or not runtime.life.running:
        return 0.0
    return held_back(
        outcome,
        attempt=claim.task.attempt,
        left=claim.expires_at - runtime.clock.monotonic(),
        lease_seconds=claim.lease_seconds,
        jitter=runtime.dice.random(),
    )


def _offer(runtime: Runtime, attempt: Attempt, ending: Ending, trouble: str, *, reported: bool) -> None:
    if attempt.offered is None and reported:
        attempt.offered, attempt.children = ending.outcome, ending.children
        runtime.emit(
            Notice(
                "error",
                f"{trouble}; task {attempt.ref.task_id} keeps its slot and its result is reported from memory",
            )
        )
    runtime.wakes.deliver()


def _book(runtime: Runtime, attempt: Attempt, ending: Ending, end: End, *, reported: bool) -> None:
    outcome = ending.outcome
    if reported:
        runtime.ledger.commit()
        if attempt.settled is not None:
            runtime.ledger.settle(attempt.settled)
    runtime.ledger.end(end)
    error = ""
    error_type = ""
    match outcome:
        case Failed(error=error, error_type=error_type):
            pass
        case Released(reason=error):
            pass
    if reported:
        trace = _trace(runtime, attempt, ending) if end is End.FAILED else ""
        runtime.emit(
            OutcomeCommitted(
                attempt.ref, end, ending.seconds, error=error, error_type=error_type, trace=trace
            )
        )
    runtime.emit(ClaimEnded(attempt.ref, end, error))
    _tell_type(runtime, attempt, ending, end)
    runtime.wakes.everybody()


def _tell_type(runtime: Runtime, attempt: Attempt, ending: Ending, end: End) -> None:
    """What the end says about the type: all is well, not now, or something is broken (R18, R19)."""
    task = attempt.claim.task
    now = runtime.clock.monotonic()
    match ending.error:
        case Unavailable(retry_in=seconds) as error:
            _pause(runtime, task.type, seconds, error)
        case Defer(or_pause=True) as error if end is End.LAPSED and isinstance(ending.outcome, Released):
            _pause(runtime, task.type, ending.outcome.delay_seconds, error)
        case None if ending.outcome is not None and not isinstance(ending.outcome, Failed):
            runtime.gate.succeeded(task.type)
        case HandlerSignal() | InvalidParams() | TaskCancelled() | None:
            pass
        case _ if attempt.cancelled in {None, CancelReason.TIME_LIMIT}:
            runtime.gate.errored(
                task.type,
                task.id,
                error=_short(runtime, ending.error),
                now=now,
                jitter=runtime.dice.random(),
            )


def _pause(runtime: Runtime, task_type: str, seconds: float, error: HandlerSignal) -> None:
    reason = runtime.redactor.text(shown(error))
    trace = logged_trace(error, runtime.redactor.text)
    runtime.gate.pause(task_type, seconds, reason, now=runtime.clock.monotonic(), trace=trace)
    try:
        runtime.outbox.pause(task_type, seconds, reason)
    except OutboxError as trouble:
        runtime.emit(Notice("warning", f"the pause of {task_type} will not survive a restart: {trouble}"))


def _trace(runtime: Runtime, attempt: Attempt, ending: Ending) -> str:
    """Where a handler failed that nobody told to end, as the log shows it."""
    if ending.error is None or attempt.cancelled is not None:
        return ""
    return logged_trace(ending.error, runtime.redactor.text)


def _short(runtime: Runtime, error: BaseException) -> str:
    return sentence(tell(error), runtime.redactor.text)[:200]


def _require(outcome: Outcome | None) -> Outcome:
    if outcome is None:
        raise ValueError("a lost claim has nothing to commit")
    return outcome
