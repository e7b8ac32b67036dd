"""`ctx.log`: a logger whose fields stay fields."""

from __future__ import annotations

import logging
from typing import Any


class TaskLog:
    """Writes to the logger `prismq.task`: `ctx.log.info("page read", shorts=25)`."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("prismq.task")

    def debug(self, message: str, /, **fields: Any) -> None:
        """For the author."""
        self._write(logging.DEBUG, message, fields)

    def info(self, message: str, /, **fields: Any) -> None:
        """For the operator, when all is well."""
        self._write(logging.INFO, message, fields)

    def warning(self, message: str, /, **fields: Any) -> None:
        """For the operator, when something may need a look."""
        self._write(logging.WARNING, message, fields)

    def error(self, message: str, /, **fields: Any) -> None:
        """For the operator, when something needs a look."""
        self._write(logging.ERROR, message, fields)

    def exception(self, message: str, /, **fields: Any) -> None:
        """An error with the traceback of the exception being handled."""
        self._write(logging.ERROR, message, fields, trace=True)

    def _write(self, level: int, message: str, fields: dict[str, Any], *, trace: bool = False) -> None:
        self._logger.log(level, "%s", message, exc_info=trace, extra={"fields": fields}, stacklevel=3)
