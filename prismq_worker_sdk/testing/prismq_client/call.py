"""One request as the application sees it, how its fields are wanted, and what is answered."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.testing.prismq_client import php
from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment

DEADLOCK = (
    "[40001]: Serialization failure: 1213 Deadlock found when trying to get lock; try restarting transaction"
)
HOUR = 3600
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came.

    Attributes:
        path: Not decoded.
        headers: By name in lower case.
        peer: The address that it came from.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a text, with the headers that other answers do not have."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):  # noqa: N818 - the server's word for it
    """The application says no; rolls back what was begun, unless that was not in a transaction.

    Attributes:
        keeps: Whether what was written before stays.
    """

    def __init__(
        self, status: int, error: str, details: tuple[str, ...] = (), *, keeps: bool = False
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.details, self.keeps = status, error, details, keeps


def sql_error(text: str, *, keeps: bool = False) -> Refused:
    """An error of the database, told to whoever asked."""
    return Refused(500, f"SQLSTATE{text}", keeps=keeps)


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way through the application, in a transaction.

    Attributes:
        argument: What stands in the path for `{id}` or `{name}`.
        warnings: What PHP has to say about it.
    """

    request: Request
    argument: str
    db: sqlite3.Connection
    deployment: PrismqClientDeployment
    dice: Random
    now: float
    warnings: list[str] = field(default_factory=list)

    def fields(self) -> Mapping[str, Any]:
        """The fields of the body; none when its JSON is no object."""
        try:
            value = php.decode(self.request.body)
        except php.InvalidJsonError:
            raise Refused(400, "Invalid JSON in request body") from None
        return value if isinstance(value, dict) else {}

    def stamp(self) -> str:
        """What NOW() is to the database."""
        return stamp(self.now + self.deployment.database_zone_hours * HOUR)

    def may_fail(self, share: float, error: str, *, keeps: bool = False) -> None:
        """Raises this error of the database for a share of the calls."""
        if share and self.dice.random() < share:
            raise sql_error(error, keeps=keeps)

    def note(self, task_id: int, what: str, worker_id: str | None = None, message: str | None = None) -> None:
        """Keeps a step in the life of a task, with the attempts it has now."""
        self.db.execute(
            "INSERT INTO history (task_id, what, worker_id, attempts, message, at) "
            "SELECT id, ?, ?, attempts, ?, ? FROM tasks WHERE id = ?",
            (what, worker_id, message, self.now, task_id),
        )

    def one_of(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """One object or none, as this deployment tells it."""
        if not self.deployment.repaired_items:
            return {"items": items, "count": len(items)}
        if not items:
            raise Refused(404, "Record not found")
        return items[0]


def stamp(now: float) -> str:
    """The instant as a column holds it: whole seconds, no zone."""
    return datetime.fromtimestamp(math.floor(now), UTC).strftime("%Y-%m-%d %H:%M:%S")


def percentage(value: Any) -> str | None:
    """The fault of a value that should be an int from 0 to 100."""
    if not isinstance(value, int) or isinstance(value, bool):
        return "be of type integer"
    if value < 0:
        return "be at least 0"
    return None if value <= 100 else "be at most 100"  # noqa: PLR2004


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "be of type string"


WANTED: dict[str, tuple[str, Callable[[Any], str | None]]] = {
    "type": ("Task type is required", _text),
    # an object without entries is none to PHP
    "params": (
        "Task parameters are required",
        lambda value: None if isinstance(value, dict) else "be of type object",
    ),
    "worker_id": ("Worker ID is required", _text),
    "progress": ("Progress is required", percentage),
}
"""What is said of a field that is not there, and the fault of its value."""


def validate(given: Mapping[str, Any], *names: str) -> None:
    """Raises Refused that tells every field at fault."""
    details = []
    for name in names:
        missing, fault_of = WANTED[name]
        if given.get(name) in (None, ""):
            details.append(missing)
        elif fault := fault_of(given[name]):
            details.append(f"Field '{name}' must {fault}")
    if details:
        raise Refused(400, "Validation failed", tuple(details))


def need(given: Mapping[str, Any], *names: str, empty: tuple[Any, ...] = (None,)) -> None:
    """Raises Refused for the first field that is not there."""
    for name in names:
        if given.get(name) in empty:
            raise Refused(400, f"Missing required field: {name}")


def typed_text(value: Any) -> str:
    """The value as a parameter of the type string takes it.

    Raises:
        PhpTypeError: It is a list or an object.
    """
    if isinstance(value, list | dict):
        raise php.PhpTypeError("must be of type string, array given")
    return php.as_string(value)


def short_text(text: str, column: str, longest: int = LONGEST_NAME) -> str:
    """The text, if a column of so many characters holds it."""
    if len(text) > longest:
        raise too_long(column)
    return text


def too_long(column: str) -> Refused:
    """What the database says of a text that a column does not hold."""
    return sql_error(
        f"[22001]: String data, right truncated: 1406 Data too long for column '{column}' at row 1"
    )
