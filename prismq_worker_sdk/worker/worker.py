"""The worker: puts the parts together, watches the loops, and stops in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from prismq_worker_sdk.compat import Self
from prismq_worker_sdk.decide.redaction import Redactor, weakness
from prismq_worker_sdk.decide.shutdown import ExitCode
from prismq_worker_sdk.errors import UsageError
from prismq_worker_sdk.handlers.handler import Handler, Registry
from prismq_worker_sdk.handlers.task_handler import TaskHandler, as_handler
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Event, Notice, WorkerStopped
from prismq_worker_sdk.observe.bus import EventBus
from prismq_worker_sdk.observe.event_log import EventLog
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.log_setup import set_up_logging
from prismq_worker_sdk.observe.metrics import available_metrics
from prismq_worker_sdk.observe.readings import Readings
from prismq_worker_sdk.observe.statistics import Statistics, Summary
from prismq_worker_sdk.observe.status import WorkerStatus
from prismq_worker_sdk.system import SignalInbox, SystemClock, resident_memory, signals
from prismq_worker_sdk.worker.config import ProvidesConfig, WorkerConfig
from prismq_worker_sdk.worker.services import environment
from prismq_worker_sdk.worker.supervision.recovery import open_state
from prismq_worker_sdk.worker.supervision.supervisor import Supervisor
from prismq_worker_sdk.worker.traces import Tracing


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
        config = settings.config()
        self._redactor = Redactor(config.secrets)
        self._config: WorkerConfig = replace(config, key=_learning(config.key, self._redactor, self._warn))
        self._clock: Clock = clock or SystemClock()
        registry = Registry([as_handler(handler) for handler in handlers])
        for handler in registry.handlers:
            if handler.settings_from is not None:
                handler.settings_from.tell(self._redactor.learn)
        self._statistics = Statistics(self._clock, memory=resident_memory)
        served = config.health_port is not None
        self._metrics = available_metrics(registry.types, self._readings) if served else None
        metrics = () if self._metrics is None else (self._metrics,)
        self._event_log = EventLog(self._clock)
        self._bus = EventBus([self._event_log, self._statistics, *metrics, *listeners], self._redactor)
        here = environment(
            self._config,
            registry,
            clock=self._clock,
            redactor=self._redactor,
            emit=self._bus.emit,
            worker_id=config.worker_id,
        )
        self._here = here
        self._worker_id = here.worker_id
        self._supervisor = Supervisor(here)
        self._stop_health: Callable[[], None] | None = None
        self._started = False
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
        """Runs until it is stopped, owning the process: logging, stop signals and SIGUSR1; the exit code.

        Every error is one line of the log; nothing is raised.
        """
        config = self._config
        self._event_log.guard = set_up_logging(
            log_format=config.log_format,
            level=config.level,
            redactor=self._redactor,
            worker_id=self._worker_id,
        )
        with signals() as inbox:
            try:
                self._start(inbox.wake, owns_process=True)
            except UsageError as error:
                self._bus.emit(WorkerStopped(ExitCode.USAGE, str(error)))
                return ExitCode.USAGE
            while (name := self._next_signal(inbox)) is not None:
                if name == "SIGUSR1":
                    with suppress(Exception):  # whatever was done to logging, the worker goes on
                        self._event_log.running(self.status().running)
                    self._show()
                else:
                    self._supervisor.signalled(name)
        self._show()
        return ExitCode.FAILED if self._exit_code is None else self._exit_code

    def start(self) -> None:
        """Opens the state folder and begins, on threads of its own.

        Raises:
            StateFolderError: The state folder cannot be used; nothing was claimed.
            SettingsError: The health port is taken.
            UsageError: It was started before.
        """
        self._start(lambda: None, owns_process=False)

    def stop(self, grace: float | None = None) -> None:
        """Asks it to stop, and returns at once.

        Args:
            grace: Seconds until it must have ended, the setting unless given; 0 for now.
        """
        self._supervisor.ask_stop("stop() was called", grace)

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, once it has ended; None when it has not within the timeout (seconds)."""
        self._ended.wait(timeout)
        return self._exit_code

    def health(self) -> Health:
        """Whether it lives and is ready, and why not."""
        found = self._supervisor.health()
        return replace(found, reasons=tuple(map(self._redactor.text, found.reasons)))

    def status(self) -> WorkerStatus:
        """What it does now: its tasks with time and progress, its slots, what is paused and why."""
        return self._supervisor.status()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self.wait()

    def _start(self, done: Callable[[], None], *, owns_process: bool) -> None:
        if self._started:
            raise UsageError("this worker was started before; make a new one")
        self._started = True
        try:
            self._serve_health()
            self._here.tracing = Tracing.found(self._worker_id, self._config.api_url, self._redactor.text)
            state = open_state(self._config.state_dir, self._config.instance, self._clock)
        except UsageError:
            self._finished(ExitCode.USAGE, lambda: None)
            raise
        self._supervisor.start(state, lambda code: self._finished(code, done), owns_process=owns_process)

    def _serve_health(self) -> None:
        port = self._config.health_port
        if port is None:
            return
        from prismq_worker_sdk.observe.health_server import HealthServer

        metrics = None if self._metrics is None else self._metrics.expose
        server = HealthServer(
            port,
            self.health,
            status=lambda: self._redactor.value(self.status().as_dict()),
            metrics=metrics,
            host=self._config.health_host,
        )
        server.start()
        self._stop_health = server.stop
        paths = (
            "/healthz, /readyz and /status" if metrics is None else "/healthz, /readyz, /status and /metrics"
        )
        self._bus.emit(Notice("info", f"{paths} at {server.url}"))

    def _readings(self) -> Readings:
        return self._supervisor.readings()

    def _warn(self, text: str) -> None:
        self._bus.emit(Notice("warning", text))

    def _next_signal(self, inbox: SignalInbox) -> str | None:
        """The next signal; its handlers are the worker's, whatever a listener has made of them on this thread."""
        for taken in inbox.take_back():
            text = f"a plugin replaced the handler of {taken}; the worker, which has to stop in order, took it back"
            self._bus.emit(Notice("warning", text))
        inbox.take_back()  # who replaced it has heard that too
        return inbox.next()

    def _show(self) -> None:
        with suppress(Exception):  # as above
            self._event_log.statistics(self.stats)

    def _finished(self, code: int, done: Callable[[], None]) -> None:
        if self._stop_health is not None:
            self._stop_health()
        self._exit_code = code
        self._ended.set()
        done()


def _learning(
    key: Callable[[], str | None], redactor: Redactor, warn: Callable[[str], None]
) -> Callable[[], str | None]:
    """The key, made known to the redactor each time it is read: it may have been changed (R34)."""
    warned: set[str] = set()

    def now() -> str | None:
        found = key()
        if found is not None:
            redactor.learn(found)
        if found and found not in warned and (weak := weakness(found)) is not None:
            warned.add(found)
            warn(f"{weak}; use a long random one")
        return found

    return now
