"""The supervising loop: watches the others, and leads the worker from one phase to the next (R31, R36)."""

from __future__ import annotations

from typing import Protocol

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.events import Phase, PhaseChanged
from prismq_worker_sdk.model.protocol import WorkerCommand
from prismq_worker_sdk.worker.commit_loop import all_runs_done
from prismq_worker_sdk.worker.driver import Loop, Wait
from prismq_worker_sdk.worker.prefetch import give_back
from prismq_worker_sdk.worker.services import Environment, Services

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


def supervise(services: Services, threads: Watched) -> Loop:
    """Leads the worker to its end; makes no calls, so nothing that does not answer holds it up."""
    while not services.lifecycle.stopped:
        _stop_if_due(services, threads)
        overdue = give_back(services)
        _end_handlers(services)
        _advance(services, threads)
        if not services.lifecycle.stopped:
            yield Wait(min(LOOK_EVERY, overdue, _seconds_to_next_step(services)))


def ask_stop(here: Environment, reason: str, *, grace: float, failed: bool = False) -> None:
    """Begins the stop; asked once more, its deadline can only come nearer.

    Args:
        grace: Seconds to the exit.
        failed: Whether the worker stops because of an error.
    """
    if here.lifecycle.ask_stop(reason, grace=grace, now=here.clock.monotonic(), failed=failed):
        _tell(here, Phase.DRAINING)


def seconds_left(here: Environment, unplanned: float) -> float:
    """Seconds until the deadline.

    Args:
        unplanned: What it is while no stop was asked for.
    """
    plan = here.lifecycle.plan
    return unplanned if plan is None else max(0.0, plan.deadline - here.clock.monotonic())


def _end_handlers(services: Services) -> None:
    """Tells handlers to end when the stop comes near, and ends those in processes by force (R36)."""
    now, life = services.clock.monotonic(), services.lifecycle
    if now >= life.cancel_at:
        for attempt in services.attempts.live():
            attempt.cancel(CancelReason.STOPPING, now)
        services.wakeups.deliver()
    if now >= life.kill_at:
        for attempt in services.attempts.live():
            attempt.kill()


def _seconds_to_next_step(services: Services) -> float:
    """Seconds until the stop goes on by itself."""
    plan = services.lifecycle.plan
    if plan is None:
        return LOOK_EVERY
    now = services.clock.monotonic()
    steps = [at - now for at in (plan.cancel_at, plan.kill_at) if at > now]
    return max(0.0, min(*steps, plan.deadline - now)) if steps else max(0.0, plan.deadline - now)


def _stop_if_due(services: Services, threads: Watched) -> None:
    """Stops the worker when it has done its runs, or cannot go on."""
    if all_runs_done(services):
        _stop(services, f"--max-runs {services.config.max_runs} is reached")
    if services.shared.command is WorkerCommand.TERMINATE:
        _stop(services, "the server wants this worker to end")
    if dead := threads.troubles():
        _stop(services, "; ".join(dead), failed=True)
    if (hopeless := services.availability.all_failing(services.clock.monotonic())) is not None:
        _stop(services, f"every task type is paused by errors: {hopeless}", failed=True)
    if (damage := services.outbox.transactions.damage) is not None:
        _stop(services, damage, failed=True)
    if services.slots.all_lost:
        _stop(services, "every slot is lost to a handler that does not end")
    limit = services.config.unreachable_timeout
    if limit and services.server_status.away_seconds() > limit:
        _stop(services, f"the server has not answered for {duration.text(limit)}", failed=True)


def _stop(services: Services, reason: str, *, failed: bool = False) -> None:
    life = services.lifecycle
    if life.running or (failed and not life.failed):
        ask_stop(services, reason, grace=services.config.grace_period, failed=failed)
        services.wakeups.notify_all()


def _advance(services: Services, threads: Watched) -> None:
    busy = bool(services.attempts.live()) or threads.claiming
    flushed = services.shared.flushed or not threads.delivering
    life = services.lifecycle
    while phase := life.advance(now=services.clock.monotonic(), busy=busy, flushed=flushed):
        _tell(services, phase)
        services.wakeups.notify_all()


def _tell(here: Environment, phase: Phase) -> None:
    left = None if here.lifecycle.plan is None else seconds_left(here, 0.0)
    here.emit(PhaseChanged(phase, here.lifecycle.reason, left))
