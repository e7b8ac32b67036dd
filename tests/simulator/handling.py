"""Handlers of simulated workers: they take simulated time, and end as their task's plan says."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from prismq_worker_sdk.errors import Defer, OutboxError, Permanent, TaskCancelled, Transient, Unavailable
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.values import ParamsSpec
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.commit_loop import finish
from prismq_worker_sdk.worker.context import RunningContext
from prismq_worker_sdk.worker.handler_run import AttemptBackend, begin, place_of, worked
from prismq_worker_sdk.worker.slots import SlotPool
from tests.simulator.host import Worker
from tests.simulator.plan import Work
from tests.simulator.scene import CHILD, LIMIT, TIME_LIMIT, TYPES, UNAVAILABLE, Scene
from tests.simulator.watch import Watch

TOLD = 0.2
"""Seconds in which a handler that obeys ends when it is told to."""

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
    if work.follower:
        ctx.then(CHILD, {})
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


class SimulatedSlots(SlotPool):
    """Slots whose handlers take simulated time."""

    def __init__(self, size: int, process: Worker, watch: Watch) -> None:
        super().__init__(size, self._begin_all, process.handlers)
        self._process = process
        self._watch = watch

    def _begin_all(self, attempts: Sequence[Attempt], _threads: int) -> None:
        for attempt in attempts:
            self._process.later(0.0, _Run(self._process, attempt, self._watch).begin)

    def start(self, attempts: Sequence[Attempt], now: float) -> None:
        """Attempts begin, or wait for a slot."""
        super().start(attempts, now)
        self._watch.prefetched.wait(self.prefetched)

    def finished(self, attempts: Sequence[Attempt]) -> None:
        """Attempts left their slots."""
        for attempt in attempts:
            self._watch.left(self._process, attempt)
        super().finished(attempts)


class _Run:
    """One handler on its way."""

    def __init__(self, process: Worker, attempt: Attempt, watch: Watch) -> None:
        if process.services is None:
            raise RuntimeError("a task runs before its worker has found a server")
        self._process = process
        self._watch = watch
        self._services = process.services
        self._attempt = attempt
        self._ctx = RunningContext(AttemptBackend(self._services, attempt))
        self._work = process.host.scene.work(attempt.claim.task.id)
        self._over = False

    def begin(self) -> None:
        process, attempt, work = self._process, self._attempt, self._work
        if not begin(self._services, attempt):
            return
        self._watch.started(process, attempt, self._ctx.last_checkpoint)
        self._log("begun")
        process.later(work.seconds, self._end)
        if work.pauses and self._watch.starts[attempt.claim.task.id] == 1:
            self._pause()
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
            self._log("half")
            self._ctx.progress(50, "half")
            self._ctx.checkpoint({"half": True})
        except (TaskCancelled, OutboxError):
            return
        self._watch.checkpointed(self._process, self._attempt.claim.task.id)

    def _pause(self) -> None:
        """The limit pauses; whether the handler is told to end meanwhile does not matter."""
        self._watch.pauses.asked(self._process, self._work.pauses)
        with suppress(TaskCancelled):
            self._ctx.pause_limit(LIMIT, self._work.pauses)

    def _log(self, word: str) -> None:
        """A line that no other run of the task logs."""
        if self._process.host.scene.plan.talks:
            starts = self._watch.starts[self._attempt.claim.task.id]
            self._ctx.log.info(f"{self._process.worker_id} {starts} {word}")  # noqa: G004 - one text

    def _kill(self) -> None:
        if not self._over:
            self._process.host.crash(away=1.0)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self._log("ended")
        place = place_of(self._services, self._attempt, self._ctx)
        ending = worked(self._services, self._attempt, self._ctx, place)
        finish(self._services, self._attempt, ending)
