"""Tasks as lines of a table, and whole, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

from prismq_worker_sdk.cli.tables import age, is_terminal, table
from prismq_worker_sdk.model.task import Task, TaskStatus, short_id

NAMES = ("ID", "STATUS", "TYPE", "ATTEMPT", "AGE", "RUNS", "")
COLUMNS = 80
_FIELDS = [field.name for field in fields(Task)]


def task_lines(tasks: Iterable[Task], *, for_people: bool | None = None) -> Iterator[str]:
    """A table of tasks; their ids are cut short for people.

    Args:
        for_people: As for `table`.
    """
    short = is_terminal() if for_people is None else for_people
    return table(NAMES, [_cells(task, short=short) for task in tasks], for_people=for_people)


def task_fields(task: Task) -> dict[str, Any]:
    """All that is known of a task, as plain values."""
    found = {name: getattr(task, name) for name in _FIELDS}
    if (trace := found.pop("trace")) is not None:
        found |= {"traceparent": trace.parent, "tracestate": trace.state or None}
    return {name: instant_text(one) if isinstance(one, datetime) else one for name, one in found.items()}


def instant_text(at: datetime) -> str:
    """A time as the server writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cells(task: Task, *, short: bool) -> tuple[str, ...]:
    runs = age(task.claimed_at) if task.status is TaskStatus.PROCESSING else ""
    return (
        short_id(task.id) if short else task.id,
        str(task.status),
        task.type,
        "" if task.attempt is None else f"{task.attempt}/{task.max_attempts or '?'}",
        age(task.created_at),
        runs,
        _about(task),
    )


def _about(task: Task) -> str:
    """How far it is, or why it failed."""
    if task.error:
        return task.error[:COLUMNS]
    if task.status is not TaskStatus.PROCESSING or task.progress is None:
        return ""
    return f"{task.progress:.0f} % {task.message or ''}".rstrip()
