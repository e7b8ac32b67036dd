"""The work on one task in its slot: its params validated, its handler run, its result encoded, its end judged."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from random import Random
from typing import Any, Protocol

from prismq_worker_sdk.decide.backoff import retry_pause
from prismq_worker_sdk.decide.ends import (
    outcome_of_cancel,
    outcome_of_error,
    outcome_when_cancelled,
)
from prismq_worker_sdk.decide.exceptions import shown, single
from prismq_worker_sdk.decide.leases import CONFIRM_WITHIN, first_renewal
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import InvalidParams, TaskCancelled, Transient
from prismq_worker_sdk.handlers.limits import may_use
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Notice, TaskProgressed, TaskStarted
from prismq_worker_sdk.model.outcome import Completed, Outcome
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.observe.logs import TASK
from prismq_worker_sdk.processes import end_fork_of
from prismq_worker_sdk.tracing import current
from prismq_worker_sdk.worker.attempt import Attempt, Ending, Prefetched
from prismq_worker_sdk.worker.commit_loop import finish, pause_type
from prismq_worker_sdk.worker.context import RunningContext
from prismq_worker_sdk.worker.handler_call import call
from prismq_worker_sdk.worker.prefetch import may_begin
from prismq_worker_sdk.worker.services import Services
from prismq_worker_sdk.worker.traces import TaskTrace

LONGEST_MESSAGE = 2000
"""Characters of a progress message that go to the server."""

_LOG = logging.getLogger("prismq.worker")


def run(services: Services, attempt: Attempt) -> None:
    """Works on a task in the thread of its slot, from its params to its outcome; the commit loop stores its end."""
    attempt.thread_id = threading.get_ident()
    attempt.native_id = threading.get_native_id()
    process = os.getpid()
    task = TASK.set(attempt.ref)
    leave = None if attempt.trace is None else attempt.trace.enter()
    try:
        try:
            if not begin(services, attempt):
                return
            services.shared.threads[attempt.thread_id] = attempt
            services.emit(TaskStarted(attempt.ref))
            ctx = RunningContext(AttemptBackend(services, attempt))
            place = place_of(services, attempt, ctx)
            if attempt.trace is not None:
                place = traced(place, attempt.trace)
            ending = worked(services, attempt, ctx, place)
        except BaseException as error:  # noqa: BLE001 - no memory, for one: the claim must have an end all the same
            ending = Ending(outcome_of_error(error, redact=services.redactor.text), error)
        if os.getpid() != process:
            end_fork_of(process)
        if ending.error is not None:
            with suppress(Exception):  # whatever was done to logging, the claim must have an end
                _LOG.debug("the handler raised", exc_info=ending.error)
    finally:
        TASK.reset(task)
        if leave is not None:
            leave()
    finish(services, attempt, ending)


def begin(services: Services, attempt: Attempt) -> bool:
    """Begins an attempt in its slot; False where it has waited for that and goes back instead."""
    waited = isinstance(attempt.state, Prefetched)
    if waited and not may_begin(services, attempt):
        return False
    attempt.begin(services.clock.monotonic())
    if waited:
        watch(services, (attempt,))
    return True


def watch(services: Services, attempts: Iterable[Attempt]) -> None:
    """New attempts are to be watched: wakes the lease loop where it would look too late by itself (R7, R16)."""
    first = services.clock.monotonic() + CONFIRM_WITHIN
    if services.shared.lease_looks_at > min(first, *[attempt.limit_at for attempt in attempts]):
        services.wakeups.lease()


class Surroundings(Protocol):
    """What the way of a task from its params to its outcome needs of the worker around it."""

    @property
    def clock(self) -> Clock: ...

    @property
    def rng(self) -> Random: ...

    @property
    def redactor(self) -> Redactor: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a handler runs: in this thread, or in a child process.

    Attributes:
        parse: What `call` takes, of the params of a task; raises InvalidParams.
        call: Calls the handler once; gives its result as JSON text, and raises what it raises.
    """

    parse: Callable[[Mapping[str, Any]], Any]
    call: Callable[[Any], str]


def place_of(services: Services, attempt: Attempt, ctx: RunningContext) -> Place:
    """Where the handler of an attempt runs."""
    handler, children = attempt.handler, services.children
    if children is not None and children.has(handler.task_type):
        # the child makes the params: a validator of their model must hold nobody up here
        return Place(handler.params.check, lambda _params: children.call(services, attempt, ctx))
    limit = services.can.max_result_bytes
    return Place(handler.params.parse, partial(call, handler, ctx=ctx, token=attempt, max_bytes=limit))


def traced(place: Place, trace: TaskTrace) -> Place:
    """The same place, where each step has its span."""
    return Place(partial(trace.validate, place.parse), partial(trace.run, place.call))


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
    if isinstance(end, str):
        return (None if attempt.cancelled is CancelReason.LOST else Completed(end)), None
    return _judged(here, attempt, end), end


def _tries(here: Surroundings, attempt: Attempt, ctx: RunningContext, place: Place) -> str | BaseException:
    """What the handler returns, or raises; repeated inside the claim where it asked for that (R13)."""
    retry = attempt.handler.retry
    try:
        params = place.parse(attempt.claim.task.params)
    except InvalidParams as unfit:
        return unfit
    for tries in count(1):
        try:
            return place.call(params)
        except BaseException as raised:  # noqa: BLE001 - SystemExit and KeyboardInterrupt of a handler end its task only
            error = single(raised)
        if retry is None or not isinstance(error, Transient):
            return error
        pause = retry_pause(retry, tries, here.rng.random(), asked=error.retry_in)
        if pause is None or pause >= ctx.time_left or ctx.stopping:
            return error
        ctx.children = ()  # another try begins (R13)
        ctx.log.warning(
            "a try failed and is repeated", tries=tries, retry_in=round(pause, 1), error=shown(error)
        )
        try:
            ctx.sleep(pause)
        except TaskCancelled as cancelled:
            return cancelled
    raise AssertionError


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


class AttemptBackend:
    """What a context stands on in the worker's own process: the attempt, the outbox and the clock."""

    def __init__(self, services: Services, attempt: Attempt) -> None:
        self._services = services
        self.token = attempt
        attempt.log.bound_by(services.can)

    @property
    def task(self) -> Task:
        return self.token.claim.task

    @property
    def settings(self) -> Any:
        return self.token.handler.renewed().settings

    @property
    def checkpoint_text(self) -> str | None:
        return self.token.checkpoint

    @property
    def time_left(self) -> float:
        return self.token.limit_at - self._services.clock.monotonic()

    @property
    def stopping(self) -> bool:
        return not self._services.lifecycle.running

    @property
    def can(self) -> Capabilities:
        return self._services.can

    def progressed(self, percent: float, message: str) -> None:
        clean = self._services.redactor.text(message)
        self.token.progress = (percent, clean[:LONGEST_MESSAGE])
        self._services.emit(TaskProgressed(self.token.ref, percent, clean))
        self._tell()

    def logged(self, record: logging.LogRecord) -> None:
        log = self.token.log
        if log.takes:
            self._tell(pressing=log.add(record, self._services.line_text.format))

    def _tell(self, *, pressing: bool = False) -> None:
        """Wakes the lease loop once, which tells the server in time; a task that just began it looks at anyway."""
        shared, begun = self._services.shared, self.token.started_at
        if shared.lease_listens and begun is not None:
            pressing = pressing or self._services.clock.monotonic() > first_renewal(begun)
        if pressing:
            shared.lease_listens = False
            self._services.wakeups.lease()

    @property
    def utc(self) -> datetime:
        return self._services.clock.utc()

    @property
    def context(self) -> TraceContext | None:
        return current(self.token.context)

    def pause_limit(self, name: str, seconds: float, reason: str) -> None:
        services, task_type = self._services, self.task.type
        reason = services.redactor.text(reason)[:LONGEST_MESSAGE]
        if not services.can.limits:
            if may_use(self.token.handler.limits, name):
                pause_type(services, task_type, seconds, reason or f"its handler paused {name}")
            return
        services.pauses.add(name, seconds, reason, services.clock.monotonic())
        services.wakeups.lease()
        why = f": {reason}" if reason else ""
        told = f"{task_type} pauses the limit {name} of the whole fleet for {duration.text(seconds)}{why}"
        services.emit(Notice("info", told))

    def store(self, checkpoint: str) -> None:
        self._services.outbox.checkpoint(self.token.claim.identity.task_key, checkpoint)
        self.token.checkpoint = checkpoint
