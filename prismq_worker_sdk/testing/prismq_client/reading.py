"""Reading tasks: one by its id, and a page of all."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import parse_qsl

from prismq_worker_sdk.testing.prismq_client import php, rules
from prismq_worker_sdk.testing.prismq_client.answers import sql_error
from prismq_worker_sdk.testing.prismq_client.call import Call
from prismq_worker_sdk.testing.prismq_client.task_types import one_of

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
