"""Being told to end: once, for one reason, heard by whoever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prismq_worker_sdk.model.cancel import CancelReason


class CancelToken:
    """What can be told to end; may be used from any thread.

    Attributes:
        cancelled_at: Clock reading when it was told, if it was.
    """

    def __init__(self) -> None:
        self.cancelled_at: float | None = None
        self._changed: threading.Event | None = None
        self._lock = threading.Lock()
        self._cancelled: CancelReason | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def changed(self) -> threading.Event:
        """Set when it is told; wakes whoever waits. Made when somebody asks: hardly any task is ever waited for."""
        with self._lock:
            if self._changed is None:
                self._changed = threading.Event()
                if self._cancelled is not None:
                    self._changed.set()
            return self._changed

    @property
    def cancelled(self) -> CancelReason | None:
        """Why it was told to end, None when it was not; the first reason stays."""
        return self._cancelled

    def cancel(self, reason: CancelReason, now: float | None = None) -> bool:
        """Tells the handler to end; whether this was the first time.

        Args:
            now: Clock reading.
        """
        with self._lock:
            if self._cancelled is not None:
                return False
            self._cancelled, self.cancelled_at = reason, now
            listeners = tuple(self._listeners)
            if self._changed is not None:
                self._changed.set()
        for listener in listeners:
            listener()
        return True

    def wait(self, seconds: float) -> CancelReason | None:
        """Waits until it is told to end, at most so long; why it must end, None while it may go on."""
        self.changed.wait(seconds)
        return self.cancelled

    def on_cancel(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls the listener when the handler is told to end, at once if it was; the result takes it back."""
        with self._lock:
            told = self._cancelled is not None
            if not told:
                self._listeners.append(listener)
        if told:
            listener()

        def forget() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return forget
