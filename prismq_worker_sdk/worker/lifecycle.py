"""Where the worker stands between start and stop: one value, changed in one place."""

from __future__ import annotations

import threading
from math import inf

from prismq_worker_sdk.decide.shutdown import StopPlan, next_phase, stop_plan
from prismq_worker_sdk.model.events import Phase


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
