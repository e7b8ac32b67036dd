"""Reporting on a claimed task: its progress, and its end."""

from __future__ import annotations

import sqlite3
from typing import Any

from prismq_worker_sdk.testing.prismq_client import php, rules
from prismq_worker_sdk.testing.prismq_client.answers import Refused
from prismq_worker_sdk.testing.prismq_client.call import Call
from prismq_worker_sdk.testing.prismq_client.claiming import WORKER
from prismq_worker_sdk.testing.prismq_client.reading import find_task
from prismq_worker_sdk.testing.prismq_client.validation import Field, need, percentage, typed_text, validate

PROGRESS = Field("progress", "Progress is required", percentage)
COMPLETED = "UPDATE tasks SET status = ?, result = ?, error_message = ?, completed_at = ? WHERE id = ?"
TO_RETRY = "UPDATE tasks SET status = 'pending', claimed_by = NULL, claimed_at = NULL WHERE id = ?"


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
