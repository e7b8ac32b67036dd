"""A record of the log as text: as JSON with worker, task, type and attempt, and without secrets."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.model.log import message_of
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.tracing import current

TASK: ContextVar[TaskRef | None] = ContextVar("prismq_task", default=None)
"""The task at hand: every record emitted meanwhile, those of other libraries too, carries it."""
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}
"""Line ends to some readers, allowed as they are in JSON."""

LONGEST_MESSAGE = 64 * 1024
LONGEST_TRACE = 256 * 1024
"""Characters of a record that are written; to look through megabytes for secrets holds everything up."""


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def one_line(text: str) -> str:
    """The text with control characters escaped: what comes from a server cannot forge a line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def indented(message: str, by: int = 4) -> str:
    """A message for people: its further lines are indented, so that none of them passes for a line of the log."""
    return f"\n{' ' * by}".join(one_line(line) for line in message.rstrip("\n").split("\n"))


class RecordFormatter(logging.Formatter):
    """What all formats share: the parts of a record, redacted."""

    def __init__(self, redactor: Redactor, worker_id: str) -> None:
        super().__init__()
        self._redactor = redactor
        self._worker_id = worker_id

    def parts(self, record: logging.LogRecord) -> tuple[str, dict[str, Any], str]:
        """Message, fields and traceback; a record that cannot be formatted is said so instead of lost."""
        fields = getattr(record, "fields", None)
        own = self._redactor.value(fields) if isinstance(fields, dict) else {}
        if isinstance(fields, dict) and "event" in own:  # what programs tell lines apart by
            own["event"] = self.name_of(fields["event"])
        message = _cut(message_of(record), LONGEST_MESSAGE)
        return self._redactor.text(message), own, self.trace(record)

    def trace(self, record: logging.LogRecord) -> str:
        """The traceback, with the stack where one was asked for; "" for none."""
        trace = ""
        if record.exc_info and record.exc_info[0] is not None:
            trace = self._trace(record.exc_info)
        trace = trace or str(getattr(record, "handler_trace", ""))
        if record.stack_info:
            trace = f"{trace}\n{record.stack_info}".strip()
        return self._redactor.text(_cut(trace, LONGEST_TRACE)) if trace else ""

    def _trace(self, found: Any) -> str:
        try:
            return self.formatException(found)
        except Exception:  # noqa: BLE001 - an exception whose parts cannot be shown is named all the same
            return f"{found[0]!r} (its traceback cannot be shown)"

    def words(self, fields: dict[str, Any]) -> list[str]:
        """The fields for people."""
        return [f"{name}={one_line(self.shown(value))}" for name, value in fields.items() if name != "event"]

    def task(self, record: logging.LogRecord) -> TaskRef | None:
        """The task that the record belongs to."""
        found = getattr(record, "task", None)
        return found if isinstance(found, TaskRef) else TASK.get()

    def name_of(self, name: object) -> str:
        """The name of a field."""
        return self._redactor.name(name) if isinstance(name, str) else self.shown(name)

    def shown(self, value: object) -> str:
        """Any value as text without secrets."""
        try:
            return self._redactor.text(str(value))
        except Exception:  # noqa: BLE001 - a line is not lost because a value cannot be shown
            return f"<{type(value).__name__}>"


class JsonFormatter(RecordFormatter):
    """One JSON object a line.

    Args:
        ascii_only: For a stream that does not take every character; JSON escapes stand for the others.
    """

    def __init__(self, redactor: Redactor, worker_id: str, *, ascii_only: bool = False) -> None:
        super().__init__(redactor, worker_id)
        self._encode = json.JSONEncoder(ensure_ascii=ascii_only, allow_nan=False, default=self.shown).encode

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        message, fields, trace = self.parts(record)
        ref = self.task(record)
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            "worker": self._worker_id or None,
            "task": ref.task_id if ref else None,
            "type": ref.task_type if ref else None,
            "attempt": ref.attempt if ref else None,
        }
        named = getattr(record, "context", None) or current(ref.trace if ref else None)
        if isinstance(named, TraceContext):
            line["trace_id"], line["span_id"] = named.trace_id, named.span_id
        if trace:
            line["exception"] = trace
        own = {_beside(line, self.name_of(name)): value for name, value in fields.items()}
        try:
            text = self._encode({**line, **own})
        except (TypeError, ValueError, RecursionError):
            text = self._encode({**line, **{name: self.shown(value) for name, value in own.items()}})
        if text.isascii():
            return text
        return text.translate(_LINE_ENDS).encode("utf-8", "backslashreplace").decode("utf-8")


def _beside(line: dict[str, Any], name: str) -> str:
    """The name of a field; one that every line has under another meaning is told apart: `type_`."""
    return f"{name}_" if name in line else name


class TextFormatter(RecordFormatter):
    """What a record says, and nothing around it; the traceback, where there is one, below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Its text."""
        message, fields, trace = self.parts(record)
        text = " ".join([message, *self.words(fields)])
        return f"{text}\n{trace}" if trace else text
