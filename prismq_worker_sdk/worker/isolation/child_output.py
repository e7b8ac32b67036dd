"""What a child prints, as lines of the log: few for a progress bar, and never so many that they crowd out others."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TextIO, TypeAlias

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
