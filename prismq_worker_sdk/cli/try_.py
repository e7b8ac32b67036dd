"""`prismq-worker try`: one run of a handler in a worker of its own, without a server."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

import click

from prismq_worker_sdk.cli.options import params_argument, plugin_option, setting_options
from prismq_worker_sdk.cli.output import note, only_answers, tell_json, wants_traceback
from prismq_worker_sdk.cli.run import ready_handlers, report_broken
from prismq_worker_sdk.compat import Self
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import PrismqError, SettingsError
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.events import (
    Event,
    HandlerOverran,
    Notice,
    OutcomeCommitted,
    TaskProgressed,
    TypePaused,
)
from prismq_worker_sdk.model.outcome import Completed, Failed, Outcome, Released
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.observe.logs import message_of, set_up_logging
from prismq_worker_sdk.settings import configured_plugins, load_settings

_LOG = logging.getLogger("prismq.task")
PROGRESS_EVERY = 0.5
"""Seconds between two lines of progress; the last word is always shown."""


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
    from prismq_worker_sdk.cli.trial import run_once

    redact = Redactor()
    level = "DEBUG" if debug or wants_traceback([]) else "WARNING"
    set_up_logging(log_format="console", level=level, redactor=redact)
    with only_answers():
        plugins = load(names or configured_plugins())
        report_broken(plugins)
        handlers, secrets = ready_handlers(plugins)
        redact.learn(*secrets)
        handler = Registry(handlers).get(task_type)
        if handler.isolation is None:
            settings = load_settings({"isolation": isolation}, only={"isolation"})
            handler = replace(handler, isolation=settings.isolation)
        with Screen(redact) as screen:
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


class Screen(logging.Handler):
    """Shows a handler's run on stderr while it is entered, without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._progress = ""
        self._shown_at = -PROGRESS_EVERY

    def __enter__(self) -> Self:
        self._before = (_LOG.level, _LOG.propagate)
        _LOG.addHandler(self)
        _LOG.setLevel(logging.DEBUG)
        _LOG.propagate = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _LOG.removeHandler(self)
        level, _LOG.propagate = self._before
        _LOG.setLevel(level)

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
            self._say(f"would create {child.type} {child.params}{priority}")
        took = "" if seconds is None else f"after {duration.text(seconds)}"
        self._say(_told(report.outcome, took))

    def _show_progress(self) -> None:
        self._say(self._progress)
        self._progress, self._shown_at = "", time.monotonic()

    def _say(self, text: str) -> None:
        note(self._redactor.text(text))


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
