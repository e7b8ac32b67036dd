"""`ctx`: what a handler may ask and say while its task runs; `ctx.log`, whose fields stay fields."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.log import message_of
from prismq_worker_sdk.model.task import Task

TASK_LOGGER = "prismq.task"
"""The name of its logger."""

NO_EXCEPTION = (None, None, None)


class TaskLog:
    """Writes to the logger `prismq.task`: `ctx.log.info("page read", shorts=25)`.

    Its methods take what those of `logging` take, and any other keyword as a field: `ctx.log.info("page %d", 3)`. A
    message is formatted when somebody takes it; one whose arguments do not fit is told with them, and raises nothing.

    Args:
        keep: Is given each record as well, those included that the log of this process leaves out, but for `debug`.
    """

    def __init__(
        self,
        logger: logging.Logger | None = None,
        *,
        keep: Callable[[logging.LogRecord], None] | None = None,
    ) -> None:
        self._logger = logger or logging.getLogger(TASK_LOGGER)
        self._keep = keep

    def debug(self, message: object, /, *args: object, **fields: Any) -> None:
        """For the author."""
        self._write(logging.DEBUG, message, args, fields)

    def info(self, message: object, /, *args: object, **fields: Any) -> None:
        """For the operator, when all is well."""
        self._write(logging.INFO, message, args, fields)

    def warning(self, message: object, /, *args: object, **fields: Any) -> None:
        """For the operator, when something may need a look."""
        self._write(logging.WARNING, message, args, fields)

    def error(self, message: object, /, *args: object, **fields: Any) -> None:
        """For the operator, when something needs a look."""
        self._write(logging.ERROR, message, args, fields)

    def exception(self, message: object, /, *args: object, **fields: Any) -> None:
        """An error with the traceback of the exception being handled."""
        self._write(logging.ERROR, message, args, {"exc_info": True, **fields})

    def _write(self, level: int, message: object, args: tuple[object, ...], fields: dict[str, Any]) -> None:
        heard = self._logger.isEnabledFor(level)
        keep = self._keep if level > logging.DEBUG or heard else None
        if not heard and keep is None:
            return
        error, above = _exception(fields.pop("exc_info", None)), fields.pop("stacklevel", 1)
        shows_stack, extra = fields.pop("stack_info", False), fields.pop("extra", None)
        own = {**(extra if isinstance(extra, Mapping) else {}), **fields}
        record = logging.LogRecord(self._logger.name, level, "", 0, message, args, error)
        text = record.msg = message_of(record)
        record.args, record.fields = None, own
        if heard:
            above = above if isinstance(above, int) else 1
            self._logger.log(
                level,
                "%s",
                text,
                exc_info=error,
                stack_info=bool(shows_stack),
                stacklevel=2 + above,
                extra={"fields": own},
            )
        if keep is not None:
            keep(record)


def _exception(given: Any) -> Any:
    """What a record takes, of what logging takes as `exc_info`."""
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    whole = isinstance(given, tuple) and len(given) == len(NO_EXCEPTION)
    found = given if whole else sys.exc_info() if given else NO_EXCEPTION
    return found if found[0] is not None else None


class TaskContext(Protocol):
    """What a handler may ask and say while its task runs.

    Cheap and synchronous, callable from any kind of handler; nothing here touches the network. Its methods
    raise TaskCancelled once the task must end.
    """

    log: TaskLog
    """A logger whose lines carry worker, task, type and attempt."""

    @property
    def task(self) -> Task:
        """The task as it was claimed."""

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1; for people, never an identity."""

    @property
    def settings(self) -> Any:
        """The settings of the plugin, as `prismq_plugin_settings` declared them; None when it declared none."""

    @property
    def idempotency_key(self) -> str:
        """The same text for every attempt of this task, and for no other task; for services that take one."""

    @property
    def last_checkpoint(self) -> Any:
        """What the last `checkpoint` of this task stored, in this or an earlier attempt; None when nothing."""

    @property
    def time_left(self) -> float:
        """Seconds until the task is told to end, 0 when its time is over."""

    @property
    def stopping(self) -> bool:
        """Whether the worker stops: end soon, or store a checkpoint."""

    @property
    def cancelled(self) -> CancelReason | None:
        """Why the task must end, None while it may go on."""

    @property
    def max_result_bytes(self) -> int:
        """The largest result that the server stores, in bytes of compact JSON as UTF-8; a larger one fails the task."""

    def check(self) -> None:
        """Raises TaskCancelled when the task must end."""

    def progress(self, percent: float, message: str = "") -> None:
        """Tells how far the work is, 0 to 100; the last one wins. Also a cancellation point."""

    def checkpoint(self, value: Any) -> None:
        """Stores where the work stands, at most 64 KiB of JSON; survives this attempt (R30).

        Raises:
            UnfitResult: It is not JSON, or larger.
        """

    def submit(self, task_type: str, params: dict[str, Any], *, priority: int | None = None) -> None:
        """Creates a task, committed together with the result of this one (R22).

        Raises:
            NotSupported: The server has only the base protocol.
            PluginError: The type is no task type.
            UnfitResult: The params are no JSON object, or too large.
        """

    def then(self, task_type: str, params: dict[str, Any], *, priority: int | None = None) -> None:
        """Creates one task once everything that `submit` creates has ended; at once where that is nothing.

        It finds how they ended among its params: `children`, with `parent_id`, `completed` and `failed`.

        Raises:
            NotSupported: The server does not announce `fan_in`.
            PluginError: The type is no task type, or this try has called it before.
            UnfitResult: The params are no JSON object, too large, or have a member `children`.
        """

    def pause_limit(self, key: str, until: float | datetime, *, reason: str = "") -> None:
        """Stops every worker's tasks that use this limit, for example after a 429; they wait, and use nothing of it.

        Rides on the next call to the server; tasks that are claimed already go on. A server without limits of the
        fleet cannot: there this worker takes no more tasks of this task's type meanwhile, if that may use the limit.

        Args:
            until: Seconds from now, 0 to a year, or an instant with time zone.
            reason: For people.

        Raises:
            ValueError: The key or the time is none.
        """

    def sleep(self, seconds: float) -> None:
        """Waits, and raises TaskCancelled as soon as the task must end."""
