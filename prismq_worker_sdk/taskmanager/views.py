"""Rows as the wire shows them, as JSON text: what was stored as JSON goes out as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.taskmanager.callers import Caller
from prismq_worker_sdk.taskmanager.http import json_text

Row = sa.Row[Any]
Columns = Mapping[str, Any]
HIDDEN = {
    "params": "{}",
    "result": None,
    "error": None,
    "message": None,
    "checkpoint": None,
    "dedupe_key": None,
    "tracestate": None,
}
"""Of a task whose payloads are not to be seen."""


def task(row: Columns, more: str = "") -> str:
    """A task.

    Args:
        row: The columns of its row.
        more: Further members of the object, each with a comma before it.
    """
    status, progress = row["status"], row["progress"]
    if row["traceparent"] is not None:
        more = f',"traceparent":"{row["traceparent"]}","tracestate":{_text(row["tracestate"])}{more}'
    if progress is not None and status == "completed":
        progress = 100.0
    return (
        f'{{"id":{_text(row["id"])},"type":{_text(row["type"])},"status":"{status}","params":{row["params"]}'
        f',"created_at":{_instant(row["created_at"])},"claimed_at":{_instant(row["claimed_at"])}'
        f',"completed_at":{_instant(row["completed_at"])},"worker_id":{_text(row["worker_id"])}'
        f',"result":{row["result"] or "null"},"error":{_text(row["error"])}'
        f',"error_type":{_text(row["error_type"])},"priority":{row["priority"]},"attempt":{row["attempts"]}'
        f',"max_attempts":{row["max_attempts"]}'
        f',"not_before":{_instant(row["not_before"]) if status == "pending" else "null"}'
        f',"parent_id":{_text(row["parent_id"])},"progress":{"null" if progress is None else progress}'
        f',"message":{_text(row["message"])},"checkpoint":{row["checkpoint"] or "null"}'
        f',"cancel_asked":{"true" if row["cancel_asked"] else "false"}{more}}}'
    )


def columns(row: Row, caller: Caller) -> Columns:
    """The columns of a task as this caller may see them."""
    return row._asdict() if caller.sees_payloads else row._asdict() | HIDDEN


def task_with_history(
    row: Columns, claims: Iterable[Row], acts: Iterable[Row], *, payloads: bool = True
) -> str:
    """A task with its claims and what was done to it, oldest first.

    Args:
        payloads: Whether errors of claims are shown.
    """
    history = [
        {
            "attempt": claim.attempt,
            "worker_id": claim.worker_id,
            "claimed_at": instant(claim.claimed_at),
            "ended_at": instant(claim.ended_at),
            "verdict": claim.verdict,
            "error": claim.error if payloads else None,
        }
        for claim in claims
    ]
    done = [{name: one[name] for name in ("at", "who", "action", "detail")} for one in map(act, acts)]
    return task(row, f',"history":{json_text(history)},"audit":{json_text(done)}')


def act(row: Row) -> dict[str, Any]:
    """What somebody did."""
    detail = None if row.detail is None else json.loads(row.detail)
    return {
        "at": instant(row.at),
        "who": row.who,
        "action": row.action,
        "kind": row.kind,
        "target": row.target,
        "detail": detail,
    }


def task_type(row: Row, paused: Any, limits: list[dict[str, Any]]) -> dict[str, Any]:
    """A task type, with the row of its pause, and what its tasks use of which limits."""
    return {
        "name": row.name,
        "version": row.version,
        "param_schema": json.loads(row.param_schema),
        "result_schema": None if row.result_schema is None else json.loads(row.result_schema),
        "limits": limits,
        "updated_at": instant(row.updated_at),
        "paused": pause(paused),
    }


def pause(row: Any) -> dict[str, Any] | None:
    """The pause of a task type, None for none."""
    if row is None:
        return None
    return {
        "until": instant(row.until),
        "reason": row.reason,
        "paused_at": instant(row.paused_at),
        "paused_by": row.paused_by,
    }


def bulk_job(row: Row) -> dict[str, Any]:
    """What is done to many tasks, and how far it has come."""
    ended = "cancelled" if row.cancelled else "done"
    return {
        "id": row.id,
        "action": row.action,
        "filter": json.loads(row.filter),
        "priority": row.priority,
        "status": "running" if row.ended_at is None else ended,
        "found": row.found,
        "done": row.done,
        "passed_over": row.passed_over,
        "asked_by": row.asked_by,
        "created_at": instant(row.created_at),
        "ended_at": instant(row.ended_at),
    }


def schedule(row: Row, *, payloads: bool = True) -> dict[str, Any]:
    """A schedule; a paused one has no next time."""
    return {
        "name": row.name,
        "type": row.type,
        "params": json.loads(row.params) if payloads else {},
        "priority": row.priority,
        "max_attempts": row.max_attempts,
        "cron": row.cron,
        "timezone": row.zone,
        "every_seconds": row.every,
        "missed": row.missed,
        "overlap": row.overlap,
        "paused": bool(row.paused),
        "next_at": None if row.paused else instant(row.next_at),
        "last_at": instant(row.last_at),
        "last_task_id": row.last_task,
        "last_error": row.last_error if payloads else None,
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
    }


@lru_cache(maxsize=1024)
def instant(seconds: float | None) -> str | None:
    """RFC 3339, UTC, milliseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)


def _instant(seconds: float | None) -> str:
    return "null" if seconds is None else f'"{instant(seconds)}"'
