"""The handlers of a worker, by task type."""

from __future__ import annotations

from collections.abc import Iterable

from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.handler import Handler

__all__ = ["Registry"]


class Registry:
    """The handlers of a worker, by task type.

    Raises:
        PluginError: Two handlers are for one task type; names both.
    """

    def __init__(self, handlers: Iterable[Handler]) -> None:
        self._handlers: dict[str, Handler] = {}
        for handler in handlers:
            other = self._handlers.get(handler.task_type)
            if other is not None and other != handler:
                raise PluginError(
                    f"two handlers are for {handler.task_type}: {other.origin} and {handler.origin}; "
                    "load only one of their plugins (--plugin)"
                )
            self._handlers[handler.task_type] = handler

    @property
    def types(self) -> tuple[str, ...]:
        """The task types, in the order of registration."""
        return tuple(self._handlers)

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """The handlers, in the order of registration."""
        return tuple(self._handlers.values())

    def find(self, task_type: str) -> Handler | None:
        """The handler of a type, None when there is none."""
        return self._handlers.get(task_type)

    def get(self, task_type: str) -> Handler:
        """The handler of a type.

        Raises:
            PluginError: There is none; names those that exist.
        """
        found = self.find(task_type)
        if found is None:
            known = ", ".join(self.types) or "none"
            raise PluginError(f"no handler is for {task_type!r}; there are handlers for: {known}")
        return found
