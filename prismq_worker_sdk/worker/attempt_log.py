"""The log of an attempt until its server has it: bounded, dropped with a count, never waited for."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.log import LogLine, LogPart

LONGEST_LINE = 16 * 1024
"""Bytes of one line; one that is longer is cut."""

REPORT_BYTES = 64 * 1024
"""What may go with a report, which must stay small: the last lines."""

PRESSING_BYTES = REPORT_BYTES // 2
"""Beyond so much it does not wait for the next time that something is told."""

_Sized: TypeAlias = tuple[LogLine, int]
LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warning"), (logging.INFO, "info"))


class AttemptLog:
    """What the handler of an attempt logged and its server has not got yet; may be used from any thread.

    Kept lines are numbered within a claim, from 1. Once it is full, lines are only counted. The last ones that fit go
    with the report, where the traceback may take their place.

    Attributes:
        takes: Whether the server takes lines.
    """

    def __init__(self) -> None:
        self.takes = False
        self._most_lines = self._most_bytes = 0
        self._lock = threading.Lock()
        self._lines: deque[_Sized] = deque()
        self._late: list[_Sized] = []
        self._acknowledged = self._kept = self._size = self._waiting = 0
        self._logged = self._told = 0
        self._full = False

    def bound_by(self, can: Capabilities) -> None:
        """From now on it takes as much as this server does."""
        self._most_lines, self._most_bytes = can.max_log_lines, can.max_log_bytes
        self.takes = can.max_log_lines > 0

    @property
    def has_news(self) -> bool:
        """Whether there are lines for the next renewal."""
        return bool(self._lines)

    @property
    def is_pressing(self) -> bool:
        """Whether there are so many that they do not all fit into the report."""
        return self._waiting > PRESSING_BYTES

    def add(self, record: logging.LogRecord, text_of: Callable[[logging.LogRecord], str]) -> bool:
        """Takes a record; raises nothing, whatever was logged.

        Args:
            text_of: Its text without secrets.

        Returns:
            Whether it is pressing from now on.
        """
        if self._full:
            with self._lock:
                self._logged += 1
            return False
        try:
            line, size = line_of(record.created, record.levelno, text_of(record))
        except Exception:  # noqa: BLE001 - a line is lost, the task is not
            line, size = LogLine(record.created, "error", "(a line that cannot be shown)"), 0
        with self._lock:
            self._logged += 1
            if not self._fits(self._kept, self._size + size):
                self._full = True
                return False
            self._kept, self._size = self._kept + 1, self._size + size
            reserved = self._kept >= self._most_lines or self._size > self._most_bytes - LONGEST_LINE
            if reserved or self._late:
                self._late.append((line, size))
                return False
            self._lines.append((line, size))
            self._waiting += size
            return self._waiting - size <= PRESSING_BYTES < self._waiting

    def part(self, most_bytes: int) -> LogPart | None:
        """The first lines that the server has not got, as many as fit; None where there are none."""
        with self._lock:
            found = []
            for line, size in self._lines:
                most_bytes -= size
                if most_bytes < 0:
                    break
                found.append(line)
            return LogPart(self._acknowledged + 1, tuple(found), self._logged) if found else None

    def acknowledge(self, part: LogPart) -> None:
        """The server has these lines."""
        with self._lock:
            self._told = max(self._told, part.logged)
            while self._lines and self._acknowledged < part.last:
                self._waiting -= self._lines.popleft()[1]
                self._acknowledged += 1

    def ending(self, trace: str = "", at: float = 0.0) -> LogPart | None:
        """What goes with the report: the last lines, with the traceback behind them; None where nothing is new.

        Args:
            trace: Without secrets; "" for none.
            at: When it was raised, seconds since 1970.
        """
        with self._lock:
            left, logged = [*self._lines, *self._late], self._logged
            if trace and self.takes:
                self._end_with(left, line_of(at, logging.ERROR, trace))
                logged += 1
            if not left and logged <= self._told:
                return None
            first, room = len(left), REPORT_BYTES
            while first and (room := room - left[first - 1][1]) >= 0:
                first -= 1
            lines = tuple(line for line, _ in left[first:])
            return LogPart(self._acknowledged + first + 1, lines, logged)

    def rebind(self) -> None:
        """The attempt goes on under another claim, whose lines are numbered from 1 (R9)."""
        with self._lock:
            sent, self._acknowledged = self._acknowledged, 0
            self._kept -= sent
            self._logged, self._told = self._kept, 0

    def _end_with(self, left: list[_Sized], last: _Sized) -> None:
        """Puts a line behind those that are left, in the place of late ones where it must be."""
        kept, size = self._kept, self._size
        for _late in self._late:
            if self._fits(kept, size + last[1]):
                break
            kept, size = kept - 1, size - left.pop()[1]
        if self._fits(kept, size + last[1]):
            left.append(last)

    def _fits(self, lines: int, size: int) -> bool:
        return lines < self._most_lines and size <= self._most_bytes


def line_of(at: float, level: int, text: str) -> _Sized:
    """A line as it travels, and its bytes."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > LONGEST_LINE:
        cut = "…".encode()
        data = data[: LONGEST_LINE - len(cut)].decode("utf-8", "ignore").encode() + cut
    name = next((name for least, name in LEVELS if level >= least), "debug")
    return LogLine(at, name, data.decode()), len(data)
