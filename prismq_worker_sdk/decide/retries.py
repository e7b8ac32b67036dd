"""Failures on servers that hand a failed task out again at once, and for ever."""

from __future__ import annotations

from prismq_worker_sdk.decide.backoff import Backoff
from prismq_worker_sdk.model.outcome import Failed, Outcome, Released

RETRIES = Backoff(initial=2.0, ceiling=60.0, factor=4.0, floor=0.5)
"""How long a failed task rests where nobody says how long."""

LONGEST = 1800.0
"""Seconds that a report is held back at most."""

RESERVE = 1 / 5
"""The part of a claim that is kept for the delivery of a report that was held back."""


USUAL_ATTEMPTS = 3
"""After so many a server of this kind fails a task for good, unless it is set up otherwise."""


def held_back(
    outcome: Outcome, *, attempt: int | None, left: float, lease_seconds: float, jitter: float
) -> float:
    """How long a task that did not complete is kept here, seconds: until then nobody gets it again.

    The claim goes on meanwhile, so that the rest needs nothing of the server and holds up no other task.

    Args:
        left: Seconds until the claim runs out.
        lease_seconds: How long it lasts as a whole.
    """
    pause = RETRIES.seconds(attempt or 1, jitter)
    match outcome:
        case Failed(retryable=True | None, delay_seconds=asked):
            wanted = pause if asked is None else asked
        case Released(delay_seconds=asked):
            wanted = max(pause, asked)
        case _:
            return 0.0
    return max(0.0, min(wanted, LONGEST, left - RESERVE * lease_seconds))


def can_be_held(delay: float, *, left: float, lease_seconds: float) -> bool:
    """Whether a task can be kept here for so long; else letting its claim lapse keeps it from others for longer.

    Args:
        left: As for `held_back`.
    """
    return delay <= left - RESERVE * lease_seconds


def failed_early(failed_at: int, *, max_attempts: int, maybe_seen: bool) -> bool:
    """Whether a task that was found failed has attempts left: the server stopped half-way from failed to pending.

    A failure with attempts left is two steps there, in no transaction; after the last attempt it is one, which a
    deadlock undoes as a whole. So only an answer that was lost leaves a doubt.

    Args:
        failed_at: The attempt that failed, from 1.
        max_attempts: The server's, 0 where nobody told.
        maybe_seen: Whether an earlier report of this failure may have been taken.
    """
    if max_attempts:
        return failed_at < max_attempts
    return not maybe_seen or failed_at < USUAL_ATTEMPTS


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
