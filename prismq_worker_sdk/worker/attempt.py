"""One task being worked on, and the state it is in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.model.outcome import Child, Outcome
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.observe.status import RunningTask
from prismq_worker_sdk.worker.attempt_log import AttemptLog
from prismq_worker_sdk.worker.context import CancelToken
from prismq_worker_sdk.worker.traces import TaskTrace


@dataclass(frozen=True, slots=True)
class Ending:
    """How the work on a task ended.

    Attributes:
        outcome: None when the claim was lost while the handler ran (R15).
        error: What the handler raised, for the log.
        seconds: Handler time.
    """

    outcome: Outcome | None
    error: BaseException | None = None
    seconds: float | None = None
    children: tuple[Child, ...] = ()


@dataclass(frozen=True, slots=True)
class Prefetched:
    """It waits for a slot, and goes back untouched if none is free soon (R4).

    Attributes:
        since: Clock reading.
    """

    since: float


@dataclass(frozen=True, slots=True)
class Running:
    """Its handler runs, or waits for a thread."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Its handler has ended, and its end is about to be stored."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The disk refuses its outcome, which is reported from memory (R12).

    Attributes:
        maybe_seen: Whether a sending may have reached the server without an answer (R26).
    """

    outcome: Outcome
    children: tuple[Child, ...]
    maybe_seen: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """The server gave its verdict on what was offered; the disk has to forget the claim."""

    settlement: Settlement
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Committed:
    """Its end is in the outbox."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Its end was committed without its handler, which still holds a thread: a stray (R16).

    Attributes:
        settlement: The verdict that had come before.
    """

    settlement: Settlement | None = None


State: TypeAlias = Prefetched | Running | Finished | Offered | Settled | Committed | Abandoned


def ref_of(claim: Claim) -> TaskRef:
    """How events speak of a claim's task."""
    return TaskRef(claim.task.id, claim.task.type, claim.task.attempt, claim.task.trace)


class Attempt(CancelToken):
    """One task being worked on; may be used from any thread.

    Attributes:
        claim: The right it works under; a later claim of the same task may take its place (R9).
        ref: How events speak of it.
        state: Changed by whoever holds `binding`.
        binding: Held while the claim is changed, and while an end is committed under it.
        limit_at: Clock reading at which its time is used up.
        thread_id: Python's number of the thread that runs it.
        native_id: The system's number of that thread.
        returned: Whether its handler has ended.
        killed: Whether the handler's process was ended by force.
        progress: What the handler said last, percent (None for nothing yet) and message.
        checkpoint: The last one, JSON text.
        log: What the handler logged.
        trace: Its spans, None where nobody traces.
    """

    def __init__(self, claim: Claim, handler: Handler, *, checkpoint: str | None, limit_at: float) -> None:
        super().__init__()
        self.claim = claim
        self.ref = ref_of(claim)
        self.handler = handler
        self.checkpoint = checkpoint
        self.limit_at = limit_at
        self.state: State = Running()
        self.binding = threading.Lock()
        self.started_at: float | None = None
        self.thread_id: int | None = None
        self.native_id: int | None = None
        self.returned = False
        self.killed = False
        self.progress: tuple[float | None, str] = (None, "")
        self.log = AttemptLog()
        self.trace: TaskTrace | None = None
        self._killing = threading.Lock()
        self._kill: Callable[[], None] | None = None

    @property
    def prefetched(self) -> bool:
        """Whether its handler waits for a slot."""
        return isinstance(self.state, Prefetched)

    @property
    def committed(self) -> bool:
        """Whether its end is in the outbox."""
        return isinstance(self.state, Committed | Abandoned)

    @property
    def settled(self) -> Settlement | None:
        """The verdict on what was offered from memory, None while there is none."""
        return self.state.settlement if isinstance(self.state, Settled | Abandoned) else None

    @property
    def stray(self) -> bool:
        """Whether its handler holds a thread though its end is committed (R16)."""
        return isinstance(self.state, Abandoned)

    def status(self, now: float) -> RunningTask | None:
        """How it is with it now, None once its end is stored.

        Args:
            now: Clock reading.
        """
        begun, (percent, message) = self.started_at, self.progress
        match self.state:
            case Committed():
                return None
            case Abandoned():
                state = "stray"
            case Prefetched() | Running() if begun is None:
                state = "waiting"
            case Running():
                state = "running" if self.cancelled is None else "ending"
            case _:
                state = "storing"
        seconds = 0.0 if begun is None else max(0.0, now - begun)
        return RunningTask(ref=self.ref, state=state, seconds=seconds, percent=percent, message=message)

    def prefetch(self, now: float) -> None:
        """No slot is free for it yet."""
        with self.binding:
            self.state = Prefetched(now)

    def begin(self, now: float) -> None:
        """Its handler begins; from now on the time counts of one that has waited for its slot."""
        with self.binding:
            self.started_at = now
            if isinstance(self.state, Prefetched):
                self.state = Running()
                self.limit_at = now + self.handler.time_limit

    def finish(self) -> None:
        """Its handler has ended, or never begins."""
        with self.binding:
            self.returned = True
            if isinstance(self.state, Prefetched | Running):
                self.state = Finished()
        if self.trace is not None:
            self.trace.finish()

    def commit(self) -> None:
        """Its end is in the outbox; for whoever holds `binding`."""
        if isinstance(self.state, Running | Finished | Offered):
            self.state = Committed()

    def abandon(self) -> bool:
        """Its end was committed without its handler; False when that has just ended after all."""
        with self.binding:
            if not self.returned:
                self.state = Abandoned(self.settled)
            return self.stray

    def offer(self, outcome: Outcome, children: tuple[Child, ...]) -> bool:
        """The disk refuses its outcome; False where that is known (R12)."""
        with self.binding:
            if not isinstance(self.state, Running | Finished):
                return False
            self.state = Offered(outcome, children)
            return True

    def seen(self, *, maybe_seen: bool) -> None:
        """What it offers is sent now, and may reach the server; or it has not, for certain."""
        with self.binding:
            if isinstance(self.state, Offered):
                self.state = replace(self.state, maybe_seen=maybe_seen)

    def settle(self, settlement: Settlement) -> bool:
        """The server gave its verdict on the outcome that was offered from memory.

        False when the outcome was committed meanwhile: then its stored report gets the verdict.
        """
        with self.binding:
            if not isinstance(self.state, Offered):
                return False
            self.state = Settled(settlement, self.state.outcome)
        return True

    def report(self) -> Report | None:
        """The report of an outcome that the disk refuses, None when there is none to send (R12)."""
        state, claim = self.state, self.claim
        if not isinstance(state, Offered):
            return None
        return Report(
            None,
            claim.identity,
            state.outcome,
            children=state.children,
            attempt=claim.task.attempt,
            maybe_seen=state.maybe_seen,
            log=self.log.ending(),
            trace=self.context,
        )

    @property
    def context(self) -> TraceContext | None:
        """The span that its report, and what its handler creates, belong to."""
        return self.claim.task.trace if self.trace is None else self.trace.context

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
