"""Deletes tasks with all that belongs to them, inside the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.counting import count_before_deletion
from prismq_worker_sdk.taskmanager.db.service_tables import fan_ins, task_logs
from prismq_worker_sdk.taskmanager.db.tables import claims, tasks
from prismq_worker_sdk.taskmanager.fan_in import forget

UNFINISHED = ("pending", "processing")
_NO_LOG = (
    claims.update()
    .where(~sa.exists().where(task_logs.c.task_id == claims.c.task_id, task_logs.c.claim == claims.c.id))
    .values(log_lines=None, log_bytes=None, log_total=None)
)


def those_that_may_go(db: sa.Connection, rows: Sequence[Any]) -> list[Any]:
    """Finished tasks without those that something still needs.

    A parent stays while a child of it is unfinished, or a task is to follow its children. A child with a dedupe key
    stays as long as its parent is here: whoever creates it again for that parent must find it (R22).

    Args:
        rows: Their `id`, `parent_id` and `dedupe_key`.
    """
    ids = [row.id for row in rows]
    children = sa.select(tasks.c.parent_id).where(tasks.c.parent_id.in_(ids), tasks.c.status.in_(UNFINISHED))
    waiting = sa.select(fan_ins.c.parent_id).where(fan_ins.c.parent_id.in_(ids), fan_ins.c.task_id.is_(None))
    needed = {*db.scalars(children.distinct()), *db.scalars(waiting)}
    going = [row for row in rows if row.id not in needed]
    return _without_keyed_children(db, going, sa.true())


def those_to_delete(db: sa.Connection, rows: Sequence[Any]) -> list[Any]:
    """Tasks without children that their parent may create again by their dedupe key (R22): it has not completed.

    Args:
        rows: Their `id`, `parent_id` and `dedupe_key`.
    """
    return _without_keyed_children(db, rows, tasks.c.status != "completed")


def delete(db: sa.Connection, rows: Sequence[Any], now: float) -> Counter[str]:
    """Deletes these tasks, their claims, logs and fan-ins; what waits for them waits no more.

    Args:
        rows: Their `id`, `parent_id` and `status`.

    Returns:
        How many tasks of which type can be had now.
    """
    ids = [row.id for row in rows]
    if ids:
        count_before_deletion(db, ids)
    for column in (claims.c.task_id, task_logs.c.task_id, tasks.c.id):
        db.execute(sa.delete(column.table).where(column.in_(ids)))
    return forget(db, rows, now) if rows else Counter()


def delete_logs(db: sa.Connection, ids: Sequence[str], most: int) -> bool:
    """Deletes rows of the logs of these tasks; whether there may be more.

    Args:
        most: Rows; a task can have hundreds, and each can be large.
    """
    rows = list(db.scalars(sa.select(task_logs.c.id).where(task_logs.c.task_id.in_(ids)).limit(most)))
    if rows:
        db.execute(sa.delete(task_logs).where(task_logs.c.id.in_(rows)))
    return len(rows) == most


def forget_log_counts(db: sa.Connection, claim_ids: Collection[int]) -> None:
    """Lets those of these claims tell of no log that have none any more."""
    if claim_ids:
        db.execute(_NO_LOG.where(claims.c.id.in_(claim_ids)))


def _without_keyed_children(db: sa.Connection, rows: Sequence[Any], of: sa.ColumnElement[bool]) -> list[Any]:
    """Without children with a dedupe key whose parent stays, and is such a one."""
    going = list(rows)
    parents = {row.parent_id for row in going if row.parent_id and row.dedupe_key}
    here = set(db.scalars(sa.select(tasks.c.id).where(tasks.c.id.in_(parents), of))) if parents else set()
    while True:
        staying = here.difference(row.id for row in going)
        fewer = [row for row in going if row.dedupe_key is None or row.parent_id not in staying]
        if len(fewer) == len(going):
            return going
        going = fewer
