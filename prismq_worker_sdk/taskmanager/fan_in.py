"""Fan-ins: the task that follows the last child of a parent, created in the transaction of that child's end.

The children of a task are all that have its id as their parent, however they came. A follower takes the place of its
parent: it is a child of the parent's parent, which so waits for the whole tree below it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import producing
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.service_tables import fan_ins
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement, insert
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.messages import FollowerItem, NewTask

COUNTS = "children"
"""The member of a follower's params that tells how the children ended."""

_ASK = insert(
    fan_ins, ("parent_id", "above", "type", "params", "priority", "max_attempts", "traceparent", "tracestate")
)
_UNFINISHED = "FROM tasks WHERE parent_id = :parent_id AND status IN ('pending', 'processing')"
_LOCK_UNFINISHED = Statement(f"SELECT seq {_UNFINISHED}", lock=Lock.WAIT)
_LOCK_WAITING = Statement(
    "SELECT parent_id FROM fan_ins WHERE parent_id = :parent_id AND task_id IS NULL", lock=Lock.WAIT
)
_OPEN = Statement(  # one statement, which sees one moment: a child that ends may leave a fan-in of its own
    f"SELECT (SELECT 1 {_UNFINISHED} ORDER BY seq DESC LIMIT 1) AS child,"
    " (SELECT 1 FROM fan_ins WHERE task_id IS NULL AND above = :parent_id LIMIT 1) AS fan_in"
)
_FAN_IN = Statement("SELECT * FROM fan_ins WHERE parent_id = :parent_id")
_BY_STATUS = Statement(
    "SELECT sum(status = 'pending') AS pending, sum(status = 'processing') AS processing,"
    " sum(status = 'completed') AS completed, sum(status = 'failed') AS failed"
    " FROM tasks WHERE parent_id = :parent_id"
)
_TO_FOLLOW = Statement(
    "SELECT count(*) AS followers FROM fan_ins WHERE task_id IS NULL AND above = :parent_id"
)
_FOLLOWED = Statement("UPDATE fan_ins SET task_id = :task_id WHERE parent_id = :parent_id")
_PARENT = Statement("SELECT 1 AS one FROM tasks WHERE id = :parent_id")
_COUNT_DELETED = Statement(
    "UPDATE fan_ins SET completed = completed + :completed, failed = failed + :failed WHERE parent_id = :parent_id"
)


def why_not(db: sa.Connection, then: FollowerItem) -> str | None:
    """Why a follower cannot be asked for, None when it can.

    Raises:
        LongChecks: Its params are not to be checked in a transaction.
    """
    if COUNTS in then.params:
        return f"its params have a member {COUNTS!r}, where the server tells how the children ended"
    counts = {"parent_id": "0" * 36, "completed": 0, "failed": 0}
    try:
        producing.check(db, NewTask(type=then.type, params={**then.params, COUNTS: counts}))
    except Problem as problem:
        return problem.detail
    return None


def ask(db: sa.Connection, config: TaskManagerConfig, parent: Any, then: FollowerItem) -> None:
    """Notes that a task is to follow the children of one that completes now."""
    params = json.dumps(then.params, ensure_ascii=False)
    row = (parent.id, parent.parent_id, then.type, params, then.priority, config.max_attempts)
    trace = then.trace_columns()
    _ASK.run(db, [(*row, trace.get("traceparent"), trace.get("tracestate"))])


def wait_for_ends(db: sa.Connection, parent_id: str) -> None:
    """Lets transactions end that end children of a parent now, and cannot see that it was just asked for a follower."""
    list(_LOCK_UNFINISHED.rows(db, parent_id=parent_id))


def follow(db: sa.Connection, parents: Iterable[str], now: float) -> Counter[str]:
    """Creates what follows the children of these parents, where they have ended, all of them, and nothing does yet.

    To be called whenever children have ended, once that is written. Whoever ends the last children at the same time
    does so one after the other, and the last one sees what the others did.

    Returns:
        How many tasks of which type can be had now.
    """
    wanted = sorted(set(parents))
    waiting = [row for row in _LOCK_WAITING.first_of_each(db, "parent_id", wanted) if row] if wanted else []
    return Counter(
        _create(db, row.parent_id, now)
        for row in waiting
        if not any(_OPEN.first(db, parent_id=row.parent_id))
    )


def forget(db: sa.Connection, deleted: Sequence[Any], now: float) -> Counter[str]:
    """Lets nothing wait for tasks that were deleted just now; those that had not completed count as failed.

    Args:
        deleted: Their rows: `id`, `parent_id`, `status`.

    Returns:
        How many tasks of which type can be had now.
    """
    ids = [row.id for row in deleted]
    db.execute(sa.delete(fan_ins).where(fan_ins.c.parent_id.in_(ids), fan_ins.c.task_id.is_not(None)))
    ends = Counter((row.parent_id, row.status == "completed") for row in deleted if row.parent_id)
    parents = sorted({parent_id for parent_id, _ in ends})
    _COUNT_DELETED.run(db, [(ends[one, True], ends[one, False], one) for one in parents])
    return follow(db, parents, now)


def looked_at(db: sa.Connection, parent_id: str) -> tuple[dict[str, int], int, Any]:
    """The children of a task by status, how many have not ended, and its fan-in, None where it has none.

    A child's own follower that is still to come has not ended either.
    """
    counts = by_status(db, parent_id)
    followers = _TO_FOLLOW.first(db, parent_id=parent_id).followers
    unfinished = counts["pending"] + counts["processing"] + followers
    return counts, unfinished, _FAN_IN.first(db, parent_id=parent_id)


def _create(db: sa.Connection, parent_id: str, now: float) -> str:
    """Creates the follower of a parent; its type."""
    row = _FAN_IN.first(db, parent_id=parent_id)
    ends = by_status(db, parent_id)
    counts = {
        "parent_id": parent_id,
        "completed": row.completed + ends["completed"],
        "failed": row.failed + ends["failed"],
    }
    new = NewTask(
        type=row.type,
        params={**json.loads(row.params), COUNTS: counts},
        priority=row.priority,
        parent_id=row.above,
        traceparent=row.traceparent,
        tracestate=row.tracestate,
    )
    task_id = producing.create_checked(db, new, row.max_attempts, now)
    if _PARENT.first(db, parent_id=parent_id) is None:
        db.execute(sa.delete(fan_ins).where(fan_ins.c.parent_id == parent_id))
    else:
        _FOLLOWED.run(db, [(task_id, parent_id)])
    return str(row.type)


def by_status(db: sa.Connection, parent_id: str) -> dict[str, int]:
    """How many children of a task are in which status."""
    found = _BY_STATUS.first(db, parent_id=parent_id)._asdict()
    return {status: int(number or 0) for status, number in found.items()}
