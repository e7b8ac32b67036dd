"""How long a handler may run, and when its claim is renewed meanwhile (R5, R7, R15, R16, R21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from prismq_worker_sdk.decide.backoff import Backoff
from prismq_worker_sdk.model.cancel import CancelReason

ABANDON_AFTER = 10.0
"""Seconds from the cancellation at the time limit until the failure is committed without the handler (R16)."""

CONFIRM_WITHIN = 0.5
"""Seconds from the start of a handler to the first renewal, which makes the attempt count (R7: within 1 s)."""

SHARE = 1 / 3
"""The part of a lease after which it is renewed: two more tries fit before it runs out."""

SHORTEST_DEADLINE = 1.0
"""Seconds that an answer may take on any network that works."""


@dataclass(frozen=True, slots=True)
class Look:
    """All is well until then, a clock reading."""

    at: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Tell the handler to end."""

    reason: CancelReason


@dataclass(frozen=True, slots=True)
class Abandon:
    """Commit the failure without the handler; its thread is a stray from now on."""


Action: TypeAlias = Look | Cancel | Abandon


def time_limit(wanted: float, lease_seconds: float, *, renews: bool, age: float = 0.0) -> float:
    """The time a handler that starts now really has, seconds.

    Where claims cannot be renewed the claim timeout is the hard end: a tenth of it, 15 s at most, is kept
    for the report.

    Args:
        wanted: What the handler asks for.
        lease_seconds: How long the claim lasts from the sending of its request.
        age: Seconds since that.
    """
    if renews:
        return wanted
    return min(wanted, lease_seconds - min(15.0, lease_seconds / 10) - age)


def watch(
    *,
    now: float,
    limit_at: float,
    expires_at: float,
    cancelled: CancelReason | None,
    cancelled_at: float | None = None,
) -> Action:
    """What to do about a running handler.

    It is always told first: when the machine slept over its limit, its ten seconds begin afterwards. A claim
    that ran out as well is revoked as expired: the server may have given it to somebody else (R5).

    Args:
        now: Clock reading.
        limit_at: When its time limit ends.
        expires_at: When its claim ends by the local clock.
        cancelled: Why it was told to end, if it was.
        cancelled_at: When that was.
    """
    if cancelled is not None:
        abandon_at = max(limit_at, limit_at if cancelled_at is None else cancelled_at) + ABANDON_AFTER
        return Abandon() if now >= abandon_at else Look(abandon_at)
    if now >= expires_at:
        return Cancel(CancelReason.EXPIRED)
    if now >= limit_at:
        return Cancel(CancelReason.TIME_LIMIT)
    return Look(min(limit_at, expires_at))


def first_renewal(started_at: float) -> float:
    """The clock reading of the first renewal of a claim whose handler started then."""
    return started_at + CONFIRM_WITHIN


def next_renewal(sent_at: float, lease_seconds: float) -> float:
    """The clock reading of the renewal after one that was sent then."""
    return sent_at + lease_seconds * SHARE


def lateness(now: float, *, sent_at: float, lease_seconds: float, started_at: float) -> float:
    """By how many seconds the renewal of a running claim is late, 0 while it is not.

    Args:
        now: Clock reading.
        sent_at: When its claim, or its last renewal, was sent.
        started_at: When its handler started: the renewal of a claim that waited for its task is not late by that.
    """
    return max(0.0, now - max(next_renewal(sent_at, lease_seconds), first_renewal(started_at)))


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
