"""A child process of a worker: loads the handlers, calls them for the tasks that it is given, and is their context."""

from __future__ import annotations

import faulthandler
import logging
import os
import pickle
import queue
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import datetime
from typing import Any

from prismq_worker_sdk.decide.exceptions import single, tell
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.handlers.reference import find
from prismq_worker_sdk.handlers.settings_source import SettingsSource
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.observe.span_export import span_export
from prismq_worker_sdk.processes import (
    drop_stop_signals,
    end_fork_of,
    follow_parent,
    parent_channel,
    show_stacks_when_asked,
)
from prismq_worker_sdk.system import FileLock, SystemClock, none_left, resident_memory
from prismq_worker_sdk.tracing import current, entered
from prismq_worker_sdk.worker.context import CancelToken, RunningContext
from prismq_worker_sdk.worker.handler_call import call, set_up
from prismq_worker_sdk.worker.isolation.child_output import ToWorker, send_logs
from prismq_worker_sdk.worker.isolation.protocol import (
    Begun,
    Cancel,
    Channel,
    Ended,
    Init,
    LoadFailed,
    PauseLimit,
    Progressed,
    Ready,
    Run,
    Shutdown,
    StateUpdate,
    Store,
    Stored,
    failure_of,
)

_LOG = logging.getLogger("prismq.plugins")
LAST_MOMENT = 1.0
"""Seconds for the interpreter to end in order."""

OUTPUT = (1, 2)
"""What is printed goes there, and on to the worker's log."""


def main(parent: int) -> None:
    """Runs in the child from its first moment to its end.

    Args:
        parent: The process that started it.
    """
    follow_parent(parent)
    faulthandler.enable(all_threads=False)
    show_stacks_when_asked()
    channel = Channel(parent_channel())
    with suppress(EOFError, OSError):
        _Child(channel).live()


class _Child:
    """Handlers run in the main thread; a second one hears the worker."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._clock = SystemClock()
        self._process = os.getpid()
        self._output = _output()
        self._lock: FileLock | None = None
        self._handlers: dict[str, Handler] = {}
        self._set_up: dict[str, Handler] = {}
        self._runs: queue.SimpleQueue[tuple[Run, ChildBackend] | None] = queue.SimpleQueue()

    def live(self) -> None:
        init: Init = self._channel.receive()
        if init.lock is not None:
            self._lock = FileLock.inherited(init.lock)
        sys.argv[:] = init.arguments
        send_logs(self._channel, init.levels)
        try:
            self._load(init)
        except BaseException as error:  # noqa: BLE001 - importing a plugin may raise anything
            _LOG.exception("a child process cannot load the handlers")
            told = tell(error)
            self._channel.send(LoadFailed(f"{told.main}{''.join(told.more)}"))
            return
        spans = span_export(lambda text: _LOG.debug("%s", text))  # the worker has told it
        drop_stop_signals()  # a library may have set handlers of its own when it was imported
        self._channel.send(Ready())
        threading.Thread(target=self._listen, name="prismq-child", daemon=True).start()
        while (given := self._runs.get()) is not None:
            self._run(*given)
        self._tear_down()
        if spans is not None:
            spans.close()
        late = threading.Timer(LAST_MOMENT, os._exit, (0,))
        late.daemon = True
        late.start()  # a thread that a handler has left running holds up no end

    def _load(self, init: Init) -> None:
        for reference in init.references:
            handler = find(reference)
            settings = pickle.loads(init.settings[reference.task_type])  # noqa: S301 - from the worker itself
            self._handlers[reference.task_type] = (
                handler.with_settings_from(settings)
                if isinstance(settings, SettingsSource)
                else handler.with_settings(settings)
            )

    def _listen(self) -> None:
        """Hears the worker; its silence for ever is the end of this process, whatever runs (R20)."""
        backing: ChildBackend | None = None
        try:
            while True:
                message = self._channel.receive()
                match message:
                    case Run():
                        self._channel.send(Begun())
                        handler = self._handlers[message.task.type]
                        backing = ChildBackend(self._channel, message, handler, self._clock)
                        self._runs.put((message, backing))
                    case Cancel() | StateUpdate() | Stored() if backing is not None:
                        backing.hear(message)
                    case Shutdown():
                        self._runs.put(None)
        finally:
            os._exit(0)

    def _run(self, run: Run, backing: ChildBackend) -> None:
        handler = self._handlers[run.task.type]
        ctx = RunningContext(backing)
        result = failure = None
        leave = entered(run.context)
        try:
            self._prepare(handler)
            drop_stop_signals()
            params = handler.params.parse(run.task.params)
            result = call(handler, params, ctx, token=backing.token, max_bytes=run.can.max_result_bytes)
        except BaseException as error:  # noqa: BLE001 - whatever it raises is judged by the worker
            failure = failure_of(single(error))
        finally:
            leave()
        end_fork_of(self._process)
        drop_stop_signals()
        backing.close()
        with suppress(Exception):
            sys.stdout.flush()
        with suppress(OSError):
            os.write(OUTPUT[-1], b"\n")  # half a line must not go on in that of the next task
        memory = resident_memory() if run.report_memory else 0
        tainted = self._output != _output() or none_left()
        self._channel.send(Ended(result, failure, ctx.children, memory, tainted))

    def _prepare(self, handler: Handler) -> None:
        """Sets a handler up for its first task in this process."""
        if handler.task_type in self._set_up:
            return
        set_up(handler)
        self._set_up[handler.task_type] = handler

    def _tear_down(self) -> None:
        for handler in reversed(self._set_up.values()):
            try:
                with plugin_code("teardown()"):
                    handler.teardown()
            except PluginRaised:  # the other handlers are torn down all the same
                traceback.print_exc()


def _output() -> tuple[tuple[int, int] | None, ...]:
    """Where the printed lines go now; a handler may have closed or replaced it."""
    return tuple(_place(number) for number in OUTPUT)


def _place(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


QUIET = 0.05
"""Seconds between two words about progress: of those between them only the last one is sent."""


class ChildBackend:
    """Implements `context.ContextBackend` by asking the worker."""

    def __init__(self, channel: Channel, run: Run, handler: Handler, clock: Clock) -> None:
        self._channel = channel
        self._number = run.number
        self._clock = clock
        self._handler = handler
        self.token = CancelToken()
        self.task = run.task
        self.can = run.can
        self.checkpoint_text = run.checkpoint
        self.stopping = run.stopping
        self._context = run.context
        self._limit_at = clock.monotonic() + run.time_left
        self._unlogged = ToWorker(channel)
        self._storing = threading.Lock()
        self._answer: Stored | None = None
        self._answered = threading.Event()
        self._progressing = threading.Lock()
        self._said_at = -QUIET
        self._unsaid: Progressed | None = None
        self._timer: threading.Timer | None = None

    @property
    def settings(self) -> Any:
        return self._handler.renewed().settings

    @property
    def time_left(self) -> float:
        return self._limit_at - self._clock.monotonic()

    def progressed(self, percent: float, message: str) -> None:
        """Tells the worker now, or in a moment when it was told just now."""
        with self._progressing:
            self._unsaid = Progressed(percent, str(message))
            rest = self._said_at + QUIET - time.monotonic()
            if rest <= 0:
                self._say()
            elif self._timer is None:
                self._timer = threading.Timer(rest, self._later)
                self._timer.daemon = True
                self._timer.start()

    def logged(self, record: logging.LogRecord) -> None:
        """Tells the worker what the log of this process leaves out."""
        if not logging.getLogger(record.name).isEnabledFor(record.levelno):
            self._unlogged.emit(record)

    @property
    def utc(self) -> datetime:
        return self._clock.utc()

    @property
    def context(self) -> TraceContext | None:
        return current(self._context)

    def pause_limit(self, name: str, seconds: float, reason: str) -> None:
        self._channel.send(PauseLimit(name, seconds, reason))

    def store(self, checkpoint: str) -> None:
        """Returns once the worker has stored it.

        Raises:
            OutboxError: The worker could not.
        """
        with self._storing:
            self._answered.clear()
            self._channel.send(Store(checkpoint))
            self._answered.wait()
            answer = self._answer
        if answer is not None and answer.trouble is not None:
            raise OutboxError(answer.trouble)
        self.checkpoint_text = checkpoint

    def hear(self, message: Cancel | StateUpdate | Stored) -> None:
        """The worker said something about a run; one about an earlier run is dropped."""
        if message.number != self._number:
            return
        match message:
            case Cancel(reason=reason):
                self.token.cancel(reason)
            case StateUpdate(time_left=left, stopping=stopping):
                self._limit_at, self.stopping = self._clock.monotonic() + left, stopping
            case Stored(cancelled=reason):
                if reason is not None:
                    self.token.cancel(reason)
                self._answer = message
                self._answered.set()

    def close(self) -> None:
        """The handler has ended: what was not said about its progress is said now."""
        with self._progressing:
            if self._timer is not None:
                self._timer.cancel()
            self._say()

    def _later(self) -> None:
        with self._progressing:
            self._timer = None
            self._say()

    def _say(self) -> None:
        if self._unsaid is not None:
            word, self._unsaid, self._said_at = self._unsaid, None, time.monotonic()
            with suppress(OSError):
                self._channel.send(word)
