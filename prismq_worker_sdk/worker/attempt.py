"""One task being worked on: its claim, its handler, its limits, and whether it was told to end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.model.outcome import Outcome
from prismq_worker_sdk.model.report import Report, Settlement

__all__ = ["Attempt"]


class Attempt:
    """One task being worked on; may be used from any thread.

    Attributes:
        claim: The right it works under; a later claim of the same task may take its place (R9).
        limit_at: Clock reading at which its time is used up.
        stray: Whether its end was committed without it (R16).
        offered: An outcome that the disk refuses and that is reported from memory (R12).
    """

    def __init__(self, claim: Claim, handler: Handler, *, checkpoint: str | None, limit_at: float) -> None:
        self.claim = claim
        self.handler = handler
        self.checkpoint = checkpoint
        self.limit_at = limit_at
        self.started_at: float | None = None
        self.thread_id: int | None = None
        self.stray = False
        self.offered: Outcome | None = None
        self.settled: Settlement | None = None
        self.changed = threading.Event()
        self._lock = threading.Lock()
        self._cancelled: CancelReason | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def ref(self) -> TaskRef:
        """How events speak of it."""
        task = self.claim.task
        return TaskRef(task.id, task.type, task.attempt)

    @property
    def cancelled(self) -> CancelReason | None:
        """Why it was told to end, None when it was not; the first reason stays."""
        return self._cancelled

    def cancel(self, reason: CancelReason) -> bool:
        """Tells the handler to end; whether this was the first time."""
        with self._lock:
            if self._cancelled is not None:
                return False
            self._cancelled = reason
            listeners = tuple(self._listeners)
        self.changed.set()
        for listener in listeners:
            listener()
        return True

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

    def report(self) -> Report | None:
        """The report of an outcome that the disk refuses, None when there is none to send (R12)."""
        if self.offered is None or self.settled is not None:
            return None
        return Report(None, self.claim.identity, self.offered, attempt=self.claim.task.attempt)

    def settle(self, settlement: Settlement) -> None:
        """The server gave its verdict on the outcome that was offered from memory."""
        self.settled = settlement
        self.changed.set()
