"""Task types: claims need their numbers, and only a name can be asked for; a registration overwrites what was there."""

from __future__ import annotations

import json
import re
from typing import Any

from prismq_worker_sdk.model.protocol import Failure, Unreachable
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    Answer,
    ApplicationError,
    Success,
    first_item,
    not_found,
    read,
    settled,
)
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session
from prismq_worker_sdk.wire.dialects.prismq_client.tasks import task_id
from prismq_worker_sdk.wire.messages import HttpRequest, Steps

_UNQUOTED = re.compile(r"[A-Za-z0-9_.~-]+")


def number_of(session: Session, name: str) -> Steps[int | Failure | None]:
    """The number of a type, None where the server does not know it, or a Failure."""
    known = session.numbers.get(name)
    if known is None:
        found = yield from find_type(name)
        if isinstance(found, Failure) or found is None:
            return found
        known = type_number(found)
        if known is None:
            return Unreachable(f"the type {name} has no usable number there", maybe_seen=False)
        session.numbers[name] = known
    return known


def find_type(name: str) -> Steps[dict[str, Any] | Failure | None]:
    """The registered type of this name: its object, None where there is none, or a Failure.

    The name stands raw in the path, which the server does not decode, and it knows no upper case from lower.
    """
    answer = read((yield HttpRequest("task_type", "GET", ("task-types", name))))
    if not_found(answer) or (isinstance(answer, ApplicationError) and is_damaged(name)):
        return None
    answer = settled(answer)
    if not isinstance(answer, Success):
        return answer
    found = first_item(answer)
    same = found is not None and str(found.get("name", "")).casefold() == name.casefold()
    return found if same else None


def is_damaged(name: str) -> bool:
    """Whether a name does not come through: the server takes "/api" out of every path."""
    return name.startswith("api")


def type_number(found: dict[str, Any]) -> int | None:
    """The number of a registered type, None where it has none that could be sent."""
    number = task_id(found.get("id"))
    return None if number is None else int(number)


def can_be_asked_for(name: str) -> bool:
    """Whether a type can be found by its name: the server decodes no path."""
    return _UNQUOTED.fullmatch(name) is not None and not is_damaged(name)


def register(name: str, version: str, schema: dict[str, Any]) -> Steps[Answer]:
    """The answer to a registration: it overwrites whatever stands under the name, without a question."""
    body = {"name": name, "version": version, "param_schema": schema}
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    return read((yield HttpRequest("publish", "POST", ("task-types", "register"), text)))
