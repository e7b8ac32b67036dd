"""Rows as the wire shows them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.compat import UTC

__all__ = ["prometheus", "task", "task_type", "worker"]

Row = sa.Row[Any]


def task(row: Row, claims: Iterable[Row] | None = None) -> dict[str, Any]:
    """A task; with its claims it has its history."""
    shown: dict[str, Any] = {
        "id": row.id,
        "type": row.type,
        "status": row.status,
        "params": json.loads(row.params),
        "created_at": instant(row.created_at),
        "claimed_at": instant(row.claimed_at),
        "completed_at": instant(row.completed_at),
        "worker_id": row.worker_id,
        "result": _json(row.result),
        "error": row.error,
        "error_type": row.error_type,
        "priority": row.priority,
        "attempt": row.attempts,
        "max_attempts": row.max_attempts,
        "not_before": instant(row.not_before) if row.status == "pending" else None,
        "parent_id": row.parent_id,
        "progress": row.progress if row.progress is None or row.status != "completed" else 100.0,
        "message": row.message,
        "checkpoint": _json(row.checkpoint),
        "cancel_asked": bool(row.cancel_asked),
    }
    if claims is not None:
        shown["history"] = [
            {
                "attempt": claim.attempt,
                "worker_id": claim.worker_id,
                "claimed_at": instant(claim.claimed_at),
                "ended_at": instant(claim.ended_at),
                "verdict": claim.verdict,
                "error": claim.error,
            }
            for claim in claims
        ]
    return shown


def task_type(row: Row) -> dict[str, Any]:
    """A task type."""
    return {
        "name": row.name,
        "version": row.version,
        "param_schema": json.loads(row.param_schema),
        "result_schema": _json(row.result_schema),
        "updated_at": instant(row.updated_at),
    }


def worker(row: Row, running: Iterable[str]) -> dict[str, Any]:
    """A worker, with the ids of the tasks it holds."""
    return {
        "worker_id": row.worker_id,
        "first_seen": instant(row.first_seen),
        "last_seen": instant(row.last_seen),
        "wanted": row.wanted,
        "running": list(running),
    }


def instant(seconds: float | None) -> str | None:
    """RFC 3339, UTC, milliseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def prometheus(stats: Mapping[str, Mapping[str, Any]]) -> str:
    """The numbers in Prometheus' text format."""
    lines = ["# HELP taskmanager_tasks Tasks by type and status.", "# TYPE taskmanager_tasks gauge"]
    for name, one in sorted(stats.items()):
        lines += [
            f'taskmanager_tasks{{type="{name}",status="{status}"}} {one[status]}'
            for status in ("pending", "processing", "completed", "failed")
        ]
    lines += [
        "# HELP taskmanager_oldest_pending_seconds Age of the oldest pending task.",
        "# TYPE taskmanager_oldest_pending_seconds gauge",
    ]
    lines += [
        f'taskmanager_oldest_pending_seconds{{type="{name}"}} {one["oldest_pending_seconds"]:.3f}'
        for name, one in sorted(stats.items())
    ]
    return "\n".join(lines) + "\n"


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
