"""Sets a process up for logging: every line goes to stderr, in one of two formats."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, Literal, TextIO

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.observe.console import ConsoleFormatter, shows_colours, shows_marks
from prismq_worker_sdk.observe.log_lines import LineHandler, LogGuard
from prismq_worker_sdk.observe.logs import JsonFormatter


def log_handler(
    log_format: Literal["json", "console"],
    redactor: Redactor,
    worker_id: str = "",
    stream: TextIO | None = None,
) -> logging.Handler:
    """A handler that writes one of the two formats."""
    out = stream or sys.stderr
    handler = LineHandler(out) if stream is None else logging.StreamHandler(out)
    if log_format == "json":
        encoding = getattr(out, "encoding", None) or "utf-8"
        ascii_only = not encoding.lower().replace("-", "").startswith("utf")
        handler.setFormatter(JsonFormatter(redactor, worker_id, ascii_only=ascii_only))
    else:
        handler.setFormatter(ConsoleFormatter(redactor, colour=shows_colours(out), marks=shows_marks(out)))
    return handler


def set_up_logging(
    *,
    log_format: Literal["json", "console"],
    level: str,
    redactor: Redactor,
    worker_id: str = "",
    stream: TextIO | None = None,
) -> LogGuard:
    """Sets the process up: every record, warning and fatal error goes through the one handler.

    Args:
        level: The lowest level of our own records; other libraries begin at WARNING unless it is DEBUG.

    Returns:
        What keeps it so.
    """
    handler = log_handler(log_format, redactor, worker_id, stream)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level == "DEBUG" else "WARNING")
    guard = LogGuard(handler, logging.getLevelName(level))
    guard.keep()
    for noisy in ("urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel("INFO" if level == "DEBUG" else "WARNING")
    logging.captureWarnings(capture=True)

    def told(level: int, text: str, error: Any) -> None:
        guard.write(logging.LogRecord("prismq", level, "", 0, text, None, error))

    def fatal(*error: Any) -> None:
        told(logging.CRITICAL, "a fatal error ends the process", error)

    def fatal_in_thread(found: threading.ExceptHookArgs) -> None:
        if found.exc_value is not None:
            name = found.thread.name if found.thread else "?"
            told(logging.ERROR, f"thread {name} ended by an error", found[:3])

    def unraisable(found: Any) -> None:
        if found.exc_value is not None:
            error = found.exc_type, found.exc_value, found.exc_traceback
            told(logging.ERROR, f"an error was ignored by the interpreter in {found.object!r}", error)

    sys.excepthook = fatal
    threading.excepthook = fatal_in_thread
    sys.unraisablehook = unraisable
    return guard
