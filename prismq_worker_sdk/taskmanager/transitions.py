"""Every transition of a task: one conditional update and a row count, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import statements
from prismq_worker_sdk.taskmanager.claiming import (
    CANCELLED,
    EXPIRED,
    Asked,
    Lease,
    close_claim,
    settle,
    take,
)
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.rules import backoff
from prismq_worker_sdk.taskmanager.tables import tasks

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


def claim(
    db: sa.Connection, config: TaskManagerConfig, worker_id: str, types: Sequence[str], now: float
) -> Row | None:
    """Hands out one task: the highest priority, then the oldest; None when there is none.

    An expired claim counts as an attempt; a task whose attempts are used up, or that somebody cancelled, fails.
    """
    return take_next(db, Lease(config.claim_timeout), worker_id, types, now)


def take_next(
    db: sa.Connection, lease: Lease, worker_id: str, types: Sequence[str], now: float
) -> Row | None:
    """Hands out one task: the highest priority, then the oldest; None when there is none."""
    taken = take(db, Asked(worker_id, types, lambda: lease), 1, now)
    return _row(db, taken[0]) if taken else None


def complete(db: sa.Connection, task_id: str, worker_id: str, result: str, now: float) -> None:
    """Ends a task well; also one whose cancellation was asked for: what is done is done (R29)."""
    row = _mine(db, task_id, worker_id)
    _end(
        db, row, worker_id, {"status": "completed", "result": result, "error": None, "error_type": None}, now
    )
    close_claim(db, row, "completed", None, now)


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
    close_claim(db, row, "cancelled" if row.cancel_asked else "failed", error, now)


def cancel(db: sa.Connection, task_id: str, now: float) -> Row:
    """Fails a pending task at once; notes the wish for a running one.

    Raises:
        Problem: 404 no such task, 409 it is finished.
    """
    pending = {"status": "failed", "completed_at": now, **CANCELLED}
    done = (
        db.execute(statements.CANCEL_PENDING, {"the_id": task_id, **pending}).rowcount
        or db.execute(statements.CANCEL_RUNNING, {"the_id": task_id, "cancel_asked": 1}).rowcount
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


def _end(db: sa.Connection, row: Row, worker_id: str, values: dict[str, Any], now: float) -> None:
    finished = {"completed_at": now} if values["status"] != "pending" else {}
    mine = {"the_id": row.id, "the_status": row.status, "the_worker": worker_id, "the_claim": row.claim}
    if db.execute(statements.OF_WORKER, mine | values | finished).rowcount != 1:
        raise _not_yours(row)


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
    row = db.execute(statements.TASK, {"the_id": task_id}).first()
    if row is None:
        raise Problem(404, f"there is no task {task_id}")
    return row
