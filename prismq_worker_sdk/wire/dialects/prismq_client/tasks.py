"""Tasks as the server shows them: ids as numbers or texts, times without a zone, words of its own for states."""

from __future__ import annotations

from reprlib import repr as short
from typing import Any

from prismq_worker_sdk.model.protocol import Failure
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    Success,
    first_item,
    not_found,
    read,
    settled,
)
from prismq_worker_sdk.wire.dialects.prismq_client.values import unwrapped, worker_params
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpRequest, Steps
from prismq_worker_sdk.wire.reading import is_valid_id, number, strict_params, strip_surrogates

STATUSES = {
    "pending": TaskStatus.PENDING,
    "claimed": TaskStatus.PROCESSING,
    "completed": TaskStatus.COMPLETED,
    "failed": TaskStatus.FAILED,
}

MAX_DIGITS = 20


def is_number(text: str) -> bool:
    """Whether a text is a task's number; the database casts any other one, and hits a foreign task."""
    return text.isascii() and text.isdecimal() and 0 < len(text) <= MAX_DIGITS


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
    if not is_valid_id(kind):
        raise ValueError(f"its type is {short(kind)}, not a usable text")
    status = STATUSES.get(str(raw.get("status")), TaskStatus.PENDING)
    error = raw.get("error_message")
    text = strip_surrogates(error) if isinstance(error, str) else None
    worker = raw.get("claimed_by")
    return Task(
        id=identity,
        type=task_type if kind.casefold() == task_type.casefold() else kind,
        params=strict_params(worker_params(raw.get("params"))),
        status=status,
        worker_id=strip_surrogates(worker) if isinstance(worker, str) else None,
        result=unwrapped(raw.get("result")) if status is TaskStatus.COMPLETED else None,
        error=text if status is TaskStatus.FAILED else None,
        message=text if status in {TaskStatus.PENDING, TaskStatus.PROCESSING} else None,
        attempt=whole(raw.get("attempts")),
        priority=whole(raw.get("priority")),
        progress=number(raw.get("progress")),
    )


def whole(value: Any) -> int | None:
    """A number of the wire as a whole one, None where it is none."""
    found = number(value)
    return None if found is None else int(found)


def get_task(identity: str) -> Steps[dict[str, Any] | Failure | None]:
    """The object of a task, None where there is none, or a Failure."""
    return shown_task((yield task_request(identity)), identity)


def task_request(identity: str) -> HttpRequest:
    """Asks for the object of a task."""
    return HttpRequest("get", "GET", ("tasks", identity))


def shown_task(reply: HttpAnswer, identity: str) -> dict[str, Any] | Failure | None:
    """The object of the task that was asked for, None where there is none, or a Failure."""
    answer = read(reply)
    if not_found(answer):
        return None
    answer = settled(answer)
    if not isinstance(answer, Success):
        return answer
    found = first_item(answer)
    return found if found is not None and task_id(found.get("id")) == identity else None
