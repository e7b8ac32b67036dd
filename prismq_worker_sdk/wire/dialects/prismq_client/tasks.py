"""Tasks and task types there: ids are numbers or texts, times have no zone, states have words of their own.

Claims need the number of a type, and only its name can be asked for; a registration overwrites what was there.
"""

from __future__ import annotations

import json
import re
from reprlib import repr as short
from typing import Any

from prismq_worker_sdk.model.protocol import Failure
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    Answer,
    ApplicationError,
    Success,
    found_item,
    read,
    settled,
)
from prismq_worker_sdk.wire.dialects.prismq_client.values import (
    MAX_TEXT_BYTES,
    stored_bytes,
    unwrapped,
    worker_params,
)
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpRequest, Steps
from prismq_worker_sdk.wire.reading import is_valid_id, number, strict_params, strip_surrogates

STATUSES = {
    "pending": TaskStatus.PENDING,
    "claimed": TaskStatus.PROCESSING,
    "completed": TaskStatus.COMPLETED,
    "failed": TaskStatus.FAILED,
}

MAX_DIGITS = 20

QUICK_REPEATS = 3
"""How often a request that the database rolled back, or that met another one, is sent again at once."""

_UNQUOTED = re.compile(r"(?!api)[A-Za-z0-9_.~-]+")


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
    error, worker = (
        strip_surrogates(text) if isinstance(text := raw.get(name), str) else None
        for name in ("error_message", "claimed_by")
    )
    return Task(
        id=identity,
        type=task_type if kind.casefold() == task_type.casefold() else kind,
        params=strict_params(worker_params(raw.get("params"))),
        status=status,
        worker_id=worker,
        result=unwrapped(raw.get("result")) if status is TaskStatus.COMPLETED else None,
        error=error if status is TaskStatus.FAILED else None,
        message=error if status in {TaskStatus.PENDING, TaskStatus.PROCESSING} else None,
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
    found = found_item(read(reply))
    return None if isinstance(found, dict) and task_id(found.get("id")) != identity else found


def list_tasks(**query: str | int | None) -> Steps[Answer]:
    """The answer to a list; what is None is not asked for."""
    given = tuple((name, str(value)) for name, value in query.items() if value is not None)
    return read((yield HttpRequest("list", "GET", ("tasks",), query=given)))


def check_key() -> Steps[Failure | None]:
    """Why the server cannot be worked with, None when it takes the key: health answers without one."""
    answer = settled((yield from list_tasks(limit=1)))
    return None if isinstance(answer, Success) else answer


def create(task_type: str, params: str) -> Steps[Answer]:
    """The answer to a creation; the same type and params give the same task for ever.

    Args:
        params: A JSON object with at least one entry, as text.
    """
    if (size := stored_bytes(params)) > MAX_TEXT_BYTES:
        return ApplicationError(413, f"the params take {size} bytes there, {MAX_TEXT_BYTES} at most")
    body = f'{{"type":{json.dumps(task_type)},"params":{params}}}'
    return (yield from sent(HttpRequest("submit", "POST", ("tasks",), body), creates=True))


def sent(request: HttpRequest, *, creates: bool = False) -> Steps[Answer]:
    """The answer to a request that is sent again at once where the database would take it now.

    Args:
        creates: Whether it creates a task: one that met its own twin is answered with it then.
    """
    for _ in range(QUICK_REPEATS):
        answer = read((yield request))
        if not isinstance(answer, ApplicationError):
            return answer
        if not (answer.deadlocked or (creates and answer.duplicate)):
            return answer
    return read((yield request))


def find_type(name: str) -> Steps[dict[str, Any] | Failure | None]:
    """The registered type of this name: its object, None where there is none, or a Failure.

    The name stands raw in the path, which the server does not decode, and it knows no upper case from lower.
    """
    answer = read((yield HttpRequest("task_type", "GET", ("task-types", name))))
    if isinstance(answer, ApplicationError) and is_damaged(name):
        return None
    found = found_item(answer)
    is_another = isinstance(found, dict) and str(found.get("name", "")).casefold() != name.casefold()
    return None if is_another else found


def is_damaged(name: str) -> bool:
    """Whether a name does not come through: the server takes "/api" out of every path."""
    return name.startswith("api")


def type_number(found: dict[str, Any]) -> int | None:
    """The number of a registered type, None where it has none that could be sent."""
    identity = task_id(found.get("id"))
    return None if identity is None else int(identity)


def can_be_asked_for(name: str) -> bool:
    """Whether a type can be found by its name: the server decodes no path."""
    return _UNQUOTED.fullmatch(name) is not None


def register(name: str, version: str, schema: dict[str, Any]) -> Steps[Answer]:
    """The answer to a registration: it overwrites whatever stands under the name, without a question."""
    body = {"name": name, "version": version, "param_schema": schema}
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    return read((yield HttpRequest("publish", "POST", ("task-types", "register"), text)))
