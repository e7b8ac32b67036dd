"""The worker: puts the parts together, watches the loops, and stops in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.decide.shutdown import ExitCode
from prismq_worker_sdk.errors import UsageError
from prismq_worker_sdk.handlers.handler import Handler, as_handler
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.handlers.task_handler import TaskHandler
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Event, Notice, WorkerStopped
from prismq_worker_sdk.observe.bus import EventBus
from prismq_worker_sdk.observe.event_log import EventLog
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.logs import set_up_logging
from prismq_worker_sdk.observe.statistics import Statistics, Summary
from prismq_worker_sdk.system import SystemClock, generated_worker_id, on_stop_signals, resident_memory
from prismq_worker_sdk.worker.config import ProvidesConfig, WorkerConfig
from prismq_worker_sdk.worker.lifecycle import Lifecycle
from prismq_worker_sdk.worker.recovery import State, open_state
from prismq_worker_sdk.worker.supervisor import Supervisor

__all__ = ["Worker"]


class Worker:
    """Claims tasks, runs their handlers, reports the outcomes.

    Args:
        handlers: What `@task_handler` made, or TaskHandler classes or instances.
        settings: WorkerSettings, or anything else that has a `config()`.
        listeners: Called with every event, on the thread where it happens: be quick.
        clock: Time; the machine's unless given.

    Raises:
        PluginError: Two handlers are for one task type.
        SettingsError: A setting cannot be used.
    """

    def __init__(
        self,
        handlers: Iterable[Handler | TaskHandler | type[TaskHandler]],
        *,
        settings: ProvidesConfig,
        listeners: Iterable[Callable[[Event], None]] = (),
        clock: Clock | None = None,
    ) -> None:
        self._config: WorkerConfig = settings.config()
        self._clock: Clock = clock or SystemClock()
        self._redactor = Redactor(self._config.secrets)
        self._registry = Registry([as_handler(handler) for handler in handlers])
        self._worker_id = self._config.worker_id or generated_worker_id()
        self._statistics = Statistics(self._clock, memory=resident_memory)
        self._bus = EventBus([EventLog(self._clock), self._statistics, *listeners])
        self._life = Lifecycle()
        self._supervisor: Supervisor | None = None
        self._exit_code: int | None = None
        self._ended = threading.Event()

    @property
    def worker_id(self) -> str:
        """The id under which it claims."""
        return self._worker_id

    @property
    def stats(self) -> Summary:
        """The numbers so far."""
        return self._statistics.snapshot()

    def run(self) -> int:
        """Runs until it is stopped, owning the process: logging, SIGTERM, SIGINT and SIGUSR1; the exit code.

        Every error is one line of the log; nothing is raised.
        """
        config = self._config
        set_up_logging(
            log_format=config.log_format,
            level="DEBUG" if config.debug else config.log_level,
            redactor=self._redactor,
            worker_id=self._worker_id,
        )
        with on_stop_signals(self._signalled, self._show):
            try:
                self.start()
            except UsageError as error:
                self._bus.emit(Notice("error", str(error)))
                self._bus.emit(WorkerStopped(ExitCode.USAGE, str(error)))
                return ExitCode.USAGE
            self._ended.wait()
        self._show()
        return ExitCode.FAILED if self._exit_code is None else self._exit_code

    def start(self) -> None:
        """Opens the state folder and begins, on threads of its own.

        Raises:
            StateFolderError: The state folder cannot be used; nothing was claimed.
            UsageError: It was started before.
        """
        if self._supervisor is not None:
            raise UsageError("this worker was started before; make a new one")
        state: State = open_state(self._config.state_dir, self._config.instance, self._clock)
        self._supervisor = Supervisor(
            self._config,
            worker_id=self._worker_id,
            registry=self._registry,
            state=state,
            life=self._life,
            clock=self._clock,
            redactor=self._redactor,
            emit=self._bus.emit,
        )
        self._supervisor.start(self._finished)

    def stop(self, grace: float | None = None) -> None:
        """Asks it to stop, and returns at once.

        Args:
            grace: Seconds until it must have ended, the setting unless given; 0 for now.
        """
        self._ask_stop("stop() was called", grace)

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, once it has ended; None when it has not within the timeout (seconds)."""
        self._ended.wait(timeout)
        return self._exit_code

    def health(self) -> Health:
        """Whether it lives and is ready, and why not."""
        supervisor = self._supervisor
        if supervisor is None:
            return Health(live=True, ready=False, reasons=("it has not been started",))
        return supervisor.health()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.wait()

    def _signalled(self, name: str) -> None:
        grace = None if self._life.running else 0.0
        self._ask_stop(f"{name} received", grace)

    def _ask_stop(self, reason: str, grace: float | None) -> None:
        seconds = self._config.grace_period if grace is None else grace
        self._life.ask_stop(reason, grace=seconds, now=self._clock.monotonic())
        if self._supervisor is not None:
            self._supervisor.wake()

    def _show(self) -> None:
        for line in self.stats.lines():
            self._bus.emit(Notice("info", line))

    def _finished(self, code: int) -> None:
        self._exit_code = code
        self._ended.set()
