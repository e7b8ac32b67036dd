"""Tasks as the server shows them: ids as numbers or texts, times without a zone, words of its own for states."""

from __future__ import annotations

from reprlib import repr as short
from typing import Any

from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire.dialects.prismq_client.values import unwrapped, worker_params
from prismq_worker_sdk.wire.dialects.reading import number, plain, strict_params, usable

__all__ = ["STATUSES", "is_number", "read_task", "task_id", "whole"]

STATUSES = {
    "pending": TaskStatus.PENDING,
    "claimed": TaskStatus.PROCESSING,
    "completed": TaskStatus.COMPLETED,
    "failed": TaskStatus.FAILED,
}

LONGEST_ID = 20


def is_number(text: str) -> bool:
    """Whether a text is a task's number; the database casts any other one, and hits a foreign task."""
    return text.isascii() and text.isdecimal() and 0 < len(text) <= LONGEST_ID


def task_id(value: Any) -> str | None:
    """The id as text, however the server wrote it; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return text if is_number(text) and int(text) > 0 else None


def read_task(raw: Any, *, task_type: str = "") -> Task:
    """A task of the wire; its times are left out, since nobody knows their zone.

    Args:
        task_type: How its type is spelled here; the server does not tell upper case from lower.

    Raises:
        ValueError: It lacks an id, a type or an object of params; names the field.
    """
    if not isinstance(raw, dict):
        raise ValueError(f"a task is an object, not {type(raw).__name__}")
    identity, kind = task_id(raw.get("id")), raw.get("type")
    if identity is None:
        raise ValueError(f"its id is {short(raw.get('id'))}, not a number")
    if not usable(kind):
        raise ValueError(f"its type is {short(kind)}, not a usable text")
    status = STATUSES.get(str(raw.get("status")), TaskStatus.PENDING)
    error = raw.get("error_message")
    said = plain(error) if isinstance(error, str) else None
    worker = raw.get("claimed_by")
    return Task(
        id=identity,
        type=task_type if kind.casefold() == task_type.casefold() else kind,
        params=strict_params(worker_params(raw.get("params"))),
        status=status,
        worker_id=plain(worker) if isinstance(worker, str) else None,
        result=unwrapped(raw.get("result")) if status is TaskStatus.COMPLETED else None,
        error=said if status is TaskStatus.FAILED else None,
        message=said if status in {TaskStatus.PENDING, TaskStatus.PROCESSING} else None,
        attempt=whole(raw.get("attempts")),
        priority=whole(raw.get("priority")),
        progress=number(raw.get("progress")),
    )


def whole(value: Any) -> int | None:
    """A number of the wire as a whole one, None where it is none."""
    found = number(value)
    return None if found is None else int(found)
