"""Looking at tasks, their types and their numbers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.cursors import latest
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.db.tables import claims, task_types, tasks
from prismq_worker_sdk.taskmanager.filters import matching, nearby, searching
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.messages import TaskFilter

Row = sa.Row[Any]
TASK_TYPE = Statement("SELECT * FROM task_types WHERE name = :name")
_TASK = {lock: Statement("SELECT * FROM tasks WHERE id = :id", lock=lock) for lock in Lock}


def find(
    db: sa.Connection, task_id: str, lock: Lock = Lock.NONE, *, types: Collection[str] | None = None
) -> Any:
    """A task, locked where it is about to be changed.

    Args:
        types: Others are not to be seen; None for none of that.

    Raises:
        Problem: 404 there is none.
    """
    row = _TASK[lock].first(db, id=task_id)
    if row is None or (types is not None and row.type not in types):
        raise Problem(404, f"there is no task {task_id}")
    return row


def must_be_of(db: sa.Connection, task_ids: Collection[str], types: Collection[str]) -> None:
    """Raises Problem 403 for a task that is of another type; one that is not there is of none."""
    for task_id in sorted(task_ids):
        row = _TASK[Lock.NONE].first(db, id=task_id)
        if row is not None and row.type not in types:
            raise Problem(403, f"task {task_id} is of a type that this API key is not bound to")


def history(db: sa.Connection, task_id: str) -> list[Row]:
    """The claims of a task, oldest first."""
    return list(db.execute(sa.select(claims).where(claims.c.task_id == task_id).order_by(claims.c.id)))


def listed(
    db: sa.Connection, wanted: TaskFilter, types: Collection[str] | None = None
) -> tuple[list[Row], str | None]:
    """Tasks, newest first, and the cursor of the next page.

    Args:
        types: Others are not to be seen; None for none of that.

    Raises:
        Problem: 422 there is too much to look through.
    """
    query = sa.select(tasks).where(*matching(db, wanted))
    if types is not None:
        query = query.where(tasks.c.type.in_(sorted(types)))
    with searching(db, wanted):
        return latest(db, query.where(*nearby(db, wanted)), tasks.c.seq, wanted.limit, wanted.cursor)


def type_named(db: sa.Connection, name: str) -> Any:
    """A task type.

    Raises:
        Problem: 404 there is none.
    """
    row = TASK_TYPE.first(db, name=name)
    if row is None:
        raise Problem(404, f"there is no task type {name}")
    return row


def types(db: sa.Connection) -> list[Row]:
    """The task types, by name."""
    return list(db.execute(sa.select(task_types).order_by(task_types.c.name)))
