"""What is done with tasks: creating them, claiming them, reporting on them, reading them."""

from __future__ import annotations

import hashlib
import math
import re
import sqlite3
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from prismq_worker_sdk.testing.prismq_client import php, task_types
from prismq_worker_sdk.testing.prismq_client.call import (
    DEADLOCK,
    Call,
    Refused,
    need,
    short_text,
    sql_error,
    stamp,
    too_long,
    typed_text,
    validate,
)

SORTS = ("created_at", "priority", "id", "attempts")
ORDERS = ("ASC", "DESC")
OPEN = """SELECT t.id, y.name AS type, t.params, t.attempts, t.priority
FROM tasks t JOIN task_types y ON y.id = t.type_id
WHERE t.type_id = :type AND t.status IN ('pending', 'claimed')
AND (t.status = 'pending' OR t.claimed_at < :threshold)
AND (:pattern = '' OR y.name LIKE :pattern ESCAPE '\\')"""
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
SHOWN = (
    "error_message",
    "priority",
    "progress",
    "attempts",
    "claimed_by",
    "claimed_at",
    "completed_at",
    "created_at",
)
PAGE = "50"
_FOUR_BYTES = re.compile("[\U00010000-\U0010ffff]")


def create(call: Call) -> dict[str, Any]:
    """POST /tasks: a new task, or the one that was created of the same type and params."""
    given = call.fields()
    validate(given, "type", "params")
    name, params = php.trimmed(given["type"]), given["params"]
    task_type = task_types.find_type(call.db, name)
    if task_type is None:
        raise Refused(404, "Task type not found")
    if not task_type["is_active"]:
        raise Refused(400, "Task type is not active")
    wanted = php.decode(task_type["param_schema"])
    call.warnings.extend(task_types.warnings(params, wanted))
    if wrong := task_types.violations(params, wanted):
        raise Refused(400, f"Parameter validation failed: {', '.join(wrong)}")
    stored = php.encode(params)
    key = hashlib.sha256(f"{name}\0{stored}".encode()).hexdigest()
    known = call.db.execute("SELECT id, status FROM tasks WHERE dedupe_key = ?", (key,)).fetchone()
    if known is not None:
        duplicate = (
            f"[23000]: Integrity constraint violation: 1062 Duplicate entry '{key}' for key 'dedupe_key'"
        )
        call.may_fail(call.deployment.duplicate_races, duplicate)
        return {**dict(known), "deduplicated": True, "message": "Task already exists"}
    made = call.db.execute(
        "INSERT INTO tasks (type_id, params, dedupe_key, created_at) VALUES (?, ?, ?, ?)",
        (task_type["id"], _fitting(call, stored, "params_json"), key, call.stamp()),
    ).lastrowid
    call.note(made or 0, "created")
    said = {"id": str(made), "type": name, "status": "pending", "dedupe_key": key}
    return {**said, "message": "Task created successfully"}


def claim(call: Call) -> dict[str, Any]:
    """POST /tasks/claim: the first open task of one type."""
    given = call.fields()
    validate(given, "worker_id")
    need(given, "task_type_id")
    type_id = php.as_int(given["task_type_id"])
    if type_id <= 0:
        raise Refused(400, "task_type_id must be a positive integer")
    wanted = {
        "type": min(type_id, 2**63 - 1),
        # PHP's clock, whatever the database's says
        "threshold": stamp(math.floor(call.now) - call.deployment.claim_timeout),
        "pattern": php.as_string(given.get("type_pattern")),
    }
    found = call.db.execute(f"{OPEN} ORDER BY {_order(given)} LIMIT 1", wanted).fetchone()
    if found is None:
        if call.deployment.repaired_empty:
            raise Refused(404, "No available tasks")
        raise Refused(500, "There is no active transaction")
    call.may_fail(call.deployment.deadlocks, DEADLOCK)
    worker_id = short_text(php.trimmed(given["worker_id"]), "claimed_by")
    call.db.execute(
        "UPDATE tasks SET status = 'claimed', claimed_by = ?, claimed_at = ?, attempts = attempts + 1 WHERE id = ?",
        (worker_id, call.stamp(), found["id"]),
    )
    call.note(found["id"], "claimed", worker_id)
    changed = {"params": php.stored(found["params"]), "attempts": found["attempts"] + 1}
    return {**dict(found), **changed, "message": "Task claimed successfully"}


def _order(given: Mapping[str, Any]) -> str:
    sort_by, order = given.get("sort_by") or SORTS[0], given.get("sort_order") or ORDERS[0]
    if sort_by not in SORTS:
        raise Refused(400, f"Invalid sort_by field. Allowed values: {', '.join(SORTS)}")
    if order not in ORDERS:
        raise Refused(400, f"Invalid sort_order. Allowed values: {', '.join(ORDERS)}")
    return f"t.{sort_by} {order}, t.id"


def progress(call: Call) -> dict[str, Any]:
    """POST /tasks/{id}/progress: a number that is shown, and that keeps no claim alive."""
    given = call.fields()
    validate(given, "worker_id", "progress")
    task = _own(call, given["worker_id"])
    _whole_id(call.argument)
    call.db.execute("UPDATE tasks SET progress = ? WHERE id = ?", (given["progress"], task["id"]))
    message = given.get("message")
    said = None if message is None else php.as_string(message)
    call.note(task["id"], "progress_update", given["worker_id"], said)
    told = "Task progress updated successfully"
    return {"id": call.argument, "progress": given["progress"], "message": told}


def complete(call: Call) -> dict[str, Any]:
    """POST /tasks/{id}/complete: the end of an attempt, good or bad."""
    given = call.fields()
    need(given, "worker_id", "success")
    worker_id = typed_text(given["worker_id"])
    task = _own(call, worker_id)
    retried = task["attempts"] < call.deployment.max_attempts and not php.truthy(given["success"])
    status = "completed" if php.truthy(given["success"]) else "failed"
    result, error = given.get("result"), given.get("error")
    result = _fitting(call, php.encode(result), "result_json") if php.truthy(result) else None
    if isinstance(error, list | dict):
        call.warnings.append("Array to string conversion")
    error = None if error is None else _fitting(call, php.as_string(error), "error_message")
    call.may_fail(call.deployment.deadlocks, DEADLOCK)
    _whole_id(call.argument)
    call.db.execute(COMPLETED, (status, result, error, call.stamp(), task["id"]))
    if retried:  # a statement of its own, in no transaction with the first
        call.may_fail(call.deployment.half_failures, DEADLOCK, keeps=True)
        call.db.execute(TO_RETRY, (task["id"],))
        status = "pending (retry)"
    call.note(task["id"], status, worker_id, error)
    return {"id": call.argument, "status": status, "message": "Task completed"}


def _own(call: Call, worker_id: str) -> sqlite3.Row:
    """The task that is claimed by this very text."""
    task = _found(call)
    if task is None:
        raise Refused(404, "Task not found")
    if task["status"] != "claimed":
        raise Refused(400, "Task is not in claimed state")
    if task["claimed_by"] != worker_id:
        raise Refused(403, "Task is claimed by another worker")
    return task


def _found(call: Call) -> sqlite3.Row | None:
    """The task that SQL finds for the text of an id."""
    found = call.db.execute(f"{SELECT} WHERE t.id = ?", (row_id(call.argument),))
    row: sqlite3.Row | None = found.fetchone()
    return row


def row_id(text: str) -> int | None:
    """The row that SQL finds for an id in a path: the number that it begins with."""
    number = php.leading_number(text)
    return int(number) if number < 2**63 and number.is_integer() else None


def _whole_id(text: str) -> None:
    """Raises what an UPDATE says of an id that is more than a number; a SELECT passes over it."""
    if not php.is_number(text):
        raise sql_error(f"[22007]: Invalid datetime format: 1292 Truncated incorrect DOUBLE value: '{text}'")


def _fitting(call: Call, text: str, column: str) -> str:
    """The text as a column of the type TEXT holds it, if it does."""
    strict, utf8mb4 = call.deployment.strict, call.deployment.utf8mb4
    long, four = len(text.encode()) > php.TEXT_BYTES, _FOUR_BYTES.search(text) is not None
    if strict and four and (long or not utf8mb4):
        raise sql_error(
            f"[22007]: Invalid datetime format: 1366 Incorrect string value for column '{column}' at row 1"
        )
    if strict and long:
        raise too_long(column)
    kept = text if utf8mb4 else _FOUR_BYTES.sub("????", text)
    return kept.encode()[: php.TEXT_BYTES].decode("utf-8", "ignore")


def show(call: Call) -> dict[str, Any]:
    """GET /tasks/{id}: a list of one or none."""
    row = _found(call)
    if row is None:
        return call.one_of([])
    json = {name: None if row[name] is None else php.stored(row[name]) for name in ("params", "result")}
    first = {name: row[name] for name in ("id", "type", "status")}
    return call.one_of([first | json | {name: row[name] for name in SHOWN}])


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
        {"status": "", "type": "", **asked, "limit": limit, "offset": offset},
    ).fetchall()
    return {"items": [{name: row[name] for name in LISTED} for row in rows], "count": len(rows)}
