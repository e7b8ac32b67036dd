"""Where the worker stands between start and stop: one value, changed in one place."""

from __future__ import annotations

import threading

from prismq_worker_sdk.decide.shutdown import StopPlan, next_phase, stop_plan
from prismq_worker_sdk.model.events import Phase


class Lifecycle:
    """RUNNING → DRAINING → FLUSHING → STOPPED, with one deadline (R36); may be read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.phase = Phase.RUNNING
        self.plan: StopPlan | None = None
        self.reason = ""
        self.failed = False

    @property
    def running(self) -> bool:
        """Whether new tasks may be claimed."""
        return self.phase is Phase.RUNNING

    @property
    def stopped(self) -> bool:
        """Whether it is over."""
        return self.phase is Phase.STOPPED

    def ask_stop(self, reason: str, *, grace: float, now: float, failed: bool = False) -> bool:
        """Begins the stop; whether it was this call that began it.

        ClaimRequest once more, the deadline can only come nearer: that is what a second signal does.

        Args:
            grace: Seconds to the exit.
            failed: Whether the worker stops because of an error.
        """
        plan = stop_plan(now, grace)
        with self._lock:
            self.failed = self.failed or failed
            if self.phase is Phase.RUNNING:
                self.phase, self.plan, self.reason = Phase.DRAINING, plan, reason
                return True
            if self.plan is not None and plan.deadline < self.plan.deadline:
                self.plan = plan
            return False

    def advance(self, *, now: float, busy: bool, flushed: bool) -> Phase | None:
        """Takes the next step of the stop when it is time; the new phase, or None."""
        with self._lock:
            if self.plan is None:
                return None
            phase = next_phase(self.phase, now=now, plan=self.plan, busy=busy, flushed=flushed)
            if phase is self.phase:
                return None
            self.phase = phase
            return phase

    def cancel_due(self, now: float) -> bool:
        """Whether handlers that still run must be told to end."""
        plan = self.plan
        return plan is not None and now >= plan.cancel_at

    def kill_due(self, now: float) -> bool:
        """Whether handlers that still run in processes must be ended by force."""
        plan = self.plan
        return plan is not None and now >= plan.kill_at
