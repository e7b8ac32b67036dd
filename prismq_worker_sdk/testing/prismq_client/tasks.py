"""What is done with tasks: creating them, claiming them, reporting on them, reading them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from prismq_worker_sdk.testing.prismq_client import php, rules, schema
from prismq_worker_sdk.testing.prismq_client.answers import Refused, sql_error
from prismq_worker_sdk.testing.prismq_client.call import Call
from prismq_worker_sdk.testing.prismq_client.task_types import find_type, one_of
from prismq_worker_sdk.testing.prismq_client.validation import (
    Field,
    need,
    percentage,
    text,
    typed_text,
    validate,
    with_names,
)

TYPE = Field("type", "Task type is required", text)
PARAMS = Field("params", "Task parameters are required", with_names)
WORKER = Field("worker_id", "Worker ID is required", text)
SORTS = ("created_at", "priority", "id", "attempts")
ORDERS = ("ASC", "DESC")
OPEN = """SELECT t.id, y.name AS type, t.params, t.attempts, t.priority
FROM tasks t JOIN task_types y ON y.id = t.type_id
WHERE t.type_id = :type AND t.status IN ('pending', 'claimed')
AND (t.status = 'pending' OR t.claimed_at < :threshold)
AND (:pattern = '' OR y.name LIKE :pattern ESCAPE '\\')"""
PROGRESS = Field("progress", "Progress is required", percentage)
COMPLETED = "UPDATE tasks SET status = ?, result = ?, error_message = ?, completed_at = ? WHERE id = ?"
TO_RETRY = "UPDATE tasks SET status = 'pending', claimed_by = NULL, claimed_at = NULL WHERE id = ?"
SELECT = "SELECT t.*, y.name AS type FROM tasks t JOIN task_types y ON y.id = t.type_id"
LISTED = (
    "id",
    "type",
    "status",
    "priority",
    "progress",
    "attempts",
    "claimed_by",
    "created_at",
    "completed_at",
)
PAGE = "50"


def create(call: Call) -> dict[str, Any]:
    """POST /tasks: a new task, or the one that was created of the same type and params."""
    given = call.fields()
    validate(given, TYPE, PARAMS)
    name, params = php.trimmed(given["type"]), given["params"]
    task_type = find_type(call.db, name)
    if task_type is None:
        raise Refused(404, "Task type not found")
    if not task_type["is_active"]:
        raise Refused(400, "Task type is not active")
    wanted = php.decode(task_type["param_schema"])
    call.warnings.extend(schema.warnings(params, wanted))
    if wrong := schema.violations(params, wanted):
        raise Refused(400, f"Parameter validation failed: {', '.join(wrong)}")
    stored = php.encode(params)
    key = hashlib.sha256(f"{name}\0{stored}".encode()).hexdigest()
    return _known(call, key) or _created(
        call, task_type["id"], name, rules.fitting(stored, "params_json", call.deployment), key
    )


def _known(call: Call, key: str) -> dict[str, Any] | None:
    row = call.db.execute("SELECT id, status FROM tasks WHERE dedupe_key = ?", (key,)).fetchone()
    if row is None:
        return None
    if call.deployment.duplicate_races and call.dice.random() < call.deployment.duplicate_races:
        raise sql_error(
            f"[23000]: Integrity constraint violation: 1062 Duplicate entry '{key}' for key 'dedupe_key'"
        )
    return {"id": row["id"], "status": row["status"], "deduplicated": True, "message": "Task already exists"}


def _created(call: Call, type_id: int, name: str, params: str, key: str) -> dict[str, Any]:
    made = call.db.execute(
        "INSERT INTO tasks (type_id, params, dedupe_key, created_at) VALUES (?, ?, ?, ?)",
        (type_id, params, key, call.stamp()),
    ).lastrowid
    call.note(made or 0, "created")
    return {
        "id": str(made),
        "type": name,
        "status": "pending",
        "dedupe_key": key,
        "message": "Task created successfully",
    }


def claim(call: Call) -> dict[str, Any]:
    """POST /tasks/claim: the first open task of one type."""
    given = call.fields()
    validate(given, WORKER)
    need(given, "task_type_id")
    type_id = php.as_int(given["task_type_id"])
    if type_id <= 0:
        raise Refused(400, "task_type_id must be a positive integer")
    order = _order(given)
    found = _first(call, type_id, php.as_string(given.get("type_pattern")), order)
    if found is None:
        raise _nothing(call)
    call.may_deadlock()
    worker_id = rules.fitting_name(php.trimmed(given["worker_id"]), "claimed_by")
    call.db.execute(
        "UPDATE tasks SET status = 'claimed', claimed_by = ?, claimed_at = ?, attempts = attempts + 1 WHERE id = ?",
        (worker_id, call.stamp(), found["id"]),
    )
    call.note(found["id"], "claimed", worker_id)
    return {
        "id": found["id"],
        "type": found["type"],
        "params": php.stored(found["params"]),
        "attempts": found["attempts"] + 1,
        "priority": found["priority"],
        "message": "Task claimed successfully",
    }


def _order(given: Mapping[str, Any]) -> str:
    sort_by, order = given.get("sort_by") or SORTS[0], given.get("sort_order") or ORDERS[0]
    if sort_by not in SORTS:
        raise Refused(400, f"Invalid sort_by field. Allowed values: {', '.join(SORTS)}")
    if order not in ORDERS:
        raise Refused(400, f"Invalid sort_order. Allowed values: {', '.join(ORDERS)}")
    return f"t.{sort_by} {order}, t.id"


def _first(call: Call, type_id: int, pattern: str, order: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = call.db.execute(
        f"{OPEN} ORDER BY {order} LIMIT 1",
        {
            "type": min(type_id, 2**63 - 1),
            "threshold": rules.threshold(call.now, call.deployment.claim_timeout),
            "pattern": pattern,
        },
    ).fetchone()
    return row


def _nothing(call: Call) -> Refused:
    if call.deployment.repaired_empty:
        return Refused(404, "No available tasks")
    return Refused(500, "There is no active transaction")


def progress(call: Call) -> dict[str, Any]:
    """POST /tasks/{id}/progress: a number that is shown, and that keeps no claim alive."""
    given = call.fields()
    validate(given, WORKER, PROGRESS)
    task = _own(call, given["worker_id"])
    rules.whole_id(call.argument)
    call.db.execute("UPDATE tasks SET progress = ? WHERE id = ?", (given["progress"], task["id"]))
    message = given.get("message")
    said = None if message is None else php.as_string(message)
    call.note(task["id"], "progress_update", given["worker_id"], said)
    return {
        "id": call.argument,
        "progress": given["progress"],
        "message": "Task progress updated successfully",
    }


def complete(call: Call) -> dict[str, Any]:
    """POST /tasks/{id}/complete: the end of an attempt, good or bad."""
    given = call.fields()
    need(given, "worker_id", "success")
    worker_id = typed_text(given["worker_id"])
    task = _own(call, worker_id)
    status = rules.after_complete(task["attempts"], call.deployment.max_attempts, given["success"])
    result, error = (
        rules.stored_result(given.get("result"), call.deployment),
        _error(call, given.get("error")),
    )
    call.may_deadlock()
    rules.whole_id(call.argument)
    retried = status == "pending (retry)"
    kept = ("failed" if retried else status, result, error, call.stamp(), task["id"])
    call.db.execute(COMPLETED, kept)
    if retried:  # a statement of its own, in no transaction with the first
        call.may_stop_half_way()
        call.db.execute(TO_RETRY, (task["id"],))
    call.note(task["id"], status, worker_id, error)
    return {"id": call.argument, "status": status, "message": "Task completed"}


def _own(call: Call, worker_id: str) -> sqlite3.Row:
    task = find_task(call.db, call.argument)
    if task is None:
        raise Refused(404, "Task not found")
    rules.may_report(task["status"], task["claimed_by"], worker_id)
    return task


def _error(call: Call, given: Any) -> str | None:
    if given is None:
        return None
    if isinstance(given, list | dict):
        call.warnings.append("Array to string conversion")
    return rules.fitting(php.as_string(given), "error_message", call.deployment)


def health(call: Call) -> dict[str, Any]:
    """GET /health: that the database answers."""
    return {"status": "healthy", "timestamp": int(call.now), "database": "connected"}


def show(call: Call) -> dict[str, Any]:
    """GET /tasks/{id}: a list of one or none."""
    found = find_task(call.db, call.argument)
    return one_of(call, [] if found is None else [_shown(found)])


def find_task(db: sqlite3.Connection, text: str) -> sqlite3.Row | None:
    """The task that SQL finds for the text of an id."""
    row: sqlite3.Row | None = db.execute(f"{SELECT} WHERE t.id = ?", (rules.row_id(text),)).fetchone()
    return row


def list_tasks(call: Call) -> dict[str, Any]:
    """GET /tasks: one page, newest first; tasks of the same second in any order."""
    asked = dict(parse_qsl(call.request.query, keep_blank_values=True))
    if any(name.endswith("]") and name.partition("[")[0] in {"status", "type"} for name in asked):
        raise php.PhpTypeError("trim(): Argument #1 ($string) must be of type string, array given")
    limit, offset = php.as_int(asked.get("limit", PAGE)), php.as_int(asked.get("offset", "0"))
    if limit < 0 or offset < 0:
        raise sql_error(
            "[42000]: Syntax error or access violation: 1064 You have an error in your SQL syntax; "
            f"check the manual for the right syntax to use near '{limit} OFFSET {offset}' at line 1"
        )
    rows = call.db.execute(
        f"{SELECT} WHERE (:status = '' OR t.status = :status) "
        "AND (:type = '' OR y.name LIKE :type ESCAPE '\\') ORDER BY t.created_at DESC LIMIT :limit OFFSET :offset",
        {
            "status": asked.get("status", ""),
            "type": asked.get("type", ""),
            "limit": limit,
            "offset": offset,
        },
    ).fetchall()
    return {"items": [{name: row[name] for name in LISTED} for row in rows], "count": len(rows)}


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    shown = {"id": row["id"], "type": row["type"], "status": row["status"]}
    shown |= {name: None if row[name] is None else php.stored(row[name]) for name in ("params", "result")}
    names = ("error_message", "priority", "progress", "attempts", "claimed_by", "claimed_at", "completed_at")
    return shown | {name: row[name] for name in (*names, "created_at")}
