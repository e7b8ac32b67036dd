"""What a producer asks of a server, and what it gets, whatever the dialect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prismq_worker_sdk.errors import RequestRefused
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.wire.dialects.reading import strict_params

__all__ = ["Created", "Submission", "TaskFilter", "TaskPage", "TypeSchema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A task to be created; None for what was not said.

    Raises:
        RequestRefused: The params or a key are no JSON that UTF-8 carries, or no worker could read them.
    """

    task_type: str
    params: Mapping[str, Any]
    run_key: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    delay_seconds: float | None = None
    dedupe_key: str | None = None
    parent_id: str | None = None

    def __post_init__(self) -> None:
        said = [dict(self.params), self.task_type, self.run_key, self.dedupe_key, self.parent_id]
        try:
            text = json.dumps(said, ensure_ascii=False, allow_nan=False)
            text.encode("utf-8")
            strict_params(json.loads(text)[0])
        except (TypeError, ValueError, RecursionError) as error:
            why = f"the task {self.task_type!r} cannot be sent as JSON: {error}"
            raise RequestRefused(why.encode("utf-8", "replace").decode(), status=422) from None


@dataclass(frozen=True, slots=True)
class Created:
    """What came of a submission.

    Attributes:
        new: Whether the task was created now; else it was there before.
    """

    task: Task
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks are asked for, and which page of them; None for what was not said."""

    status: str | None = None
    task_type: str | None = None
    worker_id: str | None = None
    q: str | None = None
    limit: int | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks, newest first.

    Attributes:
        next_cursor: Give it to `tasks` for the page behind this one; None at the end.
    """

    tasks: tuple[Task, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSchema:
    """A task type as it is published."""

    name: str
    version: str
    param_schema: Mapping[str, Any]
    result_schema: Mapping[str, Any] | None = None
    allow_breaking: bool = False
