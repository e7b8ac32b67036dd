"""The work on one task: its params validated, its handler run, its result encoded, its end judged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prismq_worker_sdk.decide.backoff import retry_pause
from prismq_worker_sdk.decide.ends import (
    outcome_of_cancel,
    outcome_of_error,
    outcome_when_cancelled,
)
from prismq_worker_sdk.decide.exceptions import shown, single
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import InvalidParams, TaskCancelled, Transient
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.outcome import Completed, Outcome
from prismq_worker_sdk.worker.attempt import Attempt, Ending
from prismq_worker_sdk.worker.context import RunningContext
from prismq_worker_sdk.worker.handler_call import call
from prismq_worker_sdk.worker.services import Services

_LOG = logging.getLogger("prismq.worker")


class Dice(Protocol):
    """Jitter for the pauses between tries."""

    def random(self) -> float:
        """From 0 to 1."""
        ...


class Surroundings(Protocol):
    """What the way of a task from its params to its outcome needs of the worker around it."""

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def rng(self) -> Dice:
        """Jitter."""
        ...

    @property
    def redactor(self) -> Redactor:
        """Takes secrets out of what is reported."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a handler runs: in this thread, or in a child process.

    Attributes:
        parse: What `call` takes, of the params of a task; raises InvalidParams.
        call: Calls the handler once; gives its result as JSON text, and raises what it raises.
    """

    parse: Callable[[Mapping[str, Any]], Any]
    call: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class _Returned:
    text: str


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


def place_of(services: Services, attempt: Attempt, ctx: RunningContext) -> Place:
    """Where the handler of an attempt runs."""
    handler, children = attempt.handler, services.children
    if children is not None and children.has(handler.task_type):
        # the child makes the params: a validator of their model must hold nobody up here
        return Place(handler.params.check, lambda _params: children.call(services, attempt, ctx))
    limit = services.can.max_result_bytes
    return Place(
        handler.params.parse, lambda params: call(handler, params, ctx, token=attempt, max_bytes=limit)
    )


def worked(here: Surroundings, attempt: Attempt, ctx: RunningContext, place: Place) -> Ending:
    """How a task ends that is worked on here and now: validated, run, encoded, judged; raises nothing.

    Slots of every kind, the harness and the simulator work on tasks by this function, so that no verdict differs.
    """
    try:
        outcome, error = _outcome(here, attempt, ctx, place)
    except BaseException as trouble:  # noqa: BLE001 - a slot must live on, and the claim must have an end
        outcome, error = outcome_of_error(trouble, redact=here.redactor.text), trouble
    begun = attempt.started_at
    seconds = None if begun is None else here.clock.monotonic() - begun
    children = ctx.children if isinstance(outcome, Completed) else ()  # of no other end (R22)
    return Ending(outcome, error=error, seconds=seconds, children=children)


def _outcome(
    here: Surroundings, attempt: Attempt, ctx: RunningContext, place: Place
) -> tuple[Outcome | None, BaseException | None]:
    end = _tries(here, attempt, ctx, place)
    if isinstance(end, _Returned):
        lost = attempt.cancelled is CancelReason.LOST
        return (None if lost else Completed(end.text)), None
    return _judged(here, attempt, end.error), end.error


def _judged(here: Surroundings, attempt: Attempt, error: BaseException) -> Outcome | None:
    reason = attempt.cancelled
    redact = here.redactor.text
    now = here.clock.utc()
    if reason is None:
        return outcome_of_error(error, redact=redact, now=now)
    detail = ""
    if reason is CancelReason.TIME_LIMIT:
        limit = attempt.limit_text(here.clock.monotonic())
        detail = f"the handler did not end within its time limit of {limit}"
    if isinstance(error, TaskCancelled):
        return outcome_of_cancel(reason, detail=detail)
    return outcome_when_cancelled(error, reason, redact=redact, now=now, detail=detail)


def _tries(here: Surroundings, attempt: Attempt, ctx: RunningContext, place: Place) -> _Returned | _Raised:
    """The handler, repeated inside the claim where it asked for that (R13)."""
    handler = attempt.handler
    tries = 0
    try:
        params = place.parse(attempt.claim.task.params)
    except InvalidParams as error:
        return _Raised(error)
    while True:
        tries += 1
        end = _once(place, params)
        if handler.retry is None or not isinstance(end, _Raised) or not isinstance(end.error, Transient):
            return end
        pause = retry_pause(handler.retry, tries, here.rng.random(), asked=end.error.retry_in)
        if pause is None or pause >= ctx.time_left or ctx.stopping:
            return end
        ctx.replace_children()
        ctx.log.warning(
            "a try failed and is repeated", tries=tries, retry_in=round(pause, 1), error=shown(end.error)
        )
        try:
            ctx.sleep(pause)
        except TaskCancelled as cancelled:
            return _Raised(cancelled)


def _once(place: Place, params: Any) -> _Returned | _Raised:
    try:
        return _Returned(place.call(params))
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt of a handler end its task only
        return _Raised(single(error))
