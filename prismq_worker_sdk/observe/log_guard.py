"""The worker's own lines appear, whatever a library does to logging: dictConfig, fileConfig, disable, basicConfig."""

from __future__ import annotations

import logging
import sys
import threading

OWN = "prismq"
_LOG = logging.getLogger(OWN)
TAKEN = (
    "something in this process set logging up anew (logging.config or basicConfig with their defaults do) and took it "
    "from the worker; its lines go on, and those of others go through it again"
)
SILENCED = (
    "something in this process called logging.disable; the worker's own lines go on, all others are silent"
)


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
