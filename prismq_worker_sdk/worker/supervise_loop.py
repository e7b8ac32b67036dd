"""The supervising loop: watches the others, and leads the worker from one phase to the next (R31, R36)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Event, Phase, PhaseChanged
from prismq_worker_sdk.model.protocol import WorkerCommand
from prismq_worker_sdk.worker.driver import Loop, Wait
from prismq_worker_sdk.worker.lifecycle import Lifecycle
from prismq_worker_sdk.worker.services import Runtime

LOOK_EVERY = 1.0
"""Seconds between two looks at the threads (R31)."""


class Watched(Protocol):
    """The other loops of a worker, as seen from here."""

    @property
    def claiming(self) -> bool:
        """Whether a claim may still be in flight."""
        ...

    @property
    def delivering(self) -> bool:
        """Whether reports may still be sent."""
        ...

    def troubles(self) -> tuple[str, ...]:
        """Loops that died or hang (R31), one sentence each."""
        ...


def supervise(runtime: Runtime, crew: Watched) -> Loop:
    """Leads the worker to its end; makes no calls, so nothing that does not answer holds it up."""
    while not runtime.life.stopped:
        _stop_if_due(runtime, crew)
        _end_handlers(runtime)
        _advance(runtime, crew)
        if not runtime.life.stopped:
            yield Wait(min(LOOK_EVERY, _seconds_to_next_step(runtime)))


def ask_stop(
    life: Lifecycle,
    clock: Clock,
    emit: Callable[[Event], None],
    reason: str,
    *,
    grace: float,
    failed: bool = False,
) -> None:
    """Begins the stop; asked once more, its deadline can only come nearer.

    Args:
        grace: Seconds to the exit.
        failed: Whether the worker stops because of an error.
    """
    if life.ask_stop(reason, grace=grace, now=clock.monotonic(), failed=failed):
        _tell(life, clock, emit, Phase.DRAINING)


def seconds_left(life: Lifecycle, clock: Clock, unplanned: float) -> float:
    """Seconds until the deadline.

    Args:
        unplanned: What it is while no stop was asked for.
    """
    return unplanned if life.plan is None else max(0.0, life.plan.deadline - clock.monotonic())


def _end_handlers(runtime: Runtime) -> None:
    """Tells handlers to end when the stop comes near, and ends those in processes by force (R36)."""
    now, life = runtime.clock.monotonic(), runtime.life
    if life.cancel_due(now):
        for attempt in runtime.table.live():
            attempt.cancel(CancelReason.STOPPING, now)
        runtime.wakes.deliver()
    if life.kill_due(now):
        for attempt in runtime.table.live():
            attempt.kill()


def _seconds_to_next_step(runtime: Runtime) -> float:
    """Seconds until the stop goes on by itself."""
    plan = runtime.life.plan
    if plan is None:
        return LOOK_EVERY
    now = runtime.clock.monotonic()
    steps = [at - now for at in (plan.cancel_at, plan.kill_at) if at > now]
    return max(0.0, min(*steps, plan.deadline - now)) if steps else max(0.0, plan.deadline - now)


def _stop_if_due(runtime: Runtime, crew: Watched) -> None:
    """Stops the worker when it has done its runs, or cannot go on."""
    if runtime.all_runs_done:
        _stop(runtime, f"--max-runs {runtime.config.max_runs} is reached")
    if runtime.command is WorkerCommand.TERMINATE:
        _stop(runtime, "the server wants this worker to end")
    if dead := crew.troubles():
        _stop(runtime, "; ".join(dead), failed=True)
    if (hopeless := runtime.gate.hopeless(runtime.clock.monotonic())) is not None:
        _stop(runtime, f"every task type is paused by errors: {hopeless}", failed=True)
    if (damage := runtime.outbox.damage) is not None:
        _stop(runtime, damage, failed=True)
    if runtime.slots.all_lost:
        _stop(runtime, "every slot is lost to a handler that does not end")
    limit = runtime.config.unreachable_timeout
    if limit and runtime.contact.away_seconds() > limit:
        _stop(runtime, f"the server has not answered for {duration.text(limit)}", failed=True)


def _stop(runtime: Runtime, reason: str, *, failed: bool = False) -> None:
    life = runtime.life
    if life.running or (failed and not life.failed):
        ask_stop(life, runtime.clock, runtime.emit, reason, grace=runtime.config.grace_period, failed=failed)
        runtime.wakes.everybody()


def _advance(runtime: Runtime, crew: Watched) -> None:
    busy = bool(runtime.table.live()) or crew.claiming
    flushed = runtime.flushed or not crew.delivering
    life = runtime.life
    while phase := life.advance(now=runtime.clock.monotonic(), busy=busy, flushed=flushed):
        _tell(life, runtime.clock, runtime.emit, phase)
        runtime.wakes.everybody()


def _tell(life: Lifecycle, clock: Clock, emit: Callable[[Event], None], phase: Phase) -> None:
    left = None if life.plan is None else seconds_left(life, clock, 0.0)
    emit(PhaseChanged(phase, life.reason, left))
