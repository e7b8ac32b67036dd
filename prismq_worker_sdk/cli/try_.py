"""`prismq-worker try`: one task of a handler, worked on by a whole worker whose only server is this process."""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from prismq_worker_sdk.cli.handlers import ready_handlers, report_broken
from prismq_worker_sdk.cli.options import params_argument, plugin_option, setting_options
from prismq_worker_sdk.cli.output import note, only_answers, tell_json, wants_traceback
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import PrismqError, SettingsError
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.handlers.handler import Handler, Registry
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import (
    Event,
    HandlerOverran,
    Notice,
    OutcomeCommitted,
    TaskProgressed,
    TypePaused,
)
from prismq_worker_sdk.model.log import message_of
from prismq_worker_sdk.model.outcome import Completed, Failed, Follower, Outcome, Released
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    Grant,
    LeaseAnswer,
    LeaseVerdict,
    Probe,
    ReportAnswer,
    ServerInfo,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.observe.bus import EventBus
from prismq_worker_sdk.observe.log_setup import set_up_logging
from prismq_worker_sdk.observe.logs import indented
from prismq_worker_sdk.settings import configured_plugins, load_settings
from prismq_worker_sdk.system import SystemClock
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.driver import Perform
from prismq_worker_sdk.worker.services import environment
from prismq_worker_sdk.worker.supervision.recovery import open_state
from prismq_worker_sdk.worker.supervision.supervisor import Supervisor

LEASE = 300.0
CAN = Capabilities(renews=True, releases=True, creates=True, follows=True, fences=True, lease_seconds=LEASE)
LAST_WORDS = 2.0
"""Seconds for a worker whose handler does not end."""

PROGRESS_EVERY = 0.5
"""Seconds between two lines of progress; the last word is always shown."""

_LOG = logging.getLogger("prismq.task")


@click.command("try")
@click.argument("task_type", metavar="TYPE")
@params_argument
@plugin_option
@setting_options("isolation", "debug")
def try_(
    task_type: str,
    params: dict[str, Any],
    names: tuple[str, ...],
    *,
    isolation: str | None,
    debug: bool | None,
) -> int:
    """Run the handler of TYPE with PARAMS (a JSON object, @FILE or -) as a worker would, and print the result.

    \b
        prismq-worker try PrismQ.YouTube.ScrapeShorts '{"search_query": "startup ideas"}'

    It runs under its time limit, in a thread or a process as it says; what else it says is shown on stderr.
    The exit code is 0 for completed, 1 for failed or given back.
    """
    redact = Redactor()
    level = "DEBUG" if debug or wants_traceback([]) else "WARNING"
    set_up_logging(log_format="console", level=level, redactor=redact)
    with only_answers():
        plugins = load(names or configured_plugins())
        report_broken(plugins)
        handler = Registry(ready_handlers(plugins.loaded, redact.learn)).get(task_type)
        if handler.isolation is None:
            settings = load_settings({"isolation": isolation}, only={"isolation"})
            handler = replace(handler, isolation=settings.isolation)
        screen = Screen(redact)
        with screen.shown():
            trial = run_once(handler, params, redact, screen.hear)
            if trial.unready is not None:
                raise SettingsError(f"{task_type} is not ready: {trial.unready}")
            if trial.report is None:
                raise PrismqError(f"the worker ended without an outcome of {task_type}; run it with --debug")
            screen.end(trial.report, trial.seconds)
        outcome = trial.report.outcome
        if not isinstance(outcome, Completed):
            return 1
        tell_json(json.loads(outcome.result))
        return 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the one task.

    Attributes:
        report: As a server would have got it; None where there is none.
        unready: Why a worker would not have claimed it.
        seconds: Handler time, None when none ran.
    """

    report: Report | None
    unready: str | None
    seconds: float | None


def run_once(
    handler: Handler, params: Mapping[str, Any], redactor: Redactor, listen: Callable[[Event], None]
) -> Trial:
    """Lets a worker claim and run one task of this handler, with its time limit, in its kind of slot.

    Args:
        listen: Told every event of the worker, redacted, on the thread where it happens.

    Raises:
        StateFolderError: There is no room for the outbox of that worker.
    """
    server, clock, ended = _OneTaskServer(handler.task_type, params), SystemClock(), threading.Event()
    seen: dict[str, Any] = {"unready": None, "seconds": None}

    def hear(event: Event) -> None:
        match event:
            case OutcomeCommitted(seconds=seconds):
                seen["seconds"] = seconds
            case TypePaused(reason=reason, seconds=None):
                seen["unready"] = reason
                worker.ask_stop("its handler is not ready")
            case HandlerOverran():
                worker.ask_stop("its handler does not end", LAST_WORDS)

    with TemporaryDirectory(prefix="prismq-try-", ignore_cleanup_errors=True) as folder:
        here = environment(
            WorkerConfig(api_url="http://localhost/api", state_dir=Path(folder), max_runs=1, concurrency=1),
            Registry([handler]),
            clock=clock,
            redactor=redactor,
            emit=EventBus([hear, listen], redactor).emit,
            worker_id="try",
        )
        worker = Supervisor(here, server)
        state = open_state(Path(folder), None, clock)
        worker.start(state, lambda _code: ended.set(), owns_process=False)
        try:
            ended.wait()
        finally:  # Ctrl-C
            worker.ask_stop("it is interrupted", 0.0)
            ended.wait(LAST_WORDS)
    return Trial(server.report, **seen)


class _OneTaskServer:
    """Implements `worker.connections.Connects`: hands one task out, and accepts its report."""

    def __init__(self, task_type: str, params: Mapping[str, Any]) -> None:
        self.report: Report | None = None
        self._lock = threading.Lock()
        task = Task(
            id="00000000-0000-4000-8000-000000000001",
            type=task_type,
            params=dict(params),
            status=TaskStatus.PROCESSING,
            attempt=1,
        )
        self._waiting = [Grant(task, "token", LEASE)]

    def probe(self) -> Perform:
        return self._answer

    def open(self, found: ServerInfo) -> Perform:  # noqa: ARG002 - there is one way only
        return self._answer

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self, request: ExchangeRequest | Probe) -> ServerInfo | ExchangeResponse:
        if isinstance(request, Probe):
            return ServerInfo("v1", CAN)
        with self._lock:
            granted: tuple[Grant, ...] = ()
            if request.claim is not None:
                granted, self._waiting = tuple(self._waiting), []
            for report in request.reports:
                self.report = report
        return ExchangeResponse(
            reports=tuple(ReportAnswer(Verdict.ACCEPTED) for _ in request.reports),
            tasks=granted,
            renewals=tuple(LeaseAnswer(LeaseVerdict.RENEWED, LEASE) for _ in request.renewals),
        )


class Screen(logging.Handler):
    """Shows a handler's run on stderr, without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._progress = ""
        self._shown_at = -PROGRESS_EVERY

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows what handlers log, and nothing else does, while it lasts."""
        level, propagate = _LOG.level, _LOG.propagate
        _LOG.addHandler(self)
        _LOG.setLevel(logging.DEBUG)
        _LOG.propagate = False
        try:
            yield
        finally:
            _LOG.removeHandler(self)
            _LOG.setLevel(level)
            _LOG.propagate = propagate

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a line of `ctx.log`, or one that the process of a handler printed."""
        fields = getattr(record, "fields", None)
        own = self._redactor.value(fields) if isinstance(fields, Mapping) else {}
        words = [message_of(record), *(f"{name}={value}" for name, value in own.items())]
        printed = record.name.endswith(".output")
        self._say(" ".join(words if printed else [f"{record.levelname.lower()}:", *words]))
        if record.exc_info and record.exc_info[1] is not None:
            self._say("".join(traceback.format_exception(record.exc_info[1])).rstrip())
        elif record.stack_info:
            self._say(record.stack_info)

    def hear(self, event: Event) -> None:
        """Shows an event of the worker that matters to an author."""
        match event:
            case TaskProgressed(percent=percent, message=message):
                self._progress = f"progress: {percent:.0f} % {message}".rstrip()
                if time.monotonic() - self._shown_at >= PROGRESS_EVERY:
                    self._show_progress()
            case OutcomeCommitted(trace=trace) | TypePaused(trace=trace) if trace:
                self._say(trace)
            case HandlerOverran(stack=stack):
                self._say(f"error: the handler does not end; it is here:\n{stack}".rstrip())
            case Notice(level="warning" | "error" as level, message=message):
                self._say(f"{level}: {message}")

    def end(self, report: Report, seconds: float | None) -> None:
        """Shows how it ended, and the children that a server would create."""
        if self._progress:
            self._show_progress()
        for child in report.children:
            priority = "" if child.priority is None else f" with priority {child.priority}"
            when = " once its children have ended" if isinstance(child, Follower) else ""
            self._say(f"would create {child.type} {child.params}{priority}{when}")
        took = "" if seconds is None else f"after {duration.text(seconds)}"
        self._say(_told(report.outcome, took))

    def _show_progress(self) -> None:
        self._say(self._progress)
        self._progress, self._shown_at = "", time.monotonic()

    def _say(self, text: str) -> None:
        note(indented(self._redactor.text(text), 0))


def _told(outcome: Outcome, took: str) -> str:
    more = [took] if took else []
    match outcome:
        case Completed():
            text = "completed"
        case Failed(error=error, retryable=retryable, delay_seconds=delay):
            text = f"failed: {error}"
            if retryable is not None:
                more.append("worth another try" if retryable else "not retryable")
            if delay is not None:
                more.append(f"retry_in {duration.text(delay)}")
        case Released(reason=reason, delay_seconds=seconds):
            text = f"given back: {reason}"
            more.append(f"retry_in {duration.text(seconds)}")
    return f"{text} ({', '.join(more)})" if more else text
