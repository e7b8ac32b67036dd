"""A claim: a task together with the right to work on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from prismq_worker_sdk.model.task import Task


class TaskKey(NamedTuple):
    """A task and what it asks for, whoever holds it: what a kept result belongs to (R25)."""

    server: str
    task_id: str
    task_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What proves a claim to the server, whole (R1); a report is sent under exactly this.

    Attributes:
        server: The normalised api_url, plus the instance id where the server announces one.
        dialect: The wire dialect it was claimed in.
        digest: SHA-256 of the canonical params.
        worker_id: The id it was claimed under, also when a later process reports it.
        token: The lease token, None where the server gives none.
    """

    server: str
    dialect: str
    task_id: str
    task_type: str
    digest: str
    worker_id: str
    token: str | None = None

    @property
    def task_key(self) -> TaskKey:
        """The task behind the claim."""
        return TaskKey(self.server, self.task_id, self.task_type, self.digest)


@dataclass(frozen=True, slots=True)
class Claim:
    """A task with the right to work on it.

    Attributes:
        sent_at: Clock reading at the first sending of the claim request, seconds (R5).
        lease_seconds: How long the right lasts from `sent_at` unless it is renewed.
    """

    identity: Identity
    task: Task
    sent_at: float
    lease_seconds: float

    @property
    def expires_at(self) -> float:
        """Clock reading at which the right ends unless it is renewed, seconds."""
        return self.sent_at + self.lease_seconds
