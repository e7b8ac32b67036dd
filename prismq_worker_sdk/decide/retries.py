"""Failures on servers that hand a failed task out again at once, and for ever."""

from __future__ import annotations

from prismq_worker_sdk.decide.backoff import Backoff
from prismq_worker_sdk.model.outcome import Failed, Outcome

__all__ = ["held_back", "too_often"]

RETRIES = Backoff(initial=2.0, ceiling=60.0, factor=4.0, floor=0.5)
"""How long a failed task rests where nobody says how long."""

LONGEST = 1800.0
"""Seconds that a report is held back at most."""

RESERVE = 1 / 5
"""The part of a claim that is kept for the delivery of a report that was held back."""


def held_back(
    outcome: Outcome, *, attempt: int | None, left: float, lease_seconds: float, jitter: float
) -> float:
    """How long the report of a failure is kept here, seconds: until then nobody gets the task again.

    The claim goes on meanwhile, so that the rest needs nothing of the server and holds up no other task.

    Args:
        left: Seconds until the claim runs out.
        lease_seconds: How long it lasts as a whole.
    """
    if not isinstance(outcome, Failed) or outcome.retryable is False:
        return 0.0
    asked = outcome.delay_seconds
    wanted = RETRIES.seconds(attempt or 1, jitter) if asked is None else asked
    return max(0.0, min(wanted, LONGEST, left - RESERVE * lease_seconds))


def too_often(attempt: int | None, *, lapses: int, limit: int) -> Failed | None:
    """The failure of a task that was claimed too often, without any work; None while it may run.

    Args:
        lapses: How often it was given back here: such claims say nothing against the task.
        limit: 0 for none.
    """
    if not limit or attempt is None or attempt - lapses <= limit:
        return None
    text = f"it was claimed {attempt} times without an end, more than the {limit} of --max-attempts; it was not run"
    return Failed(text, "too_many_attempts", retryable=False)
