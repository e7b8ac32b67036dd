"""One task being worked on: its claim, its handler, its limits, and whether it was told to end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.model.outcome import Child, Outcome
from prismq_worker_sdk.model.report import Report, Settlement

__all__ = ["Attempt"]


class Attempt:
    """One task being worked on; may be used from any thread.

    Attributes:
        claim: The right it works under; a later claim of the same task may take its place (R9).
        limit_at: Clock reading at which its time is used up.
        told_at: Clock reading when it was told to end, if it was.
        progress: What the handler said last, percent (None for nothing yet) and message.
        checkpoint: The last one, JSON text.
        stray: Whether its end was committed without it (R16).
        offered: An outcome that the disk refuses and that is reported from memory (R12), with its children.
        maybe_seen: Whether a sending from memory may have reached the server without an answer (R26).
        committed: Whether its end is in the outbox.
        binding: Held while the claim is changed, and while an end is committed under it.
    """

    def __init__(self, claim: Claim, handler: Handler, *, checkpoint: str | None, limit_at: float) -> None:
        self.claim = claim
        self.handler = handler
        self.checkpoint = checkpoint
        self.limit_at = limit_at
        self.started_at: float | None = None
        self.thread_id: int | None = None
        self.told_at: float | None = None
        self.progress: tuple[float | None, str] = (None, "")
        self.stray = False
        self.offered: Outcome | None = None
        self.children: tuple[Child, ...] = ()
        self.maybe_seen = False
        self.committed = False
        self.settled: Settlement | None = None
        self.changed = threading.Event()
        self.binding = threading.Lock()
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

    def cancel(self, reason: CancelReason, now: float | None = None) -> bool:
        """Tells the handler to end; whether this was the first time.

        Args:
            now: Clock reading.
        """
        with self._lock:
            if self._cancelled is not None:
                return False
            self._cancelled, self.told_at = reason, now
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
        if self.offered is None or self.committed or self.settled is not None:
            return None
        claim = self.claim
        return Report(
            None,
            claim.identity,
            self.offered,
            children=self.children,
            attempt=claim.task.attempt,
            maybe_seen=self.maybe_seen,
        )

    def settle(self, settlement: Settlement) -> bool:
        """The server gave its verdict on the outcome that was offered from memory.

        False when the outcome was committed meanwhile: then its stored report gets the verdict.
        """
        with self.binding:
            if self.committed:
                return False
            self.settled = settlement
        self.changed.set()
        return True
