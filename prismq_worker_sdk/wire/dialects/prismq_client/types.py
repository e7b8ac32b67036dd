"""The numbers of task types: claims need them, and only a name can be asked for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

from prismq_worker_sdk.model.protocol import Failure, Unreachable
from prismq_worker_sdk.wire.dialects.prismq_client.answers import (
    Refused,
    failure,
    first_item,
    not_found,
    read,
)
from prismq_worker_sdk.wire.dialects.prismq_client.tasks import task_id
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest

__all__ = ["Asking", "find_type", "is_damaged", "type_number"]

Asking: TypeAlias = Generator[HttpRequest, HttpReply | Unreachable, Any]
"""Some steps of a call; what they return is told where they are defined."""


def find_type(name: str) -> Asking:
    """The registered type of this name: its object, None where there is none, or a Failure.

    The name stands raw in the path, which the server does not decode, and it knows no upper case from lower.
    """
    answer = read((yield HttpRequest("task_type", "GET", ("task-types", name))))
    if not_found(answer) or (isinstance(answer, Refused) and is_damaged(name)):
        return None
    if isinstance(answer, Refused):
        return failure(answer)
    if isinstance(answer, Failure):
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
