"""A task as the server shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prismq_worker_sdk.compat import StrEnum
from prismq_worker_sdk.model.trace_context import TraceContext

SHORT, SHORT_GROWING, LONG_ID, VERSION_AT = 8, 18, 36, 14
"""Characters of ids; those that the embedded TaskManager makes of the same moment differ in the 18th."""


class TaskStatus(StrEnum):
    """Where a task stands on the server."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        """Whether the server will hand it out no more."""
        return self in {TaskStatus.COMPLETED, TaskStatus.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as the server shows it.

    The second group of fields comes from servers with extensions only; None means "not said".

    Attributes:
        params: The parameters, a JSON object.
        result: What the handler returned, any JSON value.
        attempt: Which attempt this is, counted from 1; for people, never an identity.
        progress: Percent, 0 to 100.
        not_before: The earliest instant of the next attempt, UTC.
        trace: The span that created it.
    """

    id: str
    type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    status: TaskStatus = TaskStatus.PENDING
    created_at: datetime | None = None
    claimed_at: datetime | None = None
    completed_at: datetime | None = None
    worker_id: str | None = None
    result: Any = None
    error: str | None = None

    attempt: int | None = None
    max_attempts: int | None = None
    priority: int | None = None
    checkpoint: Any = None
    progress: float | None = None
    message: str | None = None
    not_before: datetime | None = None
    parent_id: str | None = None
    trace: TraceContext | None = None


def short_id(task_id: str) -> str:
    """As much of an id as people need to tell tasks apart: 8 characters, 18 of a UUID that begins with the time."""
    grows = len(task_id) == LONG_ID and task_id[VERSION_AT] == "7"
    return task_id[: SHORT_GROWING if grows else SHORT]
