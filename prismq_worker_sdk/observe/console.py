"""The log for people: time, mark, type and short id of the task, what happened; one line for each end."""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TextIO

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.model.task import short_id
from prismq_worker_sdk.observe.logs import RecordFormatter, indented, one_line

WORKER_LOGGER = "prismq.worker"
"""Whose lines say in words what their fields tell programs."""

TEXT_AT = 11
"""The column where texts begin: further lines of a message stand below it."""

POOR_TERMINALS = {"dumb", "linux"}
"""Have no glyphs beyond letters, by their name in TERM."""

COLOURS_ON_WINDOWS = ("WT_SESSION", "ANSICON", "ConEmuANSI")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a line begins with.

    Attributes:
        plain: For a terminal or an encoding that lacks the glyph.
        colour: The code of the terminal, "" for none.
    """

    glyph: str
    plain: str
    colour: str = ""


DONE = Mark("✓", "+", "32")
FAILED = Mark("✗", "x", "31")
BACK = Mark("↻", "~", "33")
RUNS = Mark("▸", ">", "2")
MARKS = (DONE, FAILED, BACK, RUNS)
_OF_LEVEL = {
    "DEBUG": Mark(".", ".", "2"),
    "INFO": Mark(" ", " "),
    "WARNING": Mark("!", "!", "33"),
    "ERROR": Mark("!", "!", "31"),
    "CRITICAL": Mark("!", "!", "1;31"),
}
_OTHER = Mark(" ", " ")


@dataclass(frozen=True, slots=True)
class Brief:
    """What a record says to people, where that is less than it says to programs.

    Attributes:
        mark: None for that of its level.
    """

    text: str
    mark: Mark | None = None


class ConsoleFormatter(RecordFormatter):
    """A line for people; the traceback, where there is one, below it.

    Args:
        colour: Whether the terminal shows colours.
        marks: Whether it shows every mark.
    """

    def __init__(self, redactor: Redactor, *, colour: bool = False, marks: bool = True) -> None:
        super().__init__(redactor, "")
        self._colour = colour
        self._marks = marks

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        brief = getattr(record, "brief", None)
        if isinstance(brief, Brief):
            brief, trace = Brief(self.shown(brief.text), brief.mark), self.trace(record)
        else:
            message, fields, trace = self.parts(record)
            words = [] if record.name == WORKER_LOGGER else self.words(fields)
            brief = Brief(" ".join([message, *words]))
        mark = brief.mark or _OF_LEVEL.get(record.levelname, _OTHER)
        level = record.levelname if record.levelno > logging.INFO and brief.mark is None else ""
        ref = self.task(record)
        who = []
        if ref is not None:
            again = "" if ref.attempt is None or ref.attempt == 1 else f" #{ref.attempt}"
            who = [one_line(f"{ref.task_type} {short_id(ref.task_id)}{again}")]
        said = " ".join(part for part in (level, *who, indented(brief.text, TEXT_AT)) if part)
        at = self._painted(_time_of_day(int(record.created)), "2")
        line = f"{at} {self._shown(mark, said, whole=bool(level))}".rstrip()
        line = line if not trace else f"{line}\n    {indented(trace)}"
        return line if line.isascii() else line.encode("utf-8", "backslashreplace").decode("utf-8")

    def _shown(self, mark: Mark, said: str, *, whole: bool) -> str:
        """The mark and the text behind it, both in its colour or the mark alone."""
        glyph = mark.glyph if self._marks else mark.plain
        if whole:
            return self._painted(f"{glyph} {said}", mark.colour)
        return f"{self._painted(glyph, mark.colour)} {said}"

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour and colour else text


@lru_cache(maxsize=1)
def _time_of_day(seconds: int) -> str:
    """On the wall, in the zone of this process: the same for all lines of a second."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def shows_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal with colours, and nobody wants none (NO_COLOR)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not is_terminal(stream):
        return False
    return sys.platform != "win32" or any(map(os.environ.get, COLOURS_ON_WINDOWS))


def shows_marks(stream: TextIO) -> bool:
    """Whether a stream carries every mark, and its terminal has glyphs for them."""
    if is_terminal(stream) and os.environ.get("TERM") in POOR_TERMINALS:
        return False
    try:
        "".join(mark.glyph for mark in MARKS).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at what is written."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError, OSError):
        return False
