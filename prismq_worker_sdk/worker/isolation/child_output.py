"""What a child logs and prints, on its way to the log of the worker, which takes the secrets out."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO, TypeAlias

from prismq_worker_sdk.handlers.context import TASK_LOGGER
from prismq_worker_sdk.model.log import message_of
from prismq_worker_sdk.tracing import current
from prismq_worker_sdk.worker.isolation.protocol import Channel, Logged

LONGEST = 256 * 1024
DEEPEST = 20


def levels() -> dict[str, int]:
    """The levels that were set in this process, by logger, "" for the root."""
    known = list(logging.root.manager.loggerDict.items())
    own = {name: one.level for name, one in known if isinstance(one, logging.Logger) and one.level}
    return {"": logging.root.level, **own}


def send_logs(channel: Channel, given: Mapping[str, int]) -> None:
    """From now on every record of this process goes to the worker.

    Args:
        given: The levels of the loggers there.
    """
    logging.root.handlers[:] = [ToWorker(channel)]
    for name, level in given.items():
        logging.getLogger(name or None).setLevel(level)
    logging.captureWarnings(capture=True)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # what is printed must not wait in a process that may crash
            reconfigure(line_buffering=True, errors="backslashreplace")


def replay(
    said: Logged, extra: Mapping[str, Any], keep: Callable[[logging.LogRecord], None] | None = None
) -> None:
    """Writes a record of a child to the log of this process.

    Args:
        extra: More attributes of the record.
        keep: Is given what the handler of a task logs as well.
    """
    record = logging.LogRecord(said.logger, said.level, "", 0, said.message, None, None)
    record.created = said.created
    record.stack_info = said.trace or None
    record.fields = said.fields
    record.context = said.context
    vars(record).update(extra)
    if keep is not None and said.logger == TASK_LOGGER:
        keep(record)
    logger = logging.getLogger(said.logger)
    if logger.isEnabledFor(said.level):
        logger.handle(record)


class ToWorker(logging.Handler):
    """Sends each record as plain values."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a record; raises nothing, whatever was logged."""
        try:
            self._channel.send(self._said(record))
        except Exception:  # noqa: BLE001 - a line is lost, the task is not
            return

    def _said(self, record: logging.LogRecord) -> Logged:
        trace = ""
        if record.exc_info and record.exc_info[0] is not None:
            trace = self._formatter.formatException(record.exc_info)
        if record.stack_info:
            trace = f"{trace}\n{record.stack_info}".strip()
        fields = getattr(record, "fields", None)
        own = plain(fields) if isinstance(fields, dict) else {}
        return Logged(
            record.name,
            record.levelno,
            message_of(record)[:LONGEST],
            record.created,
            own,
            trace[:LONGEST],
            current(),
        )


def plain(value: Any, left: int = DEEPEST) -> Any:
    """The same structure of values that every process knows; anything else as its text."""
    if value is None or type(value) in {str, int, float, bool}:
        return value
    if left == 0:
        return "…"
    try:
        if isinstance(value, Mapping):
            return {str(key): plain(item, left - 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(item, left - 1) for item in value]
        return str(value)[:LONGEST]
    except Exception:  # noqa: BLE001 - a line is not lost because a value cannot be shown
        return f"<{type(value).__name__}>"


LONGEST_LINE = 64 * 1024
BAR_SECONDS = 5.0
"""Seconds between two states of a progress bar that are told."""

MOST_AT_ONCE = 1000
MOST_A_SECOND = 100
"""Lines; what is printed beyond them is counted."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)|[@-Z\\^_])")
"""Colours, movements of the cursor, titles of windows."""


Write: TypeAlias = Callable[[str, dict[str, Any]], None]


def log_output(lines: TextIO, extra: Callable[[], dict[str, Any]], write: Write) -> None:
    """Makes lines of what is printed until nobody can print any more.

    Args:
        lines: Opened with `newline=""`, so that a redraw can be told from a line.
        extra: The attributes of a record that is made now.
        write: Is given each line and its attributes.
    """
    output = ChildOutput(write)
    while piece := lines.readline(LONGEST_LINE):
        output.take(piece, extra())
    output.end()


class ChildOutput:
    """Makes lines of what was read.

    Args:
        write: Is given each line and the attributes that were given with it.
    """

    def __init__(self, write: Write, now: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._now = now
        self._bar: tuple[str, dict[str, Any]] | None = None
        self._bar_told_at = float("-inf")
        self._room = float(MOST_AT_ONCE)
        self._counted_at = now()
        self._left_out = 0

    def take(self, piece: str, extra: dict[str, Any]) -> None:
        """A line with its end, a state of a progress bar, which ends with a carriage return, or a piece without."""
        text = _ANSI.sub("", piece)
        said = text.rstrip("\r\n")
        if text.endswith("\r"):
            if said.strip():
                self._bar = (said, extra)
            if self._now() - self._bar_told_at >= BAR_SECONDS:
                self._tell_bar()
            return
        if not said or (self._bar is not None and self._bar[1] != extra):
            self._tell_bar()
        self._bar = None  # this line stands where it stood
        if said:
            self._line(said, extra)

    def end(self) -> None:
        """Nothing more comes."""
        self._tell_bar()
        self._tell_left_out({})

    def _tell_bar(self) -> None:
        if self._bar is not None:
            self._line(*self._bar)
            self._bar, self._bar_told_at = None, self._now()

    def _line(self, text: str, extra: dict[str, Any]) -> None:
        now = self._now()
        self._room = min(MOST_AT_ONCE, self._room + (now - self._counted_at) * MOST_A_SECOND)
        self._counted_at = now
        if self._room < 1:
            self._left_out += 1
            return
        self._room -= 1
        self._tell_left_out(extra)
        self._write(text, extra)

    def _tell_left_out(self, extra: dict[str, Any]) -> None:
        if self._left_out:
            number, self._left_out = self._left_out, 0
            self._write(f"{number} lines of output are left out: more than {MOST_A_SECOND} a second", extra)
