"""Every transition of a task: one conditional update and a row count, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.rules import UNCONFIRMED_FREE, backoff, expired_error
from prismq_worker_sdk.taskmanager.tables import claims, tasks

__all__ = [
    "CANCELLED",
    "EXPIRED",
    "Lease",
    "cancel",
    "claim",
    "complete",
    "fail",
    "retry",
    "settle",
    "take_next",
]

Row = sa.Row[Any]
CANCELLED = {"error": "cancelled on request", "error_type": "cancelled"}
EXPIRED = "expired"


def settle(db: sa.Connection, now: float) -> None:
    """Fails the tasks whose claim ran out and that nobody may have again: cancelled (R29), or attempts used up."""
    over = sa.select(tasks).where(
        tasks.c.status == "processing",
        tasks.c.claim_expires_at <= now,
        sa.or_(tasks.c.cancel_asked == 1, tasks.c.attempts >= tasks.c.max_attempts),
    )
    for row in db.execute(over).all():
        _give_up(db, row, now)


def claim(
    db: sa.Connection, config: TaskManagerConfig, worker_id: str, types: Sequence[str], now: float
) -> Row | None:
    """Hands out one task: the highest priority, then the oldest; None when there is none.

    An expired claim counts as an attempt; a task whose attempts are used up, or that somebody cancelled, fails.
    """
    settle(db, now)
    return take_next(db, Lease(config.claim_timeout), worker_id, types, now)


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


def take_next(
    db: sa.Connection, lease: Lease, worker_id: str, types: Sequence[str], now: float
) -> Row | None:
    """Hands out one task: the highest priority, then the oldest; None when there is none."""
    while (row := _candidate(db, types, now)) is not None:
        if _take(db, lease, row, worker_id, now):
            return _row(db, row.id)
    return None


def complete(db: sa.Connection, task_id: str, worker_id: str, result: str, now: float) -> None:
    """Ends a task well; also one whose cancellation was asked for: what is done is done (R29)."""
    row = _mine(db, task_id, worker_id)
    _end(
        db, row, worker_id, {"status": "completed", "result": result, "error": None, "error_type": None}, now
    )
    _close_claim(db, row, "completed", None, now)


def fail(
    db: sa.Connection, config: TaskManagerConfig, task_id: str, worker_id: str, error: str, now: float
) -> None:
    """Ends an attempt badly: pending again after a back-off, or failed when the attempts are used up."""
    row = _mine(db, task_id, worker_id)
    if row.cancel_asked:
        values: dict[str, Any] = {"status": "failed", **CANCELLED}
    elif row.attempts >= row.max_attempts:
        values = {"status": "failed", "error": error, "error_type": None}
    else:
        wait = backoff(row.attempts, first=config.backoff, ceiling=config.backoff_ceiling)
        values = {
            "status": "pending",
            "error": error,
            "error_type": None,
            "not_before": now + wait,
            "worker_id": None,
        }
    _end(db, row, worker_id, values, now)
    _close_claim(db, row, "cancelled" if row.cancel_asked else "failed", error, now)


def cancel(db: sa.Connection, task_id: str, now: float) -> Row:
    """Fails a pending task at once; notes the wish for a running one.

    Raises:
        Problem: 404 no such task, 409 it is finished.
    """
    pending = {"status": "failed", "completed_at": now, **CANCELLED}
    done = db.execute(
        tasks.update().where(tasks.c.id == task_id, tasks.c.status == "pending").values(pending)
    ).rowcount
    done = (
        done
        or db.execute(
            tasks.update().where(tasks.c.id == task_id, tasks.c.status == "processing").values(cancel_asked=1)
        ).rowcount
    )
    row = _row(db, task_id)
    if not done:
        raise Problem(409, f"task {task_id} is {row.status} already; only unfinished tasks can be cancelled")
    return row


def retry(db: sa.Connection, task_id: str) -> Row:
    """Makes a failed task pending again, with all its attempts.

    Raises:
        Problem: 404 no such task, 409 it has not failed, or another unfinished task has its dedupe key.
    """
    row = _row(db, task_id)
    if row.dedupe_key is not None and row.parent_id is None:
        same = [tasks.c.dedupe_key == row.dedupe_key, tasks.c.type == row.type, tasks.c.id != row.id]
        twin = db.scalar(sa.select(tasks.c.id).where(*same, tasks.c.status.in_(("pending", "processing"))))
        if twin is not None:
            raise Problem(409, f"task {twin} has the dedupe key {row.dedupe_key!r} and is unfinished")
    values = {
        "status": "pending",
        "attempts": 0,
        "not_before": None,
        "completed_at": None,
        "worker_id": None,
        "cancel_asked": 0,
        "error": None,
        "error_type": None,
    }
    done = db.execute(
        tasks.update().where(tasks.c.id == task_id, tasks.c.status == "failed").values(values)
    ).rowcount
    row = _row(db, task_id)
    if not done:
        raise Problem(409, f"task {task_id} is {row.status}; only failed tasks can be tried again")
    return row


@dataclass(frozen=True, slots=True)
class _Ready:
    """Which tasks may be handed out."""

    types: Sequence[str]
    now: float

    def expired(self) -> sa.Select[Any]:
        """Claimed, and the claim ran out."""
        return (
            sa.select(tasks)
            .where(
                tasks.c.status == "processing",
                tasks.c.claim_expires_at <= self.now,
                tasks.c.type.in_(self.types),
            )
            .order_by(tasks.c.priority.desc(), tasks.c.seq)
            .limit(1)
        )

    def pending(self) -> sa.Select[Any]:
        """Waiting, and their time has come."""
        due = sa.or_(tasks.c.not_before.is_(None), tasks.c.not_before <= self.now)
        return (
            sa.select(tasks)
            .where(tasks.c.status == "pending", tasks.c.type.in_(self.types), due)
            .order_by(tasks.c.priority.desc(), tasks.c.seq)
            .limit(1)
        )


def _candidate(db: sa.Connection, types: Sequence[str], now: float) -> Row | None:
    ready = _Ready(types, now)
    found = [db.execute(query).first() for query in (ready.expired(), ready.pending())]
    return min(
        (row for row in found if row is not None), key=lambda row: (-row.priority, row.seq), default=None
    )


def _take(db: sa.Connection, lease: Lease, row: Row, worker_id: str, now: float) -> bool:
    made, unconfirmed = _counted(db, row)
    claimed = db.execute(
        claims.insert().values(
            task_id=row.id,
            worker_id=worker_id,
            attempt=made + 1,
            claimed_at=now,
            token=lease.token,
            request_id=lease.request_id,
            confirmed=int(lease.token is None),
        )
    )
    (number,) = claimed.inserted_primary_key or (None,)
    values = {
        "status": "processing",
        "attempts": made + (1 if lease.token is None else 0),
        "unconfirmed": unconfirmed,
        "leased": int(lease.token is not None),
        "claimed_at": now,
        "claim_expires_at": now + lease.seconds,
        "worker_id": worker_id,
        "claim": number,
        "progress": None,
        "message": None,
    }
    unchanged = [
        tasks.c.id == row.id,
        tasks.c.status == row.status,
        tasks.c.claim.is_not_distinct_from(row.claim),
    ]
    if db.execute(tasks.update().where(*unchanged).values(values)).rowcount != 1:
        db.execute(claims.delete().where(claims.c.id == number))
        return False
    if row.status == "processing":
        _close_claim(db, row, "expired", None, now)
    return True


def _counted(db: sa.Connection, row: Row) -> tuple[int, int]:
    """Attempts made, and claims in a row that expired unconfirmed, once the claim of this row is over (R7)."""
    if row.status != "processing" or not row.leased:
        return row.attempts, row.unconfirmed
    confirmed = db.scalar(sa.select(claims.c.confirmed).where(claims.c.id == row.claim))
    if confirmed:
        return row.attempts, row.unconfirmed
    if row.unconfirmed < UNCONFIRMED_FREE:
        return row.attempts, row.unconfirmed + 1
    return row.attempts + 1, row.unconfirmed


def _give_up(db: sa.Connection, row: Row, now: float) -> None:
    said = CANCELLED if row.cancel_asked else {"error": expired_error(row.attempts), "error_type": EXPIRED}
    unchanged = [tasks.c.id == row.id, tasks.c.status == "processing", tasks.c.claim == row.claim]
    db.execute(tasks.update().where(*unchanged).values(status="failed", completed_at=now, **said))
    _close_claim(db, row, "expired", None, now)


def _end(db: sa.Connection, row: Row, worker_id: str, values: dict[str, Any], now: float) -> None:
    finished = {"completed_at": now} if values["status"] != "pending" else {}
    mine = [
        tasks.c.id == row.id,
        tasks.c.status == row.status,
        tasks.c.worker_id == worker_id,
        tasks.c.claim == row.claim,
    ]
    if db.execute(tasks.update().where(*mine).values({**values, **finished})).rowcount != 1:
        raise _not_yours(row)


def _close_claim(db: sa.Connection, row: Row, verdict: str, error: str | None, now: float) -> None:
    db.execute(
        claims.update()
        .where(claims.c.id == row.claim, sa.or_(claims.c.verdict.is_(None), claims.c.verdict == EXPIRED))
        .values(verdict=verdict, error=error, ended_at=now)
    )


def _mine(db: sa.Connection, task_id: str, worker_id: str) -> Row:
    """The task, while this worker holds it; a claim that ran out is held until it is claimed again (R8)."""
    row = _row(db, task_id)
    held = row.status == "processing" or (row.status == "failed" and row.error_type == EXPIRED)
    if not held or row.worker_id != worker_id:
        raise _not_yours(row)
    return row


def _not_yours(row: Row) -> Problem:
    return Problem(409, f"task {row.id} is {row.status}, and not, or no longer, claimed by this worker")


def _row(db: sa.Connection, task_id: str) -> Row:
    row = db.execute(sa.select(tasks).where(tasks.c.id == task_id)).first()
    if row is None:
        raise Problem(404, f"there is no task {task_id}")
    return row
