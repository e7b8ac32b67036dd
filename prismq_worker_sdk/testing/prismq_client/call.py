"""One request as the application sees it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from prismq_worker_sdk.testing.prismq_client import rules, validation
from prismq_worker_sdk.testing.prismq_client.answers import sql_error
from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment

DEADLOCK = (
    "[40001]: Serialization failure: 1213 Deadlock found when trying to get lock; try restarting transaction"
)


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
        """The fields of the body."""
        return validation.fields_of(self.request.body)

    def stamp(self) -> str:
        """What NOW() is to the database."""
        return rules.stamp(self.now, self.deployment.database_zone_hours)

    def may_deadlock(self) -> None:
        """Raises Refused for the share of calls that meet a deadlock."""
        if self.deployment.deadlocks and self.dice.random() < self.deployment.deadlocks:
            raise sql_error(DEADLOCK)

    def may_stop_half_way(self) -> None:
        """Raises Refused for the share of failures that meet a deadlock after their first UPDATE, which stays."""
        if self.deployment.half_failures and self.dice.random() < self.deployment.half_failures:
            raise sql_error(DEADLOCK, keeps=True)

    def note(self, task_id: int, what: str, worker_id: str | None = None, message: str | None = None) -> None:
        """Keeps a step in the life of a task, with the attempts it has now."""
        self.db.execute(
            "INSERT INTO history (task_id, what, worker_id, attempts, message, at) "
            "SELECT id, ?, ?, attempts, ?, ? FROM tasks WHERE id = ?",
            (what, worker_id, message, self.now, task_id),
        )
