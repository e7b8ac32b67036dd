"""Creating tasks: the same work is never created twice, however long ago it ended."""

from __future__ import annotations

import hashlib
from typing import Any

from prismq_worker_sdk.testing.prismq_client import php, rules, schema
from prismq_worker_sdk.testing.prismq_client.answers import Refused, sql_error
from prismq_worker_sdk.testing.prismq_client.call import Call
from prismq_worker_sdk.testing.prismq_client.task_types import find_type
from prismq_worker_sdk.testing.prismq_client.validation import Field, text, validate, with_names

TYPE = Field("type", "Task type is required", text)
PARAMS = Field("params", "Task parameters are required", with_names)


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
