"""When a claim is renewed (R5, R7, R21)."""

from __future__ import annotations

from prismq_worker_sdk.decide.backoff import Backoff

CONFIRM_WITHIN = 0.5
"""Seconds from the start of a handler to the first renewal, which makes the attempt count (R7: within 1 s)."""

SHARE = 1 / 3
"""The part of a lease after which it is renewed: two more tries fit before it runs out."""


SHORTEST_DEADLINE = 1.0
"""Seconds that an answer may take on any network that works."""


def first_renewal(started_at: float) -> float:
    """The clock reading of the first renewal of a claim whose handler started then."""
    return started_at + CONFIRM_WITHIN


def next_renewal(sent_at: float, lease_seconds: float) -> float:
    """The clock reading of the renewal after one that was sent then."""
    return sent_at + lease_seconds * SHARE


def renewal_after_failure(now: float, lease_seconds: float, failures: int, jitter: float) -> float:
    """The clock reading of the next try after one that met no server: soon, and never late for the lease.

    Args:
        failures: In a row, 1 or more.
    """
    pause = Backoff(initial=0.5, ceiling=max(0.5, lease_seconds / 10), floor=0.5)
    return now + pause.seconds(failures, jitter)


def deadline(lease_seconds: float) -> float:
    """How long a renewal may wait for its answer, seconds: two that meet silence leave time for a third (R31)."""
    return max(SHORTEST_DEADLINE, lease_seconds / 4)


def together(now: float, due_at: float, lease_seconds: float) -> bool:
    """Whether a renewal that is due then goes along with one that is due now: saves most of the calls."""
    return due_at <= now + lease_seconds * SHARE / 4
