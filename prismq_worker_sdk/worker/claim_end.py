"""The end of a claim, any end of any claim: stored, counted, told, and what waits for it woken (R10, R38)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import ClaimEnded, End, Event, OutcomeCommitted, TaskRef
from prismq_worker_sdk.model.outcome import Failed, Outcome, Released
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.outbox.claim_ends import ClaimEnd, Commit, Drop, GiveBack
from prismq_worker_sdk.worker.services import Services


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
    first = store(services, ends)
    count_and_tell(services, [end for end, is_first in zip(ends, first, strict=True) if is_first])


def store(services: Services, ends: Sequence[Ended]) -> list[bool]:
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
    ledger.end(one.end for one in ends)
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
    if services.all_runs_done or not services.lifecycle.running:
        services.wakeups.supervise()


def failed(claim: Claim, outcome: Failed) -> Ended:
    """A held claim fails without any work."""
    stored = Commit(claim.identity, outcome, attempt=claim.task.attempt)
    return Ended(
        ref_of(claim), End.FAILED, stored, outcome.error, reported=True, error_type=outcome.error_type
    )


def released(claim: Claim, outcome: Released, *, held: bool) -> Ended:
    """A claim goes back without having been begun.

    Args:
        held: Whether it is in the outbox.
    """
    stored: ClaimEnd = (
        Commit(claim.identity, outcome, attempt=claim.task.attempt) if held else GiveBack(claim, outcome)
    )
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


def detail_of(outcome: Outcome | None) -> tuple[str, str]:
    """What people are told of an outcome, and the type of its error."""
    match outcome:
        case Failed(error=error, error_type=error_type):
            return error, error_type
        case Released(reason=reason):
            return reason, ""
        case _:
            return "", ""


def ref_of(claim: Claim) -> TaskRef:
    """How events speak of a claim's task."""
    return TaskRef(claim.task.id, claim.task.type, claim.task.attempt)
