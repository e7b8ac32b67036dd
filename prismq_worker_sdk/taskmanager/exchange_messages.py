"""What an exchange must look like (protocol.md, exchange)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from prismq_worker_sdk.taskmanager.messages import Message, TaskTypeName, WorkerId

__all__ = ["ExchangeRequest", "LeaseItem", "ReportItem", "Wanted"]

MAX_TASKS = 128


class ChildItem(Message):
    """A task to be created with its parent's result."""

    key: str = Field(min_length=1, max_length=255)
    type: TaskTypeName
    params: dict[str, Any] = Field(default_factory=dict)
    priority: int = Field(0, ge=-1_000_000, le=1_000_000)


class ReportItem(Message):
    """How one claim ended."""

    task_id: str
    lease_token: str
    outcome: Literal["completed", "failed", "released"]
    result: Any = None
    error: str = ""
    error_type: str | None = Field(None, max_length=255)
    retryable: bool | None = None
    delay_seconds: float | None = Field(None, ge=0, le=366 * 86400)
    checkpoint: Any = None
    children: list[ChildItem] = Field(default_factory=list, max_length=10_000)


class LeaseItem(Message):
    """One claim to be renewed."""

    task_id: str
    lease_token: str
    progress: float | None = Field(None, ge=0, le=100)
    message: str | None = Field(None, max_length=2000)
    checkpoint: Any = None


class Wanted(Message):
    """What to claim."""

    task_types: list[str] = Field(min_length=1, max_length=1000)
    max_tasks: int = Field(1, ge=1)
    wait_seconds: float = Field(0, ge=0)


class ExchangeRequest(Message):
    """`POST /tasks/exchange`."""

    worker_id: WorkerId
    request_id: str | None = Field(None, min_length=1, max_length=255)
    reports: list[ReportItem] = Field(default_factory=list)
    leases: list[LeaseItem] = Field(default_factory=list)
    claim: Wanted | None = None
