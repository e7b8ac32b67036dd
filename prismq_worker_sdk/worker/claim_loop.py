"""The claim loop: reserves slots, asks for tasks, and starts what comes (R3, R4, R9)."""

from __future__ import annotations

from prismq_worker_sdk.decide.claims import Pace, pace_after, window_after
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    WorkerCommand,
)
from prismq_worker_sdk.worker.claimer import Claimer
from prismq_worker_sdk.worker.driver import Loop, Wait
from prismq_worker_sdk.worker.exchange import exchange
from prismq_worker_sdk.worker.reservation import ClaimRequest
from prismq_worker_sdk.worker.services import Services

DISK_PAUSE = 5.0
"""Seconds before a full disk is looked at again."""

QUICK_ANSWER = 0.5
"""A wait on the server that ended sooner than this was no wait: the worker rests by itself."""


def claim_loop(services: Services, lane: int = 0) -> Loop:
    """Claims while the worker runs; ends when it drains, after the answer to the last claim is dealt with.

    The first claim waits until the reports of earlier processes were sent once (R27). While reports go out,
    claims go along with them, and this loop rests.

    Args:
        lane: Its number among several; all but the first claim only while claims bring work, and never wait on the
            server: one wait at a time can be ended.
    """
    pace = Pace()
    claimer = Claimer(services)
    while services.lifecycle.running:
        if claimer.in_doubt is None and (services.shared.delivering or lane >= services.shared.claim_window):
            yield Wait(None)
            continue
        if services.shared.command is WorkerCommand.QUIET and lane == 0:
            yield from _listen(services)
            continue
        request = claimer.prepare(waits=lane == 0)
        if request is not None:
            pace = yield from _claim(services, claimer, request, pace)
            if lane:
                services.wakeups.claim()  # the slot that was kept may be free again: the first lane asks on
                pace = pace if pace.failures or pace.conflicts else Pace()
            if not request.part or pace.failures:
                yield from _rest(services, pace.wait)
        elif claimer.full:
            yield from _rest(services, DISK_PAUSE)
        else:
            yield Wait(services.availability.next_change(services.clock.monotonic()))
    if (request := claimer.prepare(waits=False)) is not None:
        yield from _claim(services, claimer, request, pace)


def _claim(services: Services, claimer: Claimer, request: ClaimRequest, pace: Pace) -> Loop:
    """One claim, its tasks started; returns the pace."""
    call = ExchangeRequest(claim=request.work, request_id=request.request_id, maybe_seen=request.maybe_seen)
    begun = services.clock.monotonic()
    if request.work.wait_seconds:
        services.shared.waiting = request
    try:
        reply = yield from exchange(services, call)
    except BaseException:
        claimer.release(request)
        raise
    finally:
        if services.shared.waiting is request:
            services.shared.waiting = None
    tasks = reply.tasks if isinstance(reply, ExchangeResponse) else reply
    if isinstance(tasks, tuple):
        answer: int | Failure = claimer.accepted(request, claimer.arrived(request, tasks))
    else:
        answer = claimer.failed(request, tasks)
    if answer == 0 and request.work.wait_seconds and services.clock.monotonic() - begun > QUICK_ANSWER:
        return Pace()
    window = services.shared.claim_window
    services.shared.claim_window = window_after(window, answer)
    if services.shared.claim_window > window:
        services.wakeups.claim()
    pace = pace_after(pace, answer, poll_interval=services.config.poll_interval, jitter=services.rng.random())
    if not isinstance(answer, int):
        services.server_status.failed(answer, pace.wait)
    return pace


def _listen(services: Services) -> Loop:
    """Asks the server whether it still wants this worker quiet (R40)."""
    reply = yield from exchange(services, ExchangeRequest())
    if isinstance(reply, ExchangeResponse):
        services.server_status.answered()
    if services.shared.command is WorkerCommand.QUIET:
        yield from _rest(services, services.config.poll_interval)


def _rest(services: Services, seconds: float) -> Loop:
    """Waits the whole time, however often something else changes, unless the worker stops."""
    until = services.clock.monotonic() + seconds
    while services.lifecycle.running and (left := until - services.clock.monotonic()) > 0:
        yield Wait(left)
