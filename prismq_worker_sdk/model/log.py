"""What a handler logs, on its way to the server."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import NamedTuple

ENVELOPE = 64
"""Characters that a line takes beside its text."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class LogLine(NamedTuple):
    """A line of the log of a task.

    Attributes:
        at: Seconds since 1970, UTC.
        level: `debug`, `info`, `warning` or `error`.
        text: Without secrets.
    """

    at: float
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class LogPart:
    """Lines of a claim's log that follow each other.

    Attributes:
        first: The number of the first of them, from 1.
        logged: How many the handler has logged so far, those included that were dropped.
    """

    first: int
    lines: tuple[LogLine, ...]
    logged: int

    @property
    def last(self) -> int:
        """The number of the last of them; of the one before `first` where there is none."""
        return self.first + len(self.lines) - 1

    @property
    def size(self) -> int:
        """Characters that they take."""
        return sum(len(line.text) + ENVELOPE for line in self.lines)

    def text(self) -> str:
        """The same as JSON, to be stored."""
        return _encode((self.first, self.lines, self.logged))

    @classmethod
    def parse(cls, text: str) -> LogPart:
        """The lines that were stored so."""
        first, lines, logged = json.loads(text)
        return cls(first, tuple(LogLine(*line) for line in lines), logged)


def message_of(record: logging.LogRecord) -> str:
    """What a record says; a bad log call is told with its words, and stops nobody."""
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - whatever its arguments raise
        return f"{_repr(record.msg)} (its arguments do not fit: {_repr(error)})"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - whatever it is, the line is written
        return f"<{type(value).__name__}>"
