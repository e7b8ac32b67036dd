"""What `try` shows on stderr beside the result: what the handler logs, its progress, its children, its end."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping
from types import TracebackType

import click

from prismq_worker_sdk.compat import Self
from prismq_worker_sdk.decide.redaction import Redactor
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
from prismq_worker_sdk.observe.logs import message_of

__all__ = ["Screen"]

_LOG = logging.getLogger("prismq.task")
PROGRESS_EVERY = 0.5
"""Seconds between two lines of progress; the last word is always shown."""


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
        click.echo(self._redactor.text(text), err=True)


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
