"""Who did what, and when, to tasks and to what steers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from prismq_worker_sdk.taskmanager.cursors import latest
from prismq_worker_sdk.taskmanager.db.service_tables import audit
from prismq_worker_sdk.taskmanager.db.statements import Statement, insert
from prismq_worker_sdk.taskmanager.db.transactions import Operation
from prismq_worker_sdk.taskmanager.http import json_text

T = TypeVar("T")
MOST_OF_A_TASK = 100
"""Acts that are shown with a task, the latest ones."""

_NOTE = insert(audit, ("at", "who", "action", "kind", "target", "detail"))
_OF_ONE = Statement(
    f"SELECT * FROM audit WHERE kind = :kind AND target = :target ORDER BY id DESC LIMIT {MOST_OF_A_TASK}"
)


class AuditFilter(BaseModel):
    """The query of `GET /audit`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str | None = Field(None, max_length=32)
    target: str | None = Field(None, max_length=255)
    who: str | None = Field(None, max_length=255)
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None


def note(
    db: sa.Connection,
    who: str,
    action: str,
    kind: str,
    target: str,
    detail: Mapping[str, Any] | None,
    now: float,
) -> None:
    """Writes down an act, in the transaction that does it.

    Args:
        who: The name of the caller's key, or of what acts by itself.
        kind: Of what it is done to: task, type, worker, limit, …
        target: Which one; at most 255 characters.
        detail: What else must be known to understand it; no secrets.
    """
    note_many(db, who, action, kind, {target: detail}, now)


def note_many(
    db: sa.Connection,
    who: str,
    action: str,
    kind: str,
    targets: Mapping[str, Mapping[str, Any] | None],
    now: float,
) -> None:
    """Writes down the same act on many, with the detail of each."""
    _NOTE.run(
        db,
        [
            (now, who, action, kind, target, None if detail is None else json_text(detail))
            for target, detail in targets.items()
        ],
    )


def noted(
    operation: Operation[T],
    who: str,
    action: str,
    kind: str,
    target: str,
    detail: Mapping[str, Any] | None = None,
) -> Operation[T]:
    """The operation, which writes down in its own transaction that it was done, as `note` does."""

    def run(db: sa.Connection, now: float) -> T:
        result = operation(db, now)
        note(db, who, action, kind, target, detail, now)
        return result

    return run


def of_task(db: sa.Connection, task_id: str) -> list[Any]:
    """What was done to a task, oldest first."""
    return list(_OF_ONE.rows(db, kind="task", target=task_id))[::-1]


def listed(db: sa.Connection, wanted: AuditFilter) -> tuple[list[sa.Row[Any]], str | None]:
    """Acts, newest first, and the cursor of the next page."""
    query = sa.select(audit)
    for column in (audit.c.kind, audit.c.target, audit.c.who):
        if (value := getattr(wanted, column.name)) is not None:
            query = query.where(column == value)
    return latest(db, query, audit.c.id, wanted.limit, wanted.cursor)
