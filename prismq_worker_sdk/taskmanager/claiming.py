"""Handing out tasks: which come next, and one row for each claim (R28), inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import statements
from prismq_worker_sdk.taskmanager.rules import UNCONFIRMED_FREE, expired_error

__all__ = ["CANCELLED", "EXPIRED", "Lease", "close_claim", "settle", "take"]

Row = sa.Row[Any]
CANCELLED = {"error": "cancelled on request", "error_type": "cancelled"}
EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Lease:
    """Under which terms a task is handed out.

    Attributes:
        token: None on the base protocol, where the worker id proves the claim.
        request_id: Which request was answered with it (R6).
    """

    seconds: float
    token: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for tasks, and of which types.

    Attributes:
        lease: Makes the terms of one claim; called for each.
    """

    worker_id: str
    types: Sequence[str]
    lease: Callable[[], Lease]


def settle(db: sa.Connection, now: float) -> None:
    """Fails the tasks whose claim ran out and that nobody may have again: cancelled (R29), or attempts used up."""
    for row in db.execute(statements.OVER, {"now": now}).all():
        _give_up(db, row, now)


def take(db: sa.Connection, asked: Asked, most: int, now: float) -> list[str]:
    """Hands out tasks, at most so many: the highest priority, then the oldest; their ids in this order."""
    taken: list[str] = []
    while len(taken) < most:
        found = _candidates(db, asked.types, most - len(taken), now)
        got = [row.id for row in found if _take(db, asked, row, now)]
        taken += got
        if len(got) == len(found):  # else somebody else was faster at one: there may be others
            break
    return taken


def close_claim(db: sa.Connection, row: Row, verdict: str, error: str | None, now: float) -> None:
    """Notes how the current claim of a task ended, unless it was noted before."""
    ended = {"verdict": verdict, "error": error, "ended_at": now}
    db.execute(statements.CLOSE_CLAIM, {"the_claim": row.claim, **ended})


def _candidates(db: sa.Connection, types: Sequence[str], most: int, now: float) -> list[Row]:
    """Tasks that may be handed out, first those that come first."""
    queries = [statements.PENDING]
    first_expiry = db.scalar(statements.FIRST_EXPIRY)
    if first_expiry is not None and first_expiry <= now:
        settle(db, now)
        queries.append(statements.EXPIRED)
    wanted = {"types": types, "most": most, "now": now}
    found = [row for query in queries for row in db.execute(query, wanted)]
    return sorted(found, key=lambda row: (-row.priority, row.seq))[:most]


def _take(db: sa.Connection, asked: Asked, row: Row, now: float) -> bool:
    made, unconfirmed = _counted(db, row)
    lease = asked.lease()
    leased = lease.token is not None
    claim = {
        "task_id": row.id,
        "worker_id": asked.worker_id,
        "attempt": made + 1,
        "claimed_at": now,
        "token": lease.token,
        "request_id": lease.request_id,
        "confirmed": int(not leased),
    }
    (number,) = db.execute(statements.NEW_CLAIM, claim).inserted_primary_key or (None,)
    values = {
        "status": "processing",
        "attempts": made if leased else made + 1,
        "unconfirmed": unconfirmed,
        "leased": int(leased),
        "claimed_at": now,
        "claim_expires_at": now + lease.seconds,
        "worker_id": asked.worker_id,
        "claim": number,
        "progress": None,
        "message": None,
    }
    unchanged = {"the_id": row.id, "the_status": row.status, "the_claim": row.claim}
    if db.execute(statements.TAKE, unchanged | values).rowcount != 1:
        db.execute(statements.DROP_CLAIM, {"the_claim": number})
        return False
    if row.status == "processing":
        close_claim(db, row, EXPIRED, None, now)
    return True


def _counted(db: sa.Connection, row: Row) -> tuple[int, int]:
    """Attempts made, and claims in a row that expired unconfirmed, once the claim of this row is over (R7)."""
    if row.status != "processing" or not row.leased:
        return row.attempts, row.unconfirmed
    if db.scalar(statements.CONFIRMED, {"the_claim": row.claim}):
        return row.attempts, row.unconfirmed
    if row.unconfirmed < UNCONFIRMED_FREE:
        return row.attempts, row.unconfirmed + 1
    return row.attempts + 1, row.unconfirmed


def _give_up(db: sa.Connection, row: Row, now: float) -> None:
    said = CANCELLED if row.cancel_asked else {"error": expired_error(row.attempts), "error_type": EXPIRED}
    unchanged = {"the_id": row.id, "the_status": "processing", "the_claim": row.claim}
    db.execute(statements.TAKE, unchanged | {"status": "failed", "completed_at": now} | said)
    close_claim(db, row, EXPIRED, None, now)
