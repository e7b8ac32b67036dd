"""Tells every listener of every event; one that raises stops no other."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.model.events import Event
from prismq_worker_sdk.processes import end_fork_of

TEXTS = ("reason", "detail", "error", "message", "api_url", "stack", "trace")
"""The fields of events that may carry words of others: of servers, handlers, settings."""

EVERY: frozenset[type] = frozenset(get_args(Event))
"""The classes of all events."""

_TEXTS_OF: dict[type, tuple[str, ...]] = {
    kind: tuple(name for name in TEXTS if hasattr(kind, name)) for kind in EVERY
}

_LOG = logging.getLogger("prismq.events")


class BatchListener:
    """Hears what was told together in one call, and only the kinds that concern it.

    Attributes:
        kinds: The classes of events that it hears.
    """

    kinds: frozenset[type] = EVERY

    def __call__(self, *events: Event) -> None:
        """Hears the events, in order."""
        raise NotImplementedError


Listener = Callable[[Event], None] | BatchListener


class EventBus:
    """Tells every listener of every event, on the thread where it happens.

    Args:
        redactor: Takes secrets out of the texts of every event, so that no listener has to; none unless given.
    """

    def __init__(self, listeners: Iterable[Listener] = (), redactor: Redactor | None = None) -> None:
        self._listeners = list(listeners)
        self._redactor = redactor
        self._told: set[tuple[int, str]] = set()

    def add(self, listener: Listener) -> None:
        """From now on it hears."""
        self._listeners.append(listener)

    def emit(self, *events: Event) -> None:
        """Tells everybody, in order; raises nothing. A listener that raises is logged once for each kind of event."""
        process = os.getpid()
        told = [self._clean(event) if _TEXTS_OF.get(type(event)) else event for event in events]
        for listener in self._listeners:
            if isinstance(listener, BatchListener):
                kinds = listener.kinds
                all_of_it = kinds.issuperset(map(type, told))
                heard = told if all_of_it else [event for event in told if type(event) in kinds]
                batches = [heard] if heard else []
            else:
                batches = [[event] for event in told]
            for batch in batches:
                try:
                    listener(*batch)
                # a listener is a plugin's; sys.exit() in it must not stop a loop
                except BaseException as error:
                    if (
                        isinstance(error, KeyboardInterrupt)
                        and threading.current_thread() is threading.main_thread()
                    ):
                        raise  # somebody pressed Ctrl-C
                    self._tell_once(listener, batch[0])
                if os.getpid() != process:
                    end_fork_of(process)

    def _tell_once(self, listener: Listener, event: Event) -> None:
        kind = (id(listener), type(event).__name__)
        if kind not in self._told:
            self._told.add(kind)
            with suppress(Exception):  # the logging itself may be what is broken
                _LOG.exception(
                    "an event listener failed at %s; it is told of further events all the same", kind[1]
                )

    def _clean(self, event: Event) -> Event:
        if self._redactor is None:
            return event
        told: dict[str, Any] = {}
        for name in _TEXTS_OF[type(event)]:
            text = getattr(event, name)
            if text and (clean := self._redactor.text(text)) != text:
                told[name] = clean
        return replace(event, **told) if told else event
