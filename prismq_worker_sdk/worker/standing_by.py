"""What the claim loop does while it claims nothing: it rests, and hears now and then what the server wants (R40)."""

from __future__ import annotations

from collections.abc import Generator

from prismq_worker_sdk.decide.claims import spread
from prismq_worker_sdk.model.protocol import ExchangeRequest, ExchangeResponse, WorkerCommand
from prismq_worker_sdk.worker.driver import Effect, Loop, Reply, Wait, exchange
from prismq_worker_sdk.worker.services import Services

DISK_PAUSE = 5.0
"""Seconds before a full disk is looked at again."""
SETTLE = 2.0
"""Seconds for which nothing could be claimed before the server is told why."""


def listen(services: Services) -> Loop:
    """Asks the server whether it still wants this worker quiet (R40)."""
    reply = yield from exchange(services, ExchangeRequest())
    if isinstance(reply, ExchangeResponse) and services.server_status.answered():
        services.wakeups.deliver()
    if services.shared.command is WorkerCommand.QUIET:
        yield from rest(services, services.config.poll_interval)


def rest(services: Services, seconds: float) -> Loop:
    """Waits the whole time, however often something else changes, unless the worker stops."""
    until = services.clock.monotonic() + seconds
    while services.lifecycle.running and (left := until - services.clock.monotonic()) > 0:
        yield Wait(left, idle=False)


def stand_by(services: Services, word_at: float | None) -> Generator[Effect, Reply, float | None]:
    """Rests until there may be room; a server that wants to know hears meanwhile why nothing can be claimed.

    It hears so as seldom as an idle worker claims, and of busy slots by their renewals.

    Args:
        word_at: Clock reading at which it is told next, None where it was not to be told before.

    Returns:
        The next `word_at`.
    """
    disk, now = services.shared.disk_trouble is not None, services.clock.monotonic()
    word_at = now + SETTLE if word_at is None else word_at
    if not services.can.takes_status or not (disk or not services.availability.open(now)):
        word_at = None
    elif now >= word_at:
        yield from listen(services)
        return services.clock.monotonic() + spread(services.config.poll_interval, services.rng.random())
    left = None if word_at is None else word_at - now
    if disk:
        yield from rest(services, DISK_PAUSE if left is None else min(DISK_PAUSE, left))
    else:
        yield Wait(min((one for one in (left, services.next_room()) if one is not None), default=None))
    return word_at
