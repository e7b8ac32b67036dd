"""Calls a handler in a child process, and does there for it what its `ctx` asks for."""

from __future__ import annotations

from prismq_worker_sdk.decide.leases import ABANDON_AFTER
from prismq_worker_sdk.errors import Defer, OutboxError, TaskCancelled
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.context import RunningContext
from prismq_worker_sdk.worker.handler_call import renewed
from prismq_worker_sdk.worker.handler_run import AttemptBackend
from prismq_worker_sdk.worker.isolation.pool import ChildPool
from prismq_worker_sdk.worker.isolation.process import ChildEnded, ChildProcess
from prismq_worker_sdk.worker.isolation.protocol import (
    Begun,
    Cancel,
    Ended,
    PauseLimit,
    Progressed,
    Run,
    StateUpdate,
    Store,
    Stored,
    error_of,
)
from prismq_worker_sdk.worker.services import Services

TICK = 0.25
"""Seconds between two looks at what the child should know."""

LOOK_BEFORE = 2.0
"""Seconds before a process is killed that its stacks are written to the log."""


class HandlerProcesses(ChildPool):
    """The processes of the handlers that have their own, and the way to call one there."""

    def call(self, services: Services, attempt: Attempt, ctx: RunningContext) -> str:
        """What the handler returns, as JSON text; raises what it raises, or HandlerCrashed when its process ended.

        Args:
            ctx: Learns what the handler submitted.

        Raises:
            Unavailable: There is no child for it now, or its settings cannot be read.
        """
        renewed(attempt.handler)  # a secret that changed is known here before the child can say it
        ended = None
        while ended is None:
            child = self._taken(services, attempt)
            call = _Call(services, attempt, child)
            try:
                ended = call.end()
            except ChildEnded:
                error = self.crash(child)
                if call.begun or child.killed:
                    raise error from None
            except BaseException:
                self.discard(child)
                raise
        limit = services.config.max_memory_per_child
        large = limit and ended.memory > limit
        if large:
            size = f"{ended.memory // 2**20} MiB after a task of {attempt.handler.task_type}"
            services.emit(
                Notice("info", f"process {child.pid} has {size} and is replaced (--max-memory-per-child)")
            )
        if large or ended.tainted:
            self.retire(child)
        else:
            self.give_back(child)
        ctx.children = ended.children
        if ended.failure is not None:
            raise error_of(ended.failure)
        return ended.result or "null"

    def _taken(self, services: Services, attempt: Attempt) -> ChildProcess:
        """A child for this attempt; where its claim is renewed, the wait is no part of the handler's time (R16)."""
        asked_at, limit_at = services.clock.monotonic(), attempt.limit_at

        def ended() -> bool:
            if services.can.renews:
                attempt.limit_at = limit_at + services.clock.monotonic() - asked_at
            return attempt.cancelled is not None

        child = self.take(ended=ended)
        if child is not None:
            return child
        if attempt.cancelled is None:
            raise Defer("the worker stops")
        raise TaskCancelled(attempt.cancelled)


class _Call:
    """One call of a handler in a child, as seen from here.

    Attributes:
        begun: Whether the child has got the task; one that ended before costs nothing but another child.
    """

    def __init__(self, services: Services, attempt: Attempt, child: ChildProcess) -> None:
        self._services = services
        self._attempt = attempt
        self._child = child
        self._backing = AttemptBackend(services, attempt)
        self._told = self._state()
        self._looked = False
        self.begun = False
        child.runs += 1
        self._number = child.runs

    def end(self) -> Ended:
        """Runs it to its end.

        Raises:
            ChildEnded: The process ended first.
        """
        child, attempt = self._child, self._attempt
        child.task, child.keep = attempt.ref, self._backing.logged
        spare = attempt.killable(child.kill)
        child.send(self._run())
        forget = attempt.on_cancel(self._cancel)
        try:
            while not isinstance(message := child.receive(TICK), Ended):
                self._do(message)
                self._tell_changes()
                self._look_before_the_kill()
            return message
        finally:
            forget()
            spare()

    def _do(self, message: object) -> None:
        match message:
            case Begun():
                self.begun = True
            case Progressed(percent=percent, message=text):
                self._backing.progressed(percent, text)
            case PauseLimit(name=name, seconds=seconds, reason=reason):
                self._backing.pause_limit(name, seconds, reason)
            case Store(checkpoint=checkpoint):
                self._store(checkpoint)

    def _run(self) -> Run:
        services, backing = self._services, self._backing
        return Run(
            self._number,
            backing.task,
            backing.checkpoint_text,
            backing.time_left,
            backing.stopping,
            backing.can,
            bool(services.config.max_memory_per_child),
            backing.context,
        )

    def _cancel(self) -> None:
        if (reason := self._attempt.cancelled) is not None:
            self._child.send(Cancel(self._number, reason))

    def _store(self, checkpoint: str) -> None:
        trouble = None
        try:
            self._backing.store(checkpoint)
        except OutboxError as error:
            trouble = str(error)
        self._child.send(Stored(self._number, trouble, self._attempt.cancelled))

    def _state(self) -> tuple[float, bool]:
        return self._attempt.limit_at, self._backing.stopping

    def _tell_changes(self) -> None:
        """The limit moves when a later claim takes over (R9); the worker may begin to stop."""
        if (now := self._state()) != self._told:
            self._told = now
            backing = self._backing
            self._child.send(StateUpdate(self._number, backing.time_left, backing.stopping))

    def _look_before_the_kill(self) -> None:
        """Where a handler is that does not end, while it can still be asked."""
        attempt = self._attempt
        if attempt.cancelled_at is None or self._looked:
            return
        kill_at = max(attempt.limit_at, attempt.cancelled_at) + ABANDON_AFTER
        if self._services.clock.monotonic() >= kill_at - LOOK_BEFORE:
            self._looked = True
            self._child.show_stacks()
