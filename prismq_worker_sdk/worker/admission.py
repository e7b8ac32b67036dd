"""What happens to a task that was handed out: held and started, answered from here, or let go (R3, R9, R25)."""

from __future__ import annotations

from enum import Enum

from prismq_worker_sdk.decide.leases import time_limit
from prismq_worker_sdk.decide.retries import too_often
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.events import (
    ClaimEnded,
    End,
    Notice,
    OutcomeCommitted,
    ReportSettled,
    TaskClaimed,
    TaskRef,
)
from prismq_worker_sdk.model.json import digest
from prismq_worker_sdk.model.outcome import Failed, Released
from prismq_worker_sdk.model.protocol import BadGrant, Grant
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox.store import Answered, Held, HoldResult
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.runtime import Runtime

EARLY = 0.1
"""The part of a claim that must be left for its task to come too early."""

RELEASE_DELAY = 5.0
"""Seconds before a task that could not be taken on may be handed out again: time for whatever was in its way."""


STOPS = "it came while the worker stops"


class Admission(Enum):
    """What became of a task that was handed out."""

    STARTED = "started"
    """It took a slot."""
    SETTLED = "settled"
    """It needs no slot: answered from here, failed, or taken over by an attempt that runs."""
    RUNS = "runs"
    """It runs here already, and goes on under the new claim."""
    LAPSED = "lapsed"
    """It could not be taken on."""


def to_hold(runtime: Runtime, grant: Grant | BadGrant, sent_at: float) -> Claim | None:
    """The claim of a task that can be held right away; None where it must be looked at first.

    Args:
        sent_at: Clock reading at the first sending of the claim (R5).
    """
    if not isinstance(grant, Grant) or runtime.table.of_task(runtime.server, grant.task.id) is not None:
        return None
    claim = _claim(runtime, grant, sent_at)
    return claim if _obstacle(runtime, claim) is None else None


def admit(runtime: Runtime, grant: Grant, sent_at: float, early: HoldResult | None = None) -> Admission:
    """Deals with one task of a claim answer.

    Args:
        sent_at: Clock reading at the first sending of the claim (R5).
        early: What its hold gave, where it was held together with the verdicts of its answer (R25).
    """
    claim = _claim(runtime, grant, sent_at)
    runtime.emit(TaskClaimed(_ref(claim.task)))
    obstacle = _obstacle(runtime, claim) if early is None else None
    handler = runtime.registry.find(claim.task.type)
    if obstacle is not None or handler is None:
        _lapse(runtime, claim, obstacle or _stranger(claim))
        return Admission.LAPSED
    try:
        return _held(runtime, claim, handler, early)
    except OutboxError as error:
        _lapse(runtime, claim, str(error))
        return Admission.LAPSED


def refuse(runtime: Runtime, grant: Grant | BadGrant, sent_at: float) -> None:
    """Gives back a task that was handed out beyond what was asked for (R4)."""
    task = grant.task if isinstance(grant, Grant) else Task(id=grant.task_id or "?", type=grant.task_type)
    claim = _claim(runtime, Grant(task, grant.token, 0.0), sent_at)
    runtime.emit(TaskClaimed(_ref(task)))
    _lapse(runtime, claim, "the server handed out more tasks than were asked for")


def admit_unreadable(runtime: Runtime, grant: BadGrant) -> Admission:
    """Fails a task that cannot be read, for good; one without even an id lapses (R3)."""
    ref = TaskRef(grant.task_id or "?", grant.task_type)
    runtime.emit(TaskClaimed(ref))
    if grant.task_id is None:
        _end(runtime, ref, End.LAPSED, f"the server handed out a task that cannot be read: {grant.reason}")
        return Admission.LAPSED
    task = Task(id=grant.task_id, type=grant.task_type)
    claim = Claim(_identity(runtime, task, grant.token), task, runtime.clock.monotonic(), 0.0)
    reason = runtime.redactor.text(grant.reason)
    failed = Failed(f"the task cannot be read: {reason}", "unreadable_task", retryable=False)
    try:
        found = runtime.outbox.hold(claim)
        if isinstance(found, Answered):
            _answer(runtime, claim, found.superseded)
            return Admission.SETTLED
        _supersede(runtime, claim, found.superseded)
        _fail_held(runtime, claim, failed)
    except OutboxError as error:
        _end(runtime, ref, End.LAPSED, str(error))
        return Admission.LAPSED
    return Admission.SETTLED


def _fail_held(runtime: Runtime, claim: Claim, failed: Failed) -> None:
    """Ends a claim as failed, without any work."""
    ref = _ref(claim.task)
    runtime.outbox.commit(claim.identity, failed, attempt=claim.task.attempt)
    runtime.ledger.commit()
    runtime.emit(OutcomeCommitted(ref, End.FAILED, None, error=failed.error, error_type=failed.error_type))
    _end(runtime, ref, End.FAILED, failed.error)
    runtime.wakes.deliver()


def _obstacle(runtime: Runtime, claim: Claim) -> str | None:
    """Why a task cannot be taken on whatever the outbox holds, None when it can."""
    if runtime.registry.find(claim.task.type) is None:
        return _stranger(claim)
    if runtime.life.cancel_due(runtime.clock.monotonic()) and not runtime.gives_back(claim):
        return STOPS
    if runtime.clock.monotonic() >= claim.expires_at:
        return "its claim had run out when it came: the machine slept, or the answer was late"
    if runtime.overtaken.since(claim.identity.task_key, claim.sent_at, runtime.clock.monotonic()):
        return "a report of this task went out while this claim was on its way, and may have ended it"
    return None


def _stranger(claim: Claim) -> str:
    return f"nobody asked for tasks of type {claim.task.type!r}: look at the server"


def _held(runtime: Runtime, claim: Claim, handler: Handler, early: HoldResult | None) -> Admission:
    live = runtime.table.of_task(claim.identity.server, claim.task.id)
    if live is not None and isinstance(
        early, Held
    ):  # the same answer, or the other loop's, has the task once more
        runtime.outbox.drop(claim.identity)
        early = None
    if live is not None and early is None:
        if (
            live.stray
            or live.cancelled is not None
            or live.claim.identity.task_key != claim.identity.task_key
        ):
            _lapse(runtime, claim, "an earlier attempt of this task still runs here and does not end")
            return Admission.LAPSED
        if _take_over(runtime, live, claim, handler):
            return Admission.RUNS
    match early or runtime.outbox.hold(claim):
        case Answered(superseded=superseded):
            _answer(runtime, claim, superseded)
            return Admission.SETTLED
        case Held(superseded=superseded, checkpoint=checkpoint, lapses=lapses):
            _supersede(runtime, claim, superseded)
            if (failed := _too_often(runtime, claim, lapses)) is not None:
                _fail_held(runtime, claim, failed)
                return Admission.SETTLED
            if _stops(runtime) and runtime.gives_back(claim):
                _release_held(runtime, claim)
                return Admission.LAPSED
            limit = _limit(runtime, claim, handler)
            attempt = Attempt(claim, handler, checkpoint=checkpoint, limit_at=limit)
            runtime.table.add((attempt,))
            runtime.gate.started(claim.task.type, runtime.clock.monotonic())
            runtime.slots.start(attempt)
            runtime.wakes.lease()
            return Admission.STARTED


def _stops(runtime: Runtime) -> bool:
    """Whether nothing more is begun: a task that goes back untouched does so at once, another one only when it must."""
    if runtime.health.capabilities.releases:
        return not runtime.life.running
    return runtime.life.cancel_due(runtime.clock.monotonic())


def _too_often(runtime: Runtime, claim: Claim, lapses: int) -> Failed | None:
    """The failure of a task that the server would hand out for ever; None while it may run."""
    if not runtime.health.capabilities.retries_at_once or not runtime.claims_hold:
        return None
    return too_often(claim.task.attempt, lapses=lapses, limit=runtime.config.max_attempts)


def _take_over(runtime: Runtime, live: Attempt, claim: Claim, handler: Handler) -> bool:
    """A live attempt goes on under its new claim (R9), within its handler's own time limit (R16).

    The earlier claim lapsed on the server. False when the attempt has ended meanwhile.
    """
    before, held_until = live.ref, live.claim.expires_at
    with live.binding:
        if not runtime.outbox.rehold(live.claim.identity, claim):
            return False
        longest = live.claim.sent_at if live.started_at is None else live.started_at
        live.limit_at = min(_limit(runtime, claim, handler), longest + handler.time_limit)
        live.claim = claim
    _end(
        runtime,
        before,
        End.LAPSED,
        "handed out again while it still runs here; it goes on under the new claim",
    )
    runtime.wakes.lease()
    _tell_if_early(runtime, claim, held_until)
    return True


def _tell_if_early(runtime: Runtime, claim: Claim, held_until: float) -> None:
    """Says once that claims do not hold as long as they are taken to: others may be running these tasks too."""
    left = held_until - runtime.clock.monotonic()
    if runtime.health.capabilities.renews or not runtime.claims_hold or left < EARLY * claim.lease_seconds:
        return
    runtime.claims_hold = False
    taken = duration.text(claim.lease_seconds)
    runtime.emit(
        Notice(
            "error",
            f"task {claim.task.id} was handed out again {duration.text(left)} before its claim was over: claims hold "
            f"shorter there than {taken} (--server-claim-timeout), or the time zones of the server and of its "
            "database disagree; tasks may run twice; see prismq-worker doctor --probe",
        )
    )


def _answer(runtime: Runtime, claim: Claim, superseded: int) -> None:
    ref = _ref(claim.task)
    _supersede(runtime, claim, superseded)
    runtime.ledger.commit()
    runtime.emit(OutcomeCommitted(ref, End.COMPLETED, None, answered=True))
    _end(runtime, ref, End.COMPLETED, "answered with the result that was still here")
    runtime.wakes.deliver()


def _supersede(runtime: Runtime, claim: Claim, number: int) -> None:
    """Stored reports of earlier claims of this task gave way to this one (R25)."""
    runtime.ledger.settle(Settlement.SUPERSEDED, number)
    for _ in range(number):
        runtime.emit(ReportSettled(_ref(claim.task), Settlement.SUPERSEDED, "its task was claimed again"))


def _lapse(runtime: Runtime, claim: Claim, why: str) -> None:
    """Gives a claim back where the server takes it, and lets it lapse where not (R9, R36)."""
    if runtime.health.capabilities.releases and claim.identity.token is not None:
        try:
            _release(runtime, claim, why)
        except OutboxError as error:
            runtime.emit(Notice("error", str(error)))
        else:
            return
    runtime.emit(Notice("warning", f"task {claim.task.id} is left to lapse: {why}"))
    _end(runtime, _ref(claim.task), End.LAPSED, why)


def _release(runtime: Runtime, claim: Claim, why: str) -> None:
    ref = _ref(claim.task)
    runtime.outbox.give_back(claim, Released(why, RELEASE_DELAY))
    runtime.ledger.commit()
    runtime.emit(OutcomeCommitted(ref, End.RELEASED, None, error=why))
    _end(runtime, ref, End.RELEASED, why)
    runtime.wakes.deliver()


def _release_held(runtime: Runtime, claim: Claim) -> None:
    """Gives a task back that came while the worker stops and has no result here (R36)."""
    ref = _ref(claim.task)
    runtime.outbox.commit(claim.identity, Released(STOPS), attempt=claim.task.attempt)
    runtime.ledger.commit()
    runtime.emit(OutcomeCommitted(ref, End.RELEASED, None, error=STOPS))
    _end(runtime, ref, End.RELEASED, STOPS)
    runtime.wakes.deliver()


def _end(runtime: Runtime, ref: TaskRef, end: End, detail: str) -> None:
    runtime.ledger.end(end)
    runtime.emit(ClaimEnded(ref, end, detail))


def _claim(runtime: Runtime, grant: Grant, sent_at: float) -> Claim:
    lease = grant.lease_seconds
    if lease is None:
        lease = runtime.config.server_claim_timeout
    return Claim(_identity(runtime, grant.task, grant.token), grant.task, sent_at, lease)


def _identity(runtime: Runtime, task: Task, token: str | None) -> Identity:
    return Identity(
        server=runtime.server,
        dialect=runtime.health.dialect,
        task_id=task.id,
        task_type=task.type,
        digest=digest(dict(task.params)),
        worker_id=runtime.worker_id,
        token=token,
    )


def _limit(runtime: Runtime, claim: Claim, handler: Handler) -> float:
    renews = runtime.health.capabilities.renews
    now = runtime.clock.monotonic()
    age = now - claim.sent_at
    return now + time_limit(handler.time_limit, claim.lease_seconds, renews=renews, age=age)


def _ref(task: Task) -> TaskRef:
    return TaskRef(task.id, task.type, task.attempt)
