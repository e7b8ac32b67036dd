"""Where the worker stands, the few facts that its loops tell each other, and how they wake each other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import inf

from prismq_worker_sdk.decide.claims import LONG
from prismq_worker_sdk.decide.shutdown import StopPlan, next_phase, stop_plan
from prismq_worker_sdk.model.events import Phase
from prismq_worker_sdk.model.protocol import ClaimWork, WorkerCommand
from prismq_worker_sdk.worker.attempt import Attempt, Ending


class Lifecycle:
    """RUNNING → DRAINING → FLUSHING → STOPPED, with one deadline (R36); may be read from any thread.

    Attributes:
        running: Whether new tasks may be claimed.
        stopped: Whether it is over.
        cancel_at: Clock reading from which on handlers that still run must be told to end.
        kill_at: Clock reading from which on those that run in processes must be ended by force.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.phase = Phase.RUNNING
        self.running = True
        self.stopped = False
        self.plan: StopPlan | None = None
        self.cancel_at = self.kill_at = inf
        self.reason = ""
        self.failed = False

    def ask_stop(self, reason: str, *, grace: float, now: float, failed: bool = False) -> bool:
        """Begins the stop; whether it was this call that began it.

        Asked once more, the deadline can only come nearer: that is what a second signal does.

        Args:
            grace: Seconds to the exit.
            failed: Whether the worker stops because of an error.
        """
        plan = stop_plan(now, grace)
        with self._lock:
            self.failed = self.failed or failed
            first = self.plan is None
            if first:
                self.phase, self.running, self.reason = Phase.DRAINING, False, reason
            if self.plan is None or plan.deadline < self.plan.deadline:
                self.plan, self.cancel_at, self.kill_at = plan, plan.cancel_at, plan.kill_at
            return first

    def advance(self, *, now: float, busy: bool, flushed: bool) -> Phase | None:
        """Takes the next step of the stop when it is time; the new phase, or None."""
        with self._lock:
            if self.plan is None:
                return None
            phase = next_phase(self.phase, now=now, plan=self.plan, busy=busy, flushed=flushed)
            if phase is self.phase:
                return None
            self.phase, self.stopped = phase, phase is Phase.STOPPED
            return phase


def _nobody() -> None:
    """Nobody sleeps yet."""


@dataclass(slots=True)
class Wakeups:
    """How each loop is told that something changed.

    Attributes:
        claim: There may be room for a task: one of the loops that claim looks.
        deliver: A report may be due: one of the loops that deliver looks.
        lanes: Every loop that claims or delivers looks.
    """

    claim: Callable[[], None] = _nobody
    lease: Callable[[], None] = _nobody
    commit: Callable[[], None] = _nobody
    deliver: Callable[[], None] = _nobody
    supervise: Callable[[], None] = _nobody
    lanes: Callable[[], None] = _nobody

    def notify_all(self) -> None:
        """Look again, all of you."""
        for wake in (self.lanes, self.claim, self.lease, self.commit, self.deliver, self.supervise):
            wake()


@dataclass(slots=True, eq=False)
class ClaimRequest:
    """A claim that is sent, and sent again until its answer is known (R6), and the slots kept for its tasks (R4).

    One that waits on the server is ended by a repeat, from another loop: two answers, maybe with the same tasks.

    Attributes:
        sent_at: Clock reading at its first sending (R5).
        slots_left: Slots that no task took yet.
        part: Whether it leaves out types that have less room; another claim asks for them next.
        maybe_seen: Whether it was sent before without an answer.
        open: Whether its own answer is still to come.
        tokens: Of the tasks that came with its answers so far.
        lock: Held while an answer is dealt with.
    """

    work: ClaimWork
    request_id: str
    sent_at: float
    slots_left: int
    part: bool = False
    maybe_seen: bool = False
    open: bool = True
    tokens: set[str] = field(default_factory=set)
    lock: AbstractContextManager[object] = field(default_factory=threading.RLock)


@dataclass(slots=True)
class Shared:
    """The facts that loops tell each other; each is one value, written whole.

    Attributes:
        command: What the server wants of this worker (R40).
        delivering: Whether reports go out now, so that claims go along with them and the claim loop rests. The commit
            loop says so before it frees slots, the delivery loop takes it back when nothing is due any more.
        waiting: The claim that waits on the server now, so that a stop can end its wait (R6).
        claim_window: How many claims may be under way at once, where a claim brings one task.
        planning: Held while a claim is planned and its slots are reserved (R4).
        handler_seconds: What handlers took of late; long until they are seen to be short.
        exchange_seconds: What a claim took of late that did not wait on the server, from its sending to its tasks.
        offered: Attempts whose outcomes the disk refuses, with the clock reading of their next try (R12).
        finished: Attempts whose handlers have ended, with how: the commit loop stores them.
        threads: The last attempt of each thread, by its number.
        lease_looks_at: Clock reading at which the lease loop looks next by itself.
        lease_listens: Whether the lease loop is to be woken when there is news of a task: once, until it listens again.
        claims_hold: Whether claims last as long as they are taken to; False once a task came again too early.
        stored_sent: Whether the reports of earlier processes were sent once (R27).
        flushed: Whether the last sending before the exit is over (R36).
        closed: Whether nothing more is to be stored: the worker has stopped.
        disk_trouble: Why the disk keeps the worker from claiming, if it does.
        parked: Reports that earlier processes parked, whichever server they are for.
    """

    command: WorkerCommand = WorkerCommand.RUN
    delivering: bool = False
    waiting: ClaimRequest | None = None
    claim_window: int = 1
    planning: threading.Lock = field(default_factory=threading.Lock)
    handler_seconds: float = LONG
    exchange_seconds: float = 0.0
    offered: dict[Attempt, float] = field(default_factory=dict)
    finished: deque[tuple[Attempt, Ending]] = field(default_factory=deque)
    threads: dict[int, Attempt] = field(default_factory=dict)
    lease_looks_at: float = inf
    lease_listens: bool = False
    claims_hold: bool = True
    stored_sent: bool = False
    flushed: bool = False
    closed: bool = False
    disk_trouble: str | None = None
    parked: int = 0
