"""What is logged in a child goes to the worker, which takes the secrets out and writes it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from prismq_worker_sdk.observe.logs import message_of
from prismq_worker_sdk.worker.isolation.channel import Channel
from prismq_worker_sdk.worker.isolation.protocol import Logged

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
    logging.root.handlers[:] = [_ToWorker(channel)]
    for name, level in given.items():
        logging.getLogger(name or None).setLevel(level)
    logging.captureWarnings(capture=True)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # what is printed must not wait in a process that may crash
            reconfigure(line_buffering=True, errors="backslashreplace")


def replay(said: Logged, extra: Mapping[str, Any]) -> None:
    """Writes a record of a child to the log of this process.

    Args:
        extra: More attributes of the record.
    """
    logger = logging.getLogger(said.logger)
    if not logger.isEnabledFor(said.level):
        return
    record = logging.LogRecord(said.logger, said.level, "", 0, said.message, None, None)
    record.created = said.created
    record.stack_info = said.trace or None
    record.fields = said.fields
    vars(record).update(extra)
    logger.handle(record)


class _ToWorker(logging.Handler):
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
            record.name, record.levelno, message_of(record)[:LONGEST], record.created, own, trace[:LONGEST]
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
