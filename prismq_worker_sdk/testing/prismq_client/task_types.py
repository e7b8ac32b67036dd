"""Task types: registering one, and looking one up."""

from __future__ import annotations

import sqlite3
from typing import Any

from prismq_worker_sdk.testing.prismq_client import php, rules, schema, validation
from prismq_worker_sdk.testing.prismq_client.answers import Refused
from prismq_worker_sdk.testing.prismq_client.call import Call

LONGEST_VERSION = 50
BROKEN_LIST = "Invalid select field: COALESCE(t.usage_count, 0) as usage_count"


def register(call: Call) -> dict[str, Any]:
    """POST /task-types/register: a new type, or new words for one that is there."""
    given = call.fields()
    validation.need(given, "name", "version", "param_schema", empty=(None, ""))
    name, version = (validation.typed_text(given[field]) for field in ("name", "version"))
    stored = php.encode(schema.accepted(given["param_schema"]))
    rules.fitting_name(name, "name")
    rules.fitting_name(version, "version", LONGEST_VERSION)
    known, now = find_type(call.db, name), call.stamp()
    if known is not None:
        call.db.execute(
            "UPDATE task_types SET version = ?, param_schema = ?, is_active = 1, updated_at = ? WHERE id = ?",
            (version, stored, now, known["id"]),
        )
        return {"id": known["id"], "name": name, "version": version, "updated": True}
    made = call.db.execute(
        "INSERT INTO task_types (name, folded, version, param_schema, created_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (name, name.casefold(), version, stored, now, now),
    )
    return {"id": str(made.lastrowid), "name": name, "version": version, "created": True}


def list_types(call: Call) -> None:
    """GET /task-types: never anything but an error."""
    del call
    raise Refused(500, BROKEN_LIST)


def named(call: Call) -> dict[str, Any]:
    """GET /task-types/{name}: a list of one or none."""
    found = find_type(call.db, call.argument)
    items = [] if found is None else [_shown(found)]
    return one_of(call, items)


def find_type(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """The type of this name, in whatever case."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM task_types WHERE folded = ?", (name.casefold(),)
    ).fetchone()
    return row


def one_of(call: Call, items: list[dict[str, Any]]) -> dict[str, Any]:
    """One object, as this deployment tells it."""
    if not call.deployment.repaired_items:
        return {"items": items, "count": len(items)}
    if not items:
        raise Refused(404, "Record not found")
    return items[0]


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    names = ("id", "name", "version", "param_schema", "is_active", "created_at", "updated_at")
    return {name: row[name] for name in names} | {"param_schema": php.decode(row["param_schema"])}
