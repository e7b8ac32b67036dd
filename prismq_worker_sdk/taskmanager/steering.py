"""What operators do to tasks, inside the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from prismq_worker_sdk.taskmanager import fan_in
from prismq_worker_sdk.taskmanager.claims import CANCELLED
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.db.tables import tasks
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.producing import UNFINISHED_TWIN, lock_keys
from prismq_worker_sdk.taskmanager.queries import find

_IN_STATUS = tasks.update().where(
    tasks.c.id == bindparam("the_id"), tasks.c.status == bindparam("the_status")
)

_HEAD_OF_LANE = Statement(
    "SELECT seq, lane, priority FROM tasks WHERE status = 'pending' AND postponed = 0 AND type = :type"
    " AND lane > :lane ORDER BY lane, priority DESC, seq LIMIT 1"
)
_CANCEL_ASKED = {"cancel_asked": 1}
_FRESH: dict[str, Any] = {
    "status": "pending",
    "attempts": 0,
    "cancel_asked": 0,
    **dict.fromkeys(("not_before", "completed_at", "worker_id", "error", "error_type")),
}


def cancel(db: sa.Connection, task_id: str, now: float) -> Any:
    """Fails a pending task at once; notes the wish for a running one.

    Raises:
        Problem: 404 no such task, 409 it is finished.
    """
    for status, change in (("pending", _cancelled(now)), ("processing", _CANCEL_ASKED)):
        if db.execute(_IN_STATUS, {"the_id": task_id, "the_status": status, **change}).rowcount:
            row = find(db, task_id)
            if row.parent_id is not None and status == "pending":
                fan_in.follow(db, [row.parent_id], now)
            return row
    row = find(db, task_id)
    raise Problem(409, f"task {task_id} is {row.status} already; only unfinished tasks can be cancelled")


def retry(db: sa.Connection, task_id: str, now: float) -> Any:
    """Makes a failed task pending again, with all its attempts.

    Raises:
        Problem: 404 no such task, 409 it has not failed, or another unfinished task has its dedupe key.
    """
    row = find(db, task_id, Lock.WAIT)
    if row.dedupe_key is not None and row.parent_id is None:
        lock_keys(db, [(row.type, row.dedupe_key, None)], now)
        twin = UNFINISHED_TWIN.first(db, dedupe_key=row.dedupe_key, type=row.type)
        if twin is not None and twin.id != row.id:
            raise Problem(409, f"task {twin.id} has the dedupe key {row.dedupe_key!r} and is unfinished")
    if not db.execute(_IN_STATUS, {"the_id": task_id, "the_status": "failed", **_FRESH}).rowcount:
        raise Problem(409, f"task {task_id} is {row.status}; only failed tasks can be tried again")
    return find(db, task_id)


def cancel_many(db: sa.Connection, rows: Sequence[Any], now: float) -> Counter[str]:
    """The same for unfinished tasks that are locked: their `seq`, `status` and `parent_id`.

    Returns:
        How many tasks of which type can be had now, since they follow.
    """
    waiting = [row for row in rows if row.status == "pending"]
    _change(db, waiting, _cancelled(now))
    _change(db, [row for row in rows if row.status == "processing"], _CANCEL_ASKED)
    return fan_in.follow(db, [row.parent_id for row in waiting if row.parent_id is not None], now)


def retry_many(db: sa.Connection, rows: Sequence[Any], now: float) -> list[Any]:
    """The same for failed tasks that are locked: their `seq`, `id`, `dedupe_key` and `parent_id`.

    Returns:
        Those of them whose dedupe key is not taken.
    """
    done = [row for row in rows if row.dedupe_key is None or row.parent_id is not None]
    _change(db, done, _FRESH)
    for row in rows:
        if row.dedupe_key is not None and row.parent_id is None:
            with suppress(Problem):
                retry(db, row.id, now)
                done.append(row)
    return done


def expedite(db: sa.Connection, task_id: str, now: float) -> Any:
    """Lets a pending task be the next one of its type, at once.

    Raises:
        Problem: 404 no such task, 409 it is not pending.
    """
    row = find(db, task_id, Lock.WAIT)
    first = _first_of_type(db, row.type)
    ahead = first is not None and first.seq != row.seq
    priority = max(row.priority, first.priority + 1) if ahead else row.priority
    return change(db, task_id, {"priority": priority, "not_before": None}, now)


def change(db: sa.Connection, task_id: str, values: Mapping[str, Any], now: float) -> Any:
    """Changes priority or not_before of a pending task, or both.

    Args:
        values: The columns that change.

    Raises:
        Problem: 404 no such task, 409 it is not pending.
    """
    given = dict(values)
    if "not_before" in given:
        at = given["not_before"]
        given["postponed"] = int(at is not None and at > now)
    if not db.execute(_IN_STATUS, {"the_id": task_id, "the_status": "pending", **given}).rowcount:
        row = find(db, task_id)
        raise Problem(409, f"task {task_id} is {row.status}; only pending tasks can be changed")
    return find(db, task_id)


def _cancelled(now: float) -> dict[str, Any]:
    error, error_type = CANCELLED
    why = {"error": error, "error_type": error_type}
    return {"status": "failed", "postponed": 0, "completed_at": now, **why}


def _change(db: sa.Connection, rows: Sequence[Any], values: Mapping[str, Any]) -> None:
    if rows:
        db.execute(tasks.update().where(tasks.c.seq.in_([row.seq for row in rows])), dict(values))


def _first_of_type(db: sa.Connection, task_type: str) -> Any:
    """The task that comes first of those that wait, None where none does; one look for each lane."""
    heads, lane = [], -1
    while (head := _HEAD_OF_LANE.first(db, type=task_type, lane=lane)) is not None:
        heads.append(head)
        lane = head.lane
    return min(heads, key=lambda one: (-one.priority, one.seq), default=None)
