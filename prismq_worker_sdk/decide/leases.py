"""How long a handler may run, and what happens when it does not end (R5, R15, R16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from prismq_worker_sdk.model.cancel import CancelReason

ABANDON_AFTER = 10.0
"""Seconds from the cancellation at the time limit until the failure is committed without the handler (R16)."""


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
