"""Lines of the log: a thread of its own writes them, and the worker's own appear whatever a library does to logging."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

MOST_LINES = 10_000
"""Lines that wait for a reader that stands still; more are dropped and counted."""

KEPT_FREE = 2_000
"""So many of them are for the worker's own lines: what handlers and libraries say does not crowd them out."""

TOGETHER = 100
"""Lines that are written in one go where so many wait."""

OTHERS = "prismq.task"

FLUSH_SECONDS = 2.0
"""How long an end waits for the reader."""

OWN = "prismq"
_LOG = logging.getLogger(OWN)
TAKEN = (
    "something in this process set logging up anew (logging.config or basicConfig with their defaults do) and took it "
    "from the worker; its lines go on, and those of others go through it again"
)
SILENCED = (
    "something in this process called logging.disable; the worker's own lines go on, all others are silent"
)


class LineHandler(logging.Handler):
    """Writes each record as a line; whoever logs never waits, and never hears of a broken stream.

    Args:
        stream: Where the lines go; a pipe whose reader stands still costs lines, not the worker.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.SimpleQueue[str | threading.Event] = queue.SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="prismq-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a record; raises nothing, whatever was done to logging or to the stream."""
        try:
            if self._lines.qsize() >= (MOST_LINES if _is_own(record.name) else MOST_LINES - KEPT_FREE):
                self._dropped += 1
            else:
                self._lines.put(self.format(record))
        except Exception:  # noqa: BLE001 - it cannot be shown: a line is lost, the worker is not
            self._dropped += 1

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - the base class names it so
        """Takes the first: one that somebody puts on every handler of the process would show what is secret."""
        if self.formatter is None:
            super().setFormatter(fmt)

    def flush(self) -> None:
        """Returns when every line is written, or when the reader takes too long."""
        written = threading.Event()
        self._lines.put(written)
        written.wait(FLUSH_SECONDS)

    def _write(self) -> None:
        while True:
            taken = [self._lines.get()]
            with suppress(queue.Empty):
                while len(taken) < TOGETHER:
                    taken.append(self._lines.get_nowait())
            self._write_together([one for one in taken if isinstance(one, str)])
            for one in taken:
                if isinstance(one, threading.Event):
                    one.set()

    def _write_together(self, lines: Sequence[str]) -> None:
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            if self._dropped and self._lines.qsize() < MOST_LINES:
                dropped, self._dropped = self._dropped, 0
                self._stream.write(f"{self._lost(dropped)}\n")
            self._stream.flush()
        except UnicodeError:  # one line that this stream cannot carry
            self._write_apart(lines)
        except Exception:  # noqa: BLE001 - there is nobody to tell but the next line
            self._dropped += len(lines)

    def _write_apart(self, lines: Sequence[str]) -> None:
        for line in lines:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except Exception:  # noqa: BLE001 - as above
                self._dropped += 1

    def _lost(self, number: int) -> str:
        text = f"{number} log lines were dropped: whoever reads them was too slow"
        return self.format(logging.LogRecord("prismq", logging.WARNING, "", 0, text, None, None))


def _is_own(logger: str) -> bool:
    return logger.partition(".")[0] == "prismq" and not logger.startswith(OTHERS)


class LogGuard:
    """Watches over the handler that was set up.

    Args:
        level: The lowest level of our own records.
    """

    def __init__(self, handler: logging.Handler, level: int) -> None:
        self._handler = handler
        self._formatter = handler.formatter
        self.level = level
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def write(self, record: logging.LogRecord) -> None:
        """Writes a record of ours by way of logging, where others may listen too, or past it."""
        if record.levelno < self.level:
            return
        logger = logging.getLogger(record.name)
        if self._reached_by(logger, record.levelno):
            logger.handle(record)
            return
        self.keep()
        if self._reached_by(logger, record.levelno):
            self._tell(TAKEN)
            logger.handle(record)
        else:
            self._tell(SILENCED)
            self._handler.handle(record)

    def keep(self) -> None:
        """Puts the handler back where it was, in the place of what writes to the console past it."""
        with self._lock:
            root = logging.root
            self._handler.setFormatter(self._formatter)  # it takes the secrets out
            self._handler.setLevel(logging.NOTSET)
            if self._handler not in root.handlers:
                root.handlers[:] = [
                    self._handler,
                    *(handler for handler in root.handlers if not _is_console(handler)),
                ]
            for name, logger in list(logging.root.manager.loggerDict.items()):
                if isinstance(logger, logging.Logger) and (name == OWN or name.startswith(f"{OWN}.")):
                    logger.disabled = False
                    logger.propagate = True
            if _LOG.level != self.level:
                _LOG.setLevel(self.level)

    def _reached_by(self, logger: logging.Logger, level: int) -> bool:
        return (
            not logger.disabled
            and logger.isEnabledFor(level)
            and logger.propagate
            and _LOG.propagate
            and self._handler in logging.root.handlers
            and self._handler.level <= level
            and self._handler.formatter is self._formatter
        )

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._handler.handle(logging.LogRecord(OWN, logging.WARNING, "", 0, text, None, None))


def _is_console(handler: logging.Handler) -> bool:
    """Whether it writes records to the console as they are, with what may be secret in them."""
    consoles = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return type(handler) is logging.StreamHandler and any(handler.stream is console for console in consoles)
