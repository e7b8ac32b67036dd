"""Claiming: the one place where an expired claim is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from prismq_worker_sdk.testing.prismq_client import php, rules
from prismq_worker_sdk.testing.prismq_client.answers import Refused
from prismq_worker_sdk.testing.prismq_client.call import Call
from prismq_worker_sdk.testing.prismq_client.validation import Field, need, text, validate

WORKER = Field("worker_id", "Worker ID is required", text)
SORTS = ("created_at", "priority", "id", "attempts")
ORDERS = ("ASC", "DESC")
OPEN = """SELECT t.id, y.name AS type, t.params, t.attempts, t.priority
FROM tasks t JOIN task_types y ON y.id = t.type_id
WHERE t.type_id = :type AND t.status IN ('pending', 'claimed')
AND (t.status = 'pending' OR t.claimed_at < :threshold)
AND (:pattern = '' OR y.name LIKE :pattern ESCAPE '\\')"""


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
