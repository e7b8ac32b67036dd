"""The way from the signal to the exit: one deadline (R36, R37)."""

from __future__ import annotations

from dataclasses import dataclass

from prismq_worker_sdk.model.events import Phase

FLUSH_RESERVE = 8.0
"""The last seconds of the grace period, kept for cancelling and flushing (R36)."""


EXIT_RESERVE = 1.0
"""The very last second, kept for closing files and for the end of the interpreter."""

KILL_RESERVE = 2.0
"""The last seconds of the grace period, kept for the reports of handlers that had to be killed."""


@dataclass(frozen=True, slots=True)
class StopPlan:
    """When what happens, as clock readings.

    Attributes:
        cancel_at: Handlers that still run are told to end.
        deadline: The worker begins to exit, whatever is left.
    """

    cancel_at: float
    deadline: float

    @property
    def kill_at(self) -> float:
        """Handlers in processes of their own are ended by force: just early enough to give their tasks back."""
        return self.deadline - min(KILL_RESERVE, (self.deadline - self.cancel_at) / 2)


def stop_plan(now: float, grace: float) -> StopPlan:
    """The plan for a stop that is asked for now.

    Args:
        grace: Seconds from now to the exit, 0 or more; a third of a short one is kept for flushing.
    """
    exit_reserve = min(EXIT_RESERVE, grace / 10)
    return StopPlan(
        cancel_at=now + grace - min(FLUSH_RESERVE, grace / 3), deadline=now + grace - exit_reserve
    )


def grace_of(signal_name: str, *, running: bool) -> float | None:
    """Seconds that a stop signal leaves, None for the whole grace period; a second one leaves none (R36).

    SIGHUP hurries nobody: shells send it twice when a terminal goes away, systemd sends it along with SIGTERM.

    Args:
        running: Whether no stop has begun yet.
    """
    return None if running or signal_name == "SIGHUP" else 0.0


def next_phase(phase: Phase, *, now: float, plan: StopPlan, busy: bool, flushed: bool) -> Phase:
    """The phase that follows, or the same one while there is nothing to change.

    Args:
        busy: Whether a handler runs that may still end, or a claim is in flight.
        flushed: Whether every waiting report was sent once more.
    """
    if now >= plan.deadline:
        return Phase.STOPPED
    match phase:
        case Phase.DRAINING if not busy:
            return Phase.FLUSHING
        case Phase.FLUSHING if flushed:
            return Phase.STOPPED
        case _:
            return phase


class ExitCode:
    """What the exit code of a worker says."""

    NOTHING_LEFT = 0
    FAILED = 1
    """API not reachable at start, too many errors, or sums that are off."""
    USAGE = 2
    SOMETHING_LEFT = 75
    """Reports or strays are left: start me again on this state folder (R37)."""


def exit_code(*, failed: bool, balanced: bool, waiting: int, strays: int) -> int:
    """The exit code of a worker that got under way.

    Args:
        failed: Whether it stopped because of an error.
        balanced: Whether both sums hold (R38).
        waiting: Reports without a verdict.
        strays: Handlers that did not end.
    """
    if failed or not balanced:
        return ExitCode.FAILED
    return ExitCode.SOMETHING_LEFT if waiting or strays else ExitCode.NOTHING_LEFT
