"""Tells every listener of every event; one that raises stops no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from prismq_worker_sdk.model.events import Event

__all__ = ["EventBus", "Listener"]

Listener = Callable[[Event], None]
_LOG = logging.getLogger("prismq.events")


class EventBus:
    """Tells every listener of every event, on the thread where it happens."""

    def __init__(self, listeners: Iterable[Listener] = ()) -> None:
        self._listeners = list(listeners)
        self._told: set[tuple[int, str]] = set()

    def add(self, listener: Listener) -> None:
        """From now on it hears."""
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        """Tells everybody; raises nothing. A listener that raises is logged once for each kind of event."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - a listener is a plugin's; it must not stop a loop
                kind = (id(listener), type(event).__name__)
                if kind not in self._told:
                    self._told.add(kind)
                    _LOG.exception(
                        "an event listener failed at %s; it is told of further events all the same", kind[1]
                    )
