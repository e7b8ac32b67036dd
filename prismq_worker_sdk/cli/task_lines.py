"""Tasks as lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prismq_worker_sdk.cli.tables import age, is_terminal, table
from prismq_worker_sdk.model.task import Task, TaskStatus, short_id

NAMES = ("ID", "STATUS", "TYPE", "ATTEMPT", "AGE", "RUNS", "")
COLUMNS = 80


def task_lines(tasks: Iterable[Task], *, for_people: bool | None = None) -> Iterator[str]:
    """A table of tasks; their ids are cut short for people.

    Args:
        for_people: As for `table`.
    """
    short = is_terminal() if for_people is None else for_people
    return table(NAMES, [_cells(task, short=short) for task in tasks], for_people=for_people)


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
