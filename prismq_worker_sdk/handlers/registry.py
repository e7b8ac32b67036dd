"""The handlers of a worker, by task type."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from prismq_worker_sdk.compat import signature
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.task_handler import TaskHandler


def as_handler(thing: object) -> Handler:
    """The Handler that this is, or that it can be made into: a Handler, a TaskHandler or a TaskHandler class.

    Raises:
        PluginError: It is none of them, or a class whose instances cannot be made without arguments.
    """
    if isinstance(thing, Handler):
        return thing
    if isinstance(thing, type) and issubclass(thing, TaskHandler):
        _takes_nothing(thing)
        return replace(thing().as_handler(), made_from=thing)
    if isinstance(thing, TaskHandler):
        return thing.as_handler()
    raise PluginError(f"{thing!r} is no handler; decorate it with @task_handler, or subclass TaskHandler")


class Registry:
    """The handlers of a worker, by task type.

    Attributes:
        find: The handler of a type, None when there is none.

    Raises:
        PluginError: Two handlers are for one task type; names both.
    """

    def __init__(self, handlers: Iterable[Handler]) -> None:
        self._handlers: dict[str, Handler] = {}
        self.find: Callable[[str], Handler | None] = self._handlers.get
        for handler in handlers:
            other = self._handlers.get(handler.task_type)
            if other is None or other == handler or _imported(other, handler):
                self._handlers[handler.task_type] = handler
            elif not _imported(handler, other):
                raise PluginError(
                    f"two handlers are for {handler.task_type}: {other.origin} and {handler.origin}; "
                    f"{_remedy(other, handler)}"
                )

    @property
    def types(self) -> tuple[str, ...]:
        """The task types, in the order of registration."""
        return tuple(self._handlers)

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """The handlers, in the order of registration."""
        return tuple(self._handlers.values())

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


def contested(handlers: Iterable[Handler]) -> dict[str, str]:
    """The types that several handlers are for, and the sentence that refuses them."""
    by_type: dict[str, list[Handler]] = {}
    for handler in handlers:
        by_type.setdefault(handler.task_type, []).append(handler)
    found = {}
    for task_type, several in by_type.items():
        try:
            Registry(several)
        except PluginError as error:
            found[task_type] = str(error)
    return found


def _takes_nothing(cls: type[Any]) -> None:
    """Raises PluginError unless an instance can be made without arguments."""
    try:
        signature(cls).bind()
    except TypeError as error:
        raise PluginError(
            f"{cls.__module__}:{cls.__qualname__} cannot be made without arguments ({error}); give an instance"
        ) from None


def _imported(one: Handler, home: Handler) -> bool:
    """Whether a plugin has imported one from the plugin whose own it is."""
    same = one.run == home.run or (one.made_from is not None and one.made_from is home.made_from)
    return same and one.plugin != home.plugin == home.origin.partition(":")[0]


def _remedy(one: Handler, other: Handler) -> str:
    if one.plugin == other.plugin:
        return "give one of them another type"
    return "load only one of their plugins (--plugin)"
