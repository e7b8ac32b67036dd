"""What producers do: new tasks, and types of tasks; inside the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.errors import SchemaError
from prismq_worker_sdk.handlers.published import checked_schema
from prismq_worker_sdk.handlers.values import ParamsSpec
from prismq_worker_sdk.model.json import DRAFT
from prismq_worker_sdk.taskmanager import audit, limits
from prismq_worker_sdk.taskmanager.breaking import breaking_changes
from prismq_worker_sdk.taskmanager.callers import Caller
from prismq_worker_sdk.taskmanager.checking import LongChecks, faults_of
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.statements import Statement, insert
from prismq_worker_sdk.taskmanager.db.tables import task_types, tasks
from prismq_worker_sdk.taskmanager.http import Problem, at_most, json_text, size_of
from prismq_worker_sdk.taskmanager.ids import new_ids
from prismq_worker_sdk.taskmanager.lanes import lanes_of
from prismq_worker_sdk.taskmanager.messages import NewTask, NewTaskType
from prismq_worker_sdk.taskmanager.queries import TASK_TYPE, type_named
from prismq_worker_sdk.taskmanager.rules import MAX_PARAMS_BYTES

_TWIN = "SELECT * FROM tasks WHERE dedupe_key = :dedupe_key AND type = :type AND {} ORDER BY seq DESC"
UNFINISHED_TWIN = Statement(_TWIN.format("status IN ('pending', 'processing')"))
_TWIN_CHILD = Statement(_TWIN.format("parent_id = :parent_id"))
_BLANK: dict[str, Any] = {
    **dict.fromkeys(column.name for column in tasks.columns),
    "status": "pending",
    "attempts": 0,
    "leased": 0,
    "unconfirmed": 0,
    "cancel_asked": 0,
    "postponed": 0,
    "lane": 0,
}
_STORED = [name for name in _BLANK if name != "seq"]
_NEW_TASK = insert(tasks, _STORED)
_LOCK_KEY = Statement(
    "INSERT INTO dedupe_locks (digest, used_at) VALUES (:digest, :used_at)"
    " ON DUPLICATE KEY UPDATE used_at = VALUES(used_at)"
)
Key = tuple[str, str, str | None]
"""Type, dedupe key and parent of a task."""
_params_text = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Created:
    """A task, new or not; its columns."""

    task: Mapping[str, Any]
    is_new: bool


def create(
    db: sa.Connection,
    config: TaskManagerConfig,
    wanted: Sequence[NewTask],
    now: float,
    *,
    children: bool = False,
) -> list[Created | Problem]:
    """The new task of each, the one that has its dedupe key already, or why it cannot be (413, 422).

    A key is taken while its task is unfinished; together with a parent it is taken for ever (R22).

    Args:
        children: All or none are created, and their parent's report bounds their params.

    Raises:
        LongChecks: Checks that are not to be made in a transaction.
    """
    keys = [(one.type, one.dedupe_key, one.parent_id) for one in wanted if one.dedupe_key is not None]
    lock_keys(db, keys, now)
    twins = _twins(db, keys)
    answers: list[Created | Problem] = []
    by_key: dict[tuple[str | None, ...], Mapping[str, Any]] = {}
    schemas: dict[str, Any] = {}
    fresh: list[tuple[dict[str, Any], Any]] = []
    long_checks: list[tuple[str, str]] = []
    for one, task_id in zip(wanted, new_ids(len(wanted)), strict=True):
        key = (one.type, one.dedupe_key, *([one.parent_id] if one.parent_id else []))
        if one.dedupe_key is not None and (twin := by_key.get(key) or twins.get(key)) is not None:
            answers.append(Created(twin, is_new=False))
            continue
        params = _params_text(one.params)
        try:
            _check(db, one, params, schemas, bounded=not children)
        except LongChecks as long:
            long_checks += long.checks
        except Problem as problem:
            answers.append(problem)
        else:
            task = _columns(one, config.max_attempts, now) | {"id": task_id, "params": params}
            answers.append(Created(task, is_new=True))
            fresh.append((task, one.params))
            if one.dedupe_key is not None:
                by_key[one.type, one.dedupe_key] = by_key[key] = task
    if long_checks:
        raise LongChecks(long_checks)
    if not (children and any(isinstance(one, Problem) for one in answers)):
        _store(db, fresh)
    return answers


def create_checked(db: sa.Connection, new: NewTask, max_attempts: int, now: float) -> str:
    """Creates a task without a dedupe key whose params were checked before; its id."""
    (task_id,) = new_ids(1)
    task = _columns(new, max_attempts, now) | {"id": task_id, "params": _params_text(new.params)}
    _store(db, [(task, new.params)])
    return task_id


def check(db: sa.Connection, new: NewTask) -> None:
    """Looks whether it could be created.

    Raises:
        Problem: 413, 422 its params are too large, or do not fit the registered schema.
        LongChecks: Checks that are not to be made in a transaction.
    """
    _check(db, new, _params_text(new.params), {}, bounded=True)


def lock_keys(db: sa.Connection, keys: Sequence[Key], now: float) -> None:
    """Lets nobody else look for tasks with these types, dedupe keys and parents until the transaction ends.

    The children of a parent share a lock. SQLite's writer has the database to itself already.
    """
    if keys and db.dialect.name != "sqlite":
        locks = {(parent_id,) if parent_id else (task_type, key) for task_type, key, parent_id in keys}
        digests = sorted(hashlib.sha256(json_text(lock).encode()).hexdigest() for lock in locks)
        _LOCK_KEY.run(db, [(digest, now) for digest in digests])


def later_twin(db: sa.Connection, task: Any, now: float) -> Any:
    """An unfinished task that was created with the dedupe key of another one after that had ended, None for none.

    Args:
        task: Its `seq`, `type`, `dedupe_key` and `parent_id`; it is locked.
    """
    if task.dedupe_key is None or task.parent_id is not None:
        return None
    lock_keys(db, [(task.type, task.dedupe_key, None)], now)
    twin = UNFINISHED_TWIN.first(db, dedupe_key=task.dedupe_key, type=task.type)
    return None if twin is None or twin.seq <= task.seq else twin


def check_schemas(new: NewTaskType) -> None:
    """Raises Problem 422 unless they are schemas; may take seconds."""
    try:
        ParamsSpec.of({"$schema": DRAFT, **new.param_schema})
        checked_schema(new.result_schema or {})
    except SchemaError as error:
        raise Problem(422, str(error)) from None


def publish(db: sa.Connection, name: str, new: NewTaskType, caller: Caller, now: float) -> Any:
    """Registers a task type, or changes it; its schemas were checked. What changes nothing is not written down.

    Raises:
        Problem: 409 the change breaks producers and is not allowed to, 403 its limits are not for the caller.
    """
    limits.must_share_with_none(db, name, new.limits or (), caller)
    before = TASK_TYPE.first(db, name=name)
    if before is not None and not new.allow_breaking:
        breaks = "; ".join(breaking_changes(json.loads(before.param_schema), new.param_schema))
        if breaks:
            raise Problem(409, f"{breaks}: this breaks producers; send allow_breaking to do it all the same")
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
    if before is None or any(getattr(before, key) != values[key] for key in values if key != "updated_at"):
        audit.note(db, caller.name, "publish", "type", name, {"version": new.version}, now)
    if new.limits is not None:
        limits.set_type(db, name, limits.TypeLimits(limits=new.limits), caller.name, now)
    return type_named(db, name)


def _twins(db: sa.Connection, keys: Sequence[Key]) -> dict[tuple[str | None, ...], Mapping[str, Any]]:
    """The latest task of each key that is taken, by type and key, and parent where it has one."""
    groups: dict[tuple[str, str | None], list[str]] = {}
    for task_type, key, parent_id in keys:
        groups.setdefault((task_type, parent_id), []).append(key)
    found: dict[tuple[str | None, ...], Mapping[str, Any]] = {}
    for (task_type, parent_id), some in groups.items():
        if parent_id is None:
            rows = UNFINISHED_TWIN.first_of_each(db, "dedupe_key", some, type=task_type)
        else:
            rows = _TWIN_CHILD.first_of_each(db, "dedupe_key", some, type=task_type, parent_id=parent_id)
        of_parent = [parent_id] if parent_id else []
        found |= {(task_type, row.dedupe_key, *of_parent): row._asdict() for row in rows if row is not None}
    return found


def _check(db: sa.Connection, new: NewTask, params: str, schemas: dict[str, Any], *, bounded: bool) -> None:
    """Its size, and against the registered schema, each looked up once."""
    if bounded and size_of(params) > MAX_PARAMS_BYTES:  # as it is stored, with a space here and there
        at_most(MAX_PARAMS_BYTES, "params", json_text(new.params))
    if new.type not in schemas:
        schemas[new.type] = TASK_TYPE.first(db, name=new.type)
    row = schemas[new.type]
    if row is not None and (faults := faults_of(db, (row.param_schema, params))):
        raise Problem(422, f"the params do not fit {new.type} (version {row.version} of its schema)", faults)


def _store(db: sa.Connection, new: Sequence[tuple[dict[str, Any], Any]]) -> None:
    """Stores new tasks, given with their params, each in its lane."""
    lanes = lanes_of(db, [(task["type"], params) for task, params in new])
    for (task, _params), lane in zip(new, lanes, strict=True):
        task["lane"] = lane
    _NEW_TASK.run(db, [itemgetter(*_STORED)(task) for task, _params in new])


def _columns(new: NewTask, max_attempts: int, now: float) -> dict[str, Any]:
    return (
        _BLANK
        | new.trace_columns()
        | {
            "type": new.type,
            "priority": new.priority,
            "max_attempts": new.max_attempts or max_attempts,
            "not_before": now + new.delay_seconds if new.delay_seconds else None,
            "postponed": int(bool(new.delay_seconds)),
            "created_at": now,
            "dedupe_key": new.dedupe_key,
            "parent_id": new.parent_id,
        }
    )
