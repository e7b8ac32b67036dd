"""One task being worked on: its claim, its handler, its limits, and whether it was told to end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.model.outcome import Child, Outcome
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.worker.cancellation import Cancellable


class Attempt(Cancellable):
    """One task being worked on; may be used from any thread.

    Attributes:
        claim: The right it works under; a later claim of the same task may take its place (R9).
        thread_id: Python's number of the thread that runs it.
        native_id: The system's number of that thread.
        killed: Whether the handler's process was ended by force.
        handler_ended: Whether the handler has returned or raised.
        limit_at: Clock reading at which its time is used up.
        progress: What the handler said last, percent (None for nothing yet) and message.
        checkpoint: The last one, JSON text.
        stray: Whether its end was committed without it (R16).
        offered: An outcome that the disk refuses and that is reported from memory (R12), with its children.
        maybe_seen: Whether a sending from memory may have reached the server without an answer (R26).
        committed: Whether its end is in the outbox.
        binding: Held while the claim is changed, and while an end is committed under it.
    """

    def __init__(self, claim: Claim, handler: Handler, *, checkpoint: str | None, limit_at: float) -> None:
        super().__init__()
        self.claim = claim
        self.handler = handler
        self.checkpoint = checkpoint
        self.limit_at = limit_at
        self.started_at: float | None = None
        self.thread_id: int | None = None
        self.native_id: int | None = None
        self.handler_ended = False
        self.killed = False
        self.progress: tuple[float | None, str] = (None, "")
        self.stray = False
        self.offered: Outcome | None = None
        self.children: tuple[Child, ...] = ()
        self.maybe_seen = False
        self.committed = False
        self.settled: Settlement | None = None
        self.binding = threading.Lock()
        self._killing = threading.Lock()
        self._kill: Callable[[], None] | None = None

    @property
    def ref(self) -> TaskRef:
        """How events speak of it."""
        task = self.claim.task
        return TaskRef(task.id, task.type, task.attempt)

    def limit_text(self, now: float) -> str:
        """The time that its handler has, for people; a moment lost on the way to its slot is not told.

        Args:
            now: Clock reading.
        """
        wanted = self.handler.time_limit
        has = self.limit_at - (now if self.started_at is None else self.started_at)
        return duration.text(wanted if abs(wanted - has) <= max(0.1, wanted / 20) else has)

    def killable(self, kill: Callable[[], None]) -> Callable[[], None]:
        """From now on the handler can be ended by force; the result takes it back."""
        with self._killing:
            self._kill = kill

        def forget() -> None:
            with self._killing:
                self._kill = None

        return forget

    def kill(self) -> bool:
        """Ends the handler by force; False where that cannot be done, as in a thread, and was not done before."""
        with self._killing:
            if self._kill is not None:
                self._kill()
                self.killed = True
            return self.killed

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
