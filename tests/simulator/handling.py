"""Handlers of simulated workers: they take simulated time, and end as their task's plan says."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.errors import Defer, OutboxError, Permanent, TaskCancelled, Transient, Unavailable
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.schema import ParamsSpec
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.backing import AttemptBackend
from prismq_worker_sdk.worker.context import RunningContext
from prismq_worker_sdk.worker.ending import Commit, Ending, try_finish
from prismq_worker_sdk.worker.running import place_of, worked
from tests.simulator.host import Worker
from tests.simulator.plan import Work
from tests.simulator.scene import CHILD, TIME_LIMIT, TYPES, UNAVAILABLE, Scene
from tests.simulator.watch import Watch

TOLD = 0.2
"""Seconds in which a handler that obeys ends when it is told to."""

DISK_PAUSE = 1.0
ANYTHING = ParamsSpec.of(dict)


def make_handlers(scene: Scene, watch: Watch) -> tuple[Handler, ...]:
    """The handlers of every worker."""

    def run(_params: Any, ctx: Any) -> Any:
        return act(ctx, scene.work(ctx.task.id), watch.starts[ctx.task.id])

    return tuple(
        Handler(task_type=name, params=ANYTHING, run=run, origin=f"simulator:{name}", time_limit=TIME_LIMIT)
        for name in TYPES
    )


def act(ctx: RunningContext, work: Work, starts: int) -> Any:
    """What a handler does at its end.

    Args:
        starts: How often it was begun, this time included.
    """
    if work.obeys:
        ctx.check()
    for number in range(work.children):
        ctx.submit(CHILD, {"number": number})
    match work.end:
        case "permanent":
            raise Permanent("as planned")
        case "error":
            raise RuntimeError("as planned")
        case "flaky" if starts == 1:
            raise Transient("as planned", retry_in=1.0)
        case "defer" if starts == 1:
            raise Defer("as planned", retry_in=2.0)
        case "unavailable" if starts == 1:
            raise Unavailable("as planned", retry_in=UNAVAILABLE)
    return {"task": ctx.task.id}


class SimulatedSlot:
    """A slot whose handler takes simulated time."""

    def __init__(self, process: Worker, watch: Watch) -> None:
        self._process = process
        self._watch = watch

    def start(self, attempt: Attempt) -> None:
        """Begins."""
        _Run(self, self._process, attempt, self._watch).begin()

    def close(self) -> None:
        """Takes no more."""


class _Run:
    """One handler on its way."""

    def __init__(self, slot: SimulatedSlot, process: Worker, attempt: Attempt, watch: Watch) -> None:
        if process.runtime is None:
            raise RuntimeError("a task runs before its worker has found a server")
        self._slot = slot
        self._process = process
        self._watch = watch
        self._runtime = process.runtime
        self._attempt = attempt
        self._ctx = RunningContext(AttemptBackend(self._runtime, attempt))
        self._work = process.host.scene.work(attempt.claim.task.id)
        self._over = False

    def begin(self) -> None:
        process, attempt, work = self._process, self._attempt, self._work
        attempt.started_at = self._runtime.clock.monotonic()
        self._watch.started(process, attempt, self._ctx.last_checkpoint)
        process.later(work.seconds, self._end)
        if work.end == "kill":
            process.later(work.seconds / 2, self._kill)
        if work.checkpoint:
            process.later(work.seconds / 2, self._checkpoint)
        if work.obeys:
            attempt.on_cancel(lambda: process.later(TOLD, self._end))

    def _checkpoint(self) -> None:
        if self._over:
            return
        try:
            self._ctx.progress(50, "half")
            self._ctx.checkpoint({"half": True})
        except (TaskCancelled, OutboxError):
            return
        self._watch.checkpointed(self._process, self._attempt.claim.task.id)

    def _kill(self) -> None:
        if not self._over:
            self._process.host.crash(away=1.0)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        place = place_of(self._runtime, self._attempt, self._ctx)
        ending = worked(self._runtime, self._attempt, self._ctx, place)
        self._attempt.handler_ended = True
        self._finish(ending)

    def _finish(self, ending: Ending) -> None:
        if try_finish(self._runtime, self._attempt, ending) is Commit.REFUSED:
            self._process.later(DISK_PAUSE, lambda: self._finish(ending))
            return
        self._watch.left(self._process, self._attempt)
        runtime, attempt = self._runtime, self._attempt
        runtime.table.remove((attempt,))
        runtime.gate.stopped(attempt.claim.task.type)
        runtime.slots.finished(self._slot, attempt)
        runtime.wakes.everybody()
