"""Creating tasks, publishing their types, and looking at them."""

from __future__ import annotations

import base64
import json
import uuid
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.errors import SchemaError
from prismq_worker_sdk.handlers.schema import DRAFT, ParamsSpec, checked_schema
from prismq_worker_sdk.taskmanager import statements
from prismq_worker_sdk.taskmanager.checking import faults_of
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.messages import NewTask, NewTaskType, TaskFilter
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.rules import breaking_changes
from prismq_worker_sdk.taskmanager.tables import claims, task_types, tasks

__all__ = ["check_schemas", "create", "find", "history", "listed", "publish", "stats", "type_named", "types"]

Row = sa.Row[Any]
LARGEST_SEQ = 2**63 - 1


def create(db: sa.Connection, config: TaskManagerConfig, new: NewTask, now: float) -> tuple[Row, bool]:
    """The new task, or the one that has its dedupe key already; and whether it is new.

    A key is taken while its task is unfinished; together with a parent it is taken for ever (R22).

    Raises:
        Problem: 422 the params do not fit the registered schema.
    """
    found = None if new.dedupe_key is None else _twin(db, new)
    if found is not None:
        return found, False
    _check(db, new)
    task_id = str(uuid.uuid4())
    values = {
        "id": task_id,
        "type": new.type,
        "status": "pending",
        "params": json.dumps(new.params, ensure_ascii=False),
        "priority": new.priority,
        "max_attempts": new.max_attempts or config.max_attempts,
        "not_before": now + new.delay_seconds if new.delay_seconds else None,
        "created_at": now,
        "dedupe_key": new.dedupe_key,
        "parent_id": new.parent_id,
    }
    db.execute(statements.NEW_TASK, values)
    return find(db, task_id), True


def find(db: sa.Connection, task_id: str) -> Row:
    """A task.

    Raises:
        Problem: 404 there is none.
    """
    row = db.execute(statements.TASK, {"the_id": task_id}).first()
    if row is None:
        raise Problem(404, f"there is no task {task_id}")
    return row


def history(db: sa.Connection, task_id: str) -> list[Row]:
    """The claims of a task, oldest first."""
    return list(db.execute(sa.select(claims).where(claims.c.task_id == task_id).order_by(claims.c.id)))


def listed(db: sa.Connection, wanted: TaskFilter) -> tuple[list[Row], str | None]:
    """Tasks, newest first, and the cursor of the next page; tasks that come meanwhile do not shift the pages."""
    query = sa.select(tasks).order_by(tasks.c.seq.desc()).limit(wanted.limit + 1)
    for column, value in (
        (tasks.c.status, wanted.status),
        (tasks.c.type, wanted.type),
        (tasks.c.worker_id, wanted.worker_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.q:
        like = f"%{wanted.q.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        columns = (tasks.c.id, tasks.c.type, tasks.c.params, tasks.c.error)
        query = query.where(sa.or_(*(column.like(like, escape="!") for column in columns)))
    if wanted.cursor is not None:
        query = query.where(tasks.c.seq < _place(wanted.cursor))
    rows = list(db.execute(query))
    more = len(rows) > wanted.limit
    rows = rows[: wanted.limit]
    return rows, _cursor(rows[-1].seq) if more else None


def check_schemas(new: NewTaskType) -> None:
    """Raises Problem 422 unless they are schemas; may take seconds."""
    try:
        ParamsSpec.of({"$schema": DRAFT, **new.param_schema})
        checked_schema(new.result_schema or {})
    except SchemaError as error:
        raise Problem(422, str(error)) from None


def publish(db: sa.Connection, name: str, new: NewTaskType, now: float) -> Row:
    """Registers a task type, or changes it; its schemas were checked.

    Raises:
        Problem: 409 the change breaks producers and is not allowed to.
    """
    before = db.execute(statements.TASK_TYPE, {"the_name": name}).first()
    if before is not None and not new.allow_breaking:
        breaks = list(breaking_changes(json.loads(before.param_schema), new.param_schema))
        if breaks:
            raise Problem(
                409, f"{'; '.join(breaks)}: this breaks producers; send allow_breaking to do it all the same"
            )
    values = {
        "version": new.version,
        "param_schema": json.dumps(new.param_schema),
        "result_schema": None if new.result_schema is None else json.dumps(new.result_schema),
        "updated_at": now,
    }
    if before is None:
        db.execute(task_types.insert().values(name=name, **values))
    else:
        db.execute(task_types.update().where(task_types.c.name == name).values(values))
    return type_named(db, name)


def type_named(db: sa.Connection, name: str) -> Row:
    """A task type.

    Raises:
        Problem: 404 there is none.
    """
    row = db.execute(statements.TASK_TYPE, {"the_name": name}).first()
    if row is None:
        raise Problem(404, f"there is no task type {name}")
    return row


def types(db: sa.Connection) -> list[Row]:
    """The task types, by name."""
    return list(db.execute(sa.select(task_types).order_by(task_types.c.name)))


def stats(db: sa.Connection, now: float) -> dict[str, dict[str, Any]]:
    """Numbers for each task type: depth, oldest pending age (seconds), in flight, ended, ended in the last hour."""
    found: dict[str, dict[str, Any]] = {}
    counted = sa.select(
        tasks.c.type, tasks.c.status, sa.func.count(), sa.func.min(tasks.c.created_at)
    ).group_by(tasks.c.type, tasks.c.status)
    for task_type, status, number, oldest in db.execute(counted):
        one = found.setdefault(task_type, _zeros())
        one[status] = number
        if status == "pending":
            one["oldest_pending_seconds"] = max(0.0, now - oldest)
    recent = (
        sa.select(tasks.c.type, tasks.c.status, sa.func.count())
        .where(tasks.c.completed_at > now - 3600)
        .group_by(tasks.c.type, tasks.c.status)
    )
    for task_type, status, number in db.execute(recent):
        found[task_type][f"{status}_last_hour"] = number
    return found


def _zeros() -> dict[str, Any]:
    return {
        "pending": 0,
        "processing": 0,
        "completed": 0,
        "failed": 0,
        "oldest_pending_seconds": 0.0,
        "completed_last_hour": 0,
        "failed_last_hour": 0,
    }


def _twin(db: sa.Connection, new: NewTask) -> Row | None:
    """The latest task that has the dedupe key already."""
    key = {"the_key": new.dedupe_key, "the_type": new.type}
    if new.parent_id is None:
        return db.execute(statements.UNFINISHED_TWIN, key).first()
    return db.execute(statements.TWIN_CHILD, {**key, "the_parent": new.parent_id}).first()


def _check(db: sa.Connection, new: NewTask) -> None:
    row = db.execute(statements.TASK_TYPE, {"the_name": new.type}).first()
    if row is None:
        return
    if faults := faults_of(row.param_schema, new.params):
        raise Problem(422, f"the params do not fit {new.type} (version {row.version} of its schema)", faults)


def _cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(str(seq).encode()).decode().rstrip("=")


def _place(cursor: str) -> int:
    with suppress(ValueError):
        place = int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if 0 < place <= LARGEST_SEQ:
            return place
    raise Problem(422, f"cursor {cursor[:80]!r} was not made by this server; leave it out to begin anew")
