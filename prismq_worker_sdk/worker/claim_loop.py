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
from prismq_worker_sdk.worker.exchange import talk
from prismq_worker_sdk.worker.reservation import Asked
from prismq_worker_sdk.worker.services import Runtime

DISK_PAUSE = 5.0
"""Seconds before a full disk is looked at again."""

QUICK_ANSWER = 0.5
"""A wait on the server that ended sooner than this was no wait: the worker rests by itself."""


def claim_loop(runtime: Runtime, lane: int = 0) -> Loop:
    """Claims while the worker runs; ends when it drains, after the answer to the last claim is dealt with.

    The first claim waits until the reports of earlier processes were sent once (R27). While reports go out,
    claims go along with them, and this loop rests.

    Args:
        lane: Its number among several; all but the first claim only while claims bring work, and never wait on the
            server: one wait at a time can be ended.
    """
    pace = Pace()
    claimer = Claimer(runtime)
    while runtime.life.running:
        if claimer.unanswered is None and (runtime.delivering or lane >= runtime.claim_window):
            yield Wait(None)
            continue
        if runtime.command is WorkerCommand.QUIET and lane == 0:
            yield from _listen(runtime)
            continue
        asked = claimer.ask(waits=lane == 0)
        if asked is not None:
            pace = yield from _claim(runtime, claimer, asked, pace)
            if lane:
                runtime.wakes.claim()  # the slot that was kept may be free again: the first lane asks on
                pace = pace if pace.failures or pace.conflicts else Pace()
            if not asked.part or pace.failures:
                yield from _rest(runtime, pace.wait)
        elif claimer.full:
            yield from _rest(runtime, DISK_PAUSE)
        else:
            yield Wait(runtime.gate.next_change(runtime.clock.monotonic()))
    if (asked := claimer.ask(waits=False)) is not None:
        yield from _claim(runtime, claimer, asked, pace)


def _claim(runtime: Runtime, claimer: Claimer, asked: Asked, pace: Pace) -> Loop:
    """One claim, its tasks started; returns the pace."""
    call = ExchangeRequest(claim=asked.work, request_id=asked.request_id, maybe_seen=asked.maybe_seen)
    begun = runtime.clock.monotonic()
    if asked.work.wait_seconds:
        runtime.waiting = asked
    try:
        reply = yield from talk(runtime, call)
    except BaseException:
        claimer.forget(asked)
        raise
    finally:
        if runtime.waiting is asked:
            runtime.waiting = None
    tasks = reply.tasks if isinstance(reply, ExchangeResponse) else reply
    if isinstance(tasks, tuple):
        answer: int | Failure = claimer.accepted(asked, claimer.arrived(asked, tasks))
    else:
        answer = claimer.failed(asked, tasks)
    if answer == 0 and asked.work.wait_seconds and runtime.clock.monotonic() - begun > QUICK_ANSWER:
        return Pace()
    window = runtime.claim_window
    runtime.claim_window = window_after(window, answer)
    if runtime.claim_window > window:
        runtime.wakes.claim()
    pace = pace_after(pace, answer, poll_interval=runtime.config.poll_interval, jitter=runtime.dice.random())
    if not isinstance(answer, int):
        runtime.contact.failed(answer, pace.wait)
    return pace


def _listen(runtime: Runtime) -> Loop:
    """Asks the server whether it still wants this worker quiet (R40)."""
    reply = yield from talk(runtime, ExchangeRequest())
    if isinstance(reply, ExchangeResponse):
        runtime.contact.answered()
    if runtime.command is WorkerCommand.QUIET:
        yield from _rest(runtime, runtime.config.poll_interval)


def _rest(runtime: Runtime, seconds: float) -> Loop:
    """Waits the whole time, however often something else changes, unless the worker stops."""
    until = runtime.clock.monotonic() + seconds
    while runtime.life.running and (left := until - runtime.clock.monotonic()) > 0:
        yield Wait(left)
