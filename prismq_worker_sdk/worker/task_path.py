"""The path of a task into a slot: arrive → hold → begin; then it is run, its end is stored, and delivery reports it.

The claim loop, or the delivery loop whose call claimed along, lets the tasks of an answer arrive, holds them in one
transaction and accepts them into slots. A thread of a slot runs each (`handler_run.run`). The commit loop stores the
ends of all that have finished meanwhile in one transaction; the outbox lines their reports up for the delivery loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from prismq_worker_sdk.decide.leases import time_limit
from prismq_worker_sdk.decide.retries import too_often
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.events import Notice, ReportSettled, TaskClaimed
from prismq_worker_sdk.model.json import digest
from prismq_worker_sdk.model.outcome import Failed, Released
from prismq_worker_sdk.model.protocol import BadGrant, Grant
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox.store import Answered, Drop, HoldResult
from prismq_worker_sdk.worker.attempt import Attempt, ref_of
from prismq_worker_sdk.worker.commit_loop import (
    answered,
    count_and_tell,
    end_claims,
    failed,
    lapsed,
    released,
)
from prismq_worker_sdk.worker.handler_run import watch
from prismq_worker_sdk.worker.services import Services

EARLY = 0.1
"""The part of a claim that must be left for its task to come too early."""

RELEASE_DELAY = 5.0
"""Seconds before a task that could not be taken on may be handed out again: time for whatever was in its way."""

STOPS = "it came while the worker stops"


class Admission(Enum):
    """What became of a task that took no slot."""

    SETTLED = "settled"
    """It is dealt with: answered from here, or failed."""
    RUNS = "runs"
    """It runs here already, and goes on under the new claim."""
    LAPSED = "lapsed"
    """It could not be taken on."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A task of an answer.

    Attributes:
        claim: What it is worked on under; of a task that cannot be read, as much as is known.
        handler: None where there is none.
        bad: Whether it cannot be read (R3), and why in `reason`.
        obstacle: Why it cannot be taken on, whatever the outbox holds.
        live: The attempt that works on the same task here already (R9).
        holds: Whether its claim is held as it comes.
    """

    claim: Claim
    handler: Handler | None = None
    bad: bool = False
    reason: str = ""
    obstacle: str | None = None
    live: Attempt | None = None
    holds: bool = True


def arrive(services: Services, tasks: Sequence[Grant | BadGrant], sent_at: float) -> list[Arrival]:
    """The tasks of an answer, each read by itself (R3).

    Args:
        sent_at: Clock reading at the first sending of the claim (R5).
    """
    return [
        _bad(services, one) if isinstance(one, BadGrant) else _good(services, one, sent_at) for one in tasks
    ]


def look(services: Services, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """The same, with what keeps each from being held as it comes."""
    found = []
    for one in arrivals:
        if not one.bad:
            obstacle = _obstacle(services, one.claim)
            live = services.attempts.of_task(services.server, one.claim.task.id)
            if obstacle is not None or live is not None:
                found.append(replace(one, obstacle=obstacle, live=live, holds=False))
                continue
        found.append(one)
    return found


def _good(services: Services, grant: Grant, sent_at: float) -> Arrival:
    task, lease = grant.task, grant.lease_seconds
    lease = services.config.server_claim_timeout if lease is None else lease
    claim = Claim(_identity(services, task, grant.token), task, sent_at, lease)
    return Arrival(claim, services.registry.find(task.type))


def _bad(services: Services, grant: BadGrant) -> Arrival:
    task = Task(id=grant.task_id or "?", type=grant.task_type)
    claim = Claim(_identity(services, task, grant.token), task, services.clock.monotonic(), 0.0)
    return Arrival(claim, bad=True, reason=grant.reason, holds=grant.task_id is not None)


def _identity(services: Services, task: Task, token: str | None) -> Identity:
    return Identity(
        server=services.server,
        dialect=services.found.dialect,
        task_id=task.id,
        task_type=task.type,
        digest=digest(task.params if type(task.params) is dict else dict(task.params)),
        worker_id=services.worker_id,
        token=token,
    )


def _obstacle(services: Services, claim: Claim) -> str | None:
    """Why a task cannot be taken on whatever the outbox holds, None when it can."""
    now = services.clock.monotonic()
    if services.registry.find(claim.task.type) is None:
        return f"nobody asked for tasks of type {claim.task.type!r}: look at the server"
    if now >= services.lifecycle.cancel_at and not services.gives_back(claim):
        return STOPS
    if now >= claim.expires_at:
        return "its claim had run out when it came: the machine slept, or the answer was late"
    if claim.identity.token is None and services.stale_claims.since(
        claim.identity.task_key, claim.sent_at, now
    ):
        return "a report of this task went out while this claim was on its way, and may have ended it"
    return None


def accept(
    services: Services, arrivals: Sequence[Arrival], held: Sequence[HoldResult] | None = None
) -> tuple[int, int]:
    """Takes tasks on; how many took a slot, and how many are settled without one.

    Args:
        held: What the holds gave of those that are held as they come, where they were made together with the verdicts
            of their answer (R25).
    """
    services.accounting.claim(len(arrivals))
    services.emit(*[TaskClaimed(ref_of(one.claim)) for one in arrivals])
    if held is None:
        arrivals = look(services, arrivals)
    found: Iterator[HoldResult | OutboxError] = iter(_hold(services, arrivals) if held is None else held)
    started: dict[str, Attempt] = {}
    settled = 0
    for one in arrivals:
        admitted = _admit(services, one, next(found) if one.holds else None, started.get(one.claim.task.id))
        if isinstance(admitted, Attempt):
            started[one.claim.task.id] = admitted
        settled += admitted is Admission.SETTLED
    begin(services, tuple(started.values()))
    return len(started), settled


def begin(services: Services, attempts: Sequence[Attempt]) -> None:
    """Hands held tasks to the slots, where places are reserved for them."""
    if not attempts:
        return
    services.attempts.add(attempts)
    now = services.clock.monotonic()
    if services.tracing is not None:
        services.tracing.begin(attempts, now)
    services.slots.start(attempts, now)
    watch(services, attempts)


def refuse(services: Services, tasks: Sequence[Grant | BadGrant], sent_at: float) -> None:
    """Gives back tasks that were handed out beyond what was asked for (R4)."""
    for one in arrive(services, tasks, sent_at):
        services.accounting.claim()
        services.emit(TaskClaimed(ref_of(one.claim)))
        _lapse(services, one.claim, "the server handed out more tasks than were asked for")


def _hold(services: Services, arrivals: Sequence[Arrival]) -> list[HoldResult | OutboxError]:
    """What the holds of those gave that are held as they come, in one transaction."""
    claims = [one.claim for one in arrivals if one.holds]
    try:
        return [*services.outbox.settle_and_hold((), claims)[1]] if claims else []
    except OutboxError as error:
        return [error] * len(claims)


def _admit(
    services: Services, one: Arrival, held: HoldResult | OutboxError | None, started: Attempt | None
) -> Attempt | Admission:
    """The attempt to begin, or what became of the task without one.

    Args:
        started: An attempt at the same task, by the same answer.
    """
    claim = one.claim
    try:
        if isinstance(held, OutboxError):
            return _lapse(services, claim, str(held))
        if one.bad:
            return _unreadable(services, one, held)
        if one.obstacle is not None or one.handler is None:
            return _lapse(services, claim, one.obstacle or "")
        if (live := one.live or started) is not None:
            if held is not None:  # the same answer, or the other loop's, has the task once more
                services.outbox.end(Drop(claim.identity))
            if (joined := _join(services, live, one, one.handler)) is not None:
                return joined
            held = None
        return _held(services, claim, one.handler, held or services.outbox.hold(claim))
    except OutboxError as error:
        return _lapse(services, claim, str(error))


def _join(services: Services, live: Attempt, one: Arrival, handler: Handler) -> Admission | None:
    """A task that runs here already is never begun again (R9); None where it has just ended."""
    same = live.claim.identity.task_key == one.claim.identity.task_key
    if live.stray or live.cancelled is not None or not same:
        why = "an earlier attempt of this task still runs here and does not end"
        return _lapse(services, one.claim, why)
    limit_at = _limit_at(services, one.claim, handler)
    return Admission.RUNS if _taken_over(services, live, one.claim, limit_at) else None


def _taken_over(services: Services, live: Attempt, claim: Claim, limit_at: float) -> bool:
    """Whether the attempt goes on under the new claim; not when it has ended meanwhile.

    Args:
        limit_at: Clock reading at which the new claim ends the handler; its own time limit holds as well (R16).

    Raises:
        OutboxError: The new claim cannot be held.
    """
    before, held_until = live.ref, live.claim.expires_at
    with live.binding:
        if not services.outbox.rehold(live.claim.identity, claim):
            return False
        begun = live.claim.sent_at if live.started_at is None else live.started_at
        live.limit_at = min(limit_at, begun + live.handler.time_limit)
        live.claim = claim
        live.ref = replace(ref_of(claim), trace=live.context)
        live.log.rebind()
    why = "handed out again while it still runs here; it goes on under the new claim"
    count_and_tell(services, [lapsed(before, why)])
    services.wakeups.lease()
    _tell_if_early(services, claim, held_until)
    return True


def _tell_if_early(services: Services, claim: Claim, held_until: float) -> None:
    """Says once that claims do not hold as long as they are taken to: others may be running these tasks too."""
    left = held_until - services.clock.monotonic()
    if services.can.renews or not services.shared.claims_hold or left < EARLY * claim.lease_seconds:
        return
    services.shared.claims_hold = False
    taken = duration.text(claim.lease_seconds)
    services.emit(
        Notice(
            "error",
            f"task {claim.task.id} was handed out again {duration.text(left)} before its claim was over: claims hold "
            f"shorter there than {taken} (--server-claim-timeout), or the time zones of the server and of its "
            "database disagree; tasks may run twice; see prismq-worker doctor --probe",
        )
    )


def _held(services: Services, claim: Claim, handler: Handler, held: HoldResult) -> Attempt | Admission:
    """The attempt at a held task, unless it is answered from here, failed too often, or the worker stops."""
    _supersede(services, claim, held.superseded)
    if isinstance(held, Answered):
        count_and_tell(services, [answered(claim)])
        return Admission.SETTLED
    if (failure := _too_often(services, claim, held.lapses)) is not None:
        end_claims(services, [failed(claim, failure)])
        return Admission.SETTLED
    if _stops(services) and services.gives_back(claim):
        end_claims(services, [released(claim, Released(STOPS), held=True)])
        return Admission.LAPSED
    return Attempt(claim, handler, checkpoint=held.checkpoint, limit_at=_limit_at(services, claim, handler))


def _unreadable(services: Services, one: Arrival, held: HoldResult | None) -> Admission:
    """Fails a task that cannot be read, for good; one without even an id lapses (R3)."""
    if held is None:
        why = f"the server handed out a task that cannot be read: {one.reason}"
        count_and_tell(services, [lapsed(ref_of(one.claim), why)])
        return Admission.LAPSED
    _supersede(services, one.claim, held.superseded)
    if isinstance(held, Answered):
        count_and_tell(services, [answered(one.claim)])
    else:
        reason = services.redactor.text(one.reason)
        failure = Failed(f"the task cannot be read: {reason}", "unreadable_task", retryable=False)
        end_claims(services, [failed(one.claim, failure)])
    return Admission.SETTLED


def _lapse(services: Services, claim: Claim, why: str) -> Admission:
    """Gives a claim back where the server takes it, and lets it lapse where not (R9, R36)."""
    if services.can.releases and claim.identity.token is not None:
        try:
            end_claims(services, [released(claim, Released(why, RELEASE_DELAY), held=False)])
        except OutboxError as error:
            services.emit(Notice("error", str(error)))
        else:
            return Admission.LAPSED
    services.emit(Notice("warning", f"task {claim.task.id} is left to lapse: {why}"))
    count_and_tell(services, [lapsed(ref_of(claim), why)])
    return Admission.LAPSED


def _supersede(services: Services, claim: Claim, number: int) -> None:
    """Stored reports of earlier claims of this task gave way to this one (R25)."""
    if number:
        services.accounting.settle(Settlement.SUPERSEDED, number)
        gone = ReportSettled(ref_of(claim), Settlement.SUPERSEDED, "its task was claimed again")
        services.emit(*[gone] * number)


def _stops(services: Services) -> bool:
    """Whether nothing more is begun: a task that goes back untouched does so at once, another one only when it must."""
    if services.can.releases:
        return not services.lifecycle.running
    return services.clock.monotonic() >= services.lifecycle.cancel_at


def _too_often(services: Services, claim: Claim, lapses: int) -> Failed | None:
    """The failure of a task that the server would hand out for ever; None while it may run."""
    if not services.can.retries_at_once or not services.shared.claims_hold:
        return None
    return too_often(claim.task.attempt, lapses=lapses, limit=services.config.max_attempts)


def _limit_at(services: Services, claim: Claim, handler: Handler) -> float:
    renews, now = services.can.renews, services.clock.monotonic()
    age = now - claim.sent_at
    return now + time_limit(handler.time_limit, claim.lease_seconds, renews=renews, age=age)
