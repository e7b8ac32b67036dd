"""Tasks that were claimed before a slot was free for them: they begin in one, or go back untouched (R4, R7)."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from prismq_worker_sdk.decide.claims import LONG
from prismq_worker_sdk.model.outcome import Released
from prismq_worker_sdk.model.protocol import WorkerCommand
from prismq_worker_sdk.worker.attempt import Attempt, Ending, Prefetched
from prismq_worker_sdk.worker.commit_loop import finish
from prismq_worker_sdk.worker.services import Services

LONGEST_WAIT = 0.5
"""Seconds that a task waits for a slot before it goes back; looked for once a second, and when that is over."""


def may_begin(services: Services, attempt: Attempt) -> bool:
    """Whether an attempt that has waited for its slot begins now; where not, it goes back."""
    why = _obstacle(services, attempt, services.clock.monotonic())
    if why is not None:
        _give_back(services, attempt, why)
    return why is None


def give_back(services: Services) -> float:
    """Gives back what waits and must not begin, or waits for too long; seconds until the next one has."""
    now = services.clock.monotonic()
    found = {attempt: _overdue(services, attempt, now) for attempt in services.slots.prefetched}
    for attempt in services.slots.withdraw([attempt for attempt, why in found.items() if why is not None]):
        _give_back(services, attempt, found[attempt] or "")
    return min(_seconds_left(found, now), default=inf)


def _overdue(services: Services, attempt: Attempt, now: float) -> str | None:
    """Why an attempt that waits goes back, None while it may go on waiting."""
    if (why := _obstacle(services, attempt, now)) is not None:
        return why
    if isinstance(attempt.state, Prefetched) and now >= attempt.state.since + LONGEST_WAIT:
        services.shared.handler_seconds = LONG
        return "no slot was free in time"
    return None


def _seconds_left(found: dict[Attempt, str | None], now: float) -> Iterator[float]:
    for attempt, why in found.items():
        if why is None and isinstance(state := attempt.state, Prefetched):
            yield max(0.0, state.since + LONGEST_WAIT - now)


def _obstacle(services: Services, attempt: Attempt, now: float) -> str | None:
    """Why an attempt that has waited for a slot must not begin, None while it may."""
    if not services.lifecycle.running:
        return "it had not begun when the worker was stopped"
    if services.shared.command is not WorkerCommand.RUN:
        return "it had not begun when the server wanted this worker quiet"
    if now >= attempt.claim.expires_at:
        return "its claim ran out before a slot was free"
    if attempt.handler.rate is not None:
        return "tasks of its type begin at a fixed rate"
    return services.availability.why_closed(attempt.claim.task.type, now)


def _give_back(services: Services, attempt: Attempt, why: str) -> None:
    services.accounting.untouched()
    finish(services, attempt, Ending(Released(why)))
