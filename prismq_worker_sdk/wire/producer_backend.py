"""The producer's side of a dialect: what is asked of it and what it gives, as values, and how failures are raised."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from prismq_worker_sdk.errors import (
    NotATaskManager,
    PrismqError,
    RequestRefused,
    ServerUnreachable,
    Unauthorised,
)
from prismq_worker_sdk.model import protocol
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.wire.address import what_to_check
from prismq_worker_sdk.wire.messages import HttpRequest, Steps
from prismq_worker_sdk.wire.reading import strict_params


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A task to be created; None for what was not said.

    Attributes:
        trace: The span that it belongs to; the one that is current when it is sent, unless it is given here.

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
    trace: TraceContext | None = None

    def __post_init__(self) -> None:
        texts = [dict(self.params), self.task_type, self.run_key, self.dedupe_key, self.parent_id]
        try:
            text = json.dumps(texts, ensure_ascii=False, allow_nan=False)
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


Submitted: TypeAlias = Created | RequestRefused
"""What came of one of many submissions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks are asked for, and which page of them; None for what was not said."""

    status: str | None = None
    task_type: str | None = None
    worker_id: str | None = None
    q: str | None = None
    parent_id: str | None = None
    error_type: str | None = None
    error: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    ended_after: str | None = None
    ended_before: str | None = None
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


@dataclass(frozen=True, slots=True)
class ChildPage:
    """Children of a task, newest first, and how all of them stand.

    Attributes:
        parent: How the task itself stands; its children are created when it completes.
        counts: Number of all children by status.
        open: How many have not ended, with the tasks that are still to follow children of theirs.
        follower: The id of the task that follows them, None while there is none.
    """

    tasks: tuple[Task, ...]
    parent: TaskStatus
    counts: Mapping[str, int]
    open: int
    follower: str | None = None
    next_cursor: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it is to be waited for."""
        return self.parent.finished and not self.open


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which lines of a task's log are asked for; None for what was not said."""

    attempt: int | None = None
    limit: int | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TaskLogLine:
    """A line that a handler logged.

    Attributes:
        at: By the worker's clock, UTC.
        level: `debug`, `info`, `warning` or `error`.
    """

    attempt: int
    at: datetime
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines of a task's log, oldest first.

    Attributes:
        next_cursor: Give it to `logs` for what follows, now or later; None where nothing was logged yet.
        dropped: How many lines of each attempt are not there, because they were too many.
    """

    lines: tuple[TaskLogLine, ...]
    next_cursor: str | None = None
    dropped: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSchema:
    """A task type as it is published."""

    name: str
    version: str
    param_schema: Mapping[str, Any]
    result_schema: Mapping[str, Any] | None = None
    allow_breaking: bool = False
    limits: Sequence[Mapping[str, Any]] | None = None


class ProducerBackend(Protocol):
    """What `TaskManagerClient` needs of a dialect: its methods as HTTP requests; they raise the errors it names."""

    def submit(self, wanted: Submission) -> Steps[Created]: ...
    def submit_many(self, wanted: Sequence[Submission], can: Capabilities) -> Steps[list[Submitted]]: ...
    def get(self, task_id: str) -> Steps[Task]: ...
    def show(self, task_id: str) -> Steps[dict[str, Any]]: ...
    def tasks(self, wanted: TaskFilter) -> Steps[TaskPage]: ...
    def children(self, task_id: str, limit: int | None, cursor: str | None) -> Steps[ChildPage]: ...
    def logs(self, task_id: str, wanted: LogFilter) -> Steps[LogPage]: ...
    def cancel(self, task_id: str) -> Steps[Task]: ...
    def retry(self, task_id: str) -> Steps[Task]: ...
    def publish(self, wanted: TypeSchema) -> Steps[dict[str, Any]]: ...
    def task_types(self) -> Steps[list[dict[str, Any]]]: ...
    def stats(self) -> Steps[dict[str, Any]]: ...
    def manage(self, request: HttpRequest) -> Steps[dict[str, Any]]: ...


def one_by_one(
    submit: Callable[[Submission], Steps[Created]], wanted: Iterable[Submission]
) -> Steps[list[Submitted]]:
    """Many submissions where each takes a call of its own."""
    found: list[Submitted] = []
    for one in wanted:
        try:
            found.append((yield from submit(one)))
        except RequestRefused as refused:
            found.append(refused)
    return found


def error_of(failure: protocol.Failure, api_url: str) -> PrismqError:
    """A failure as producers raise it."""
    match failure:
        case protocol.Unauthorised(reason=reason):
            return Unauthorised(f"{api_url} refuses the API key ({reason}); set TASKMANAGER_API_KEY")
        case protocol.UnrecognisedServer(reason=reason):
            return NotATaskManager(f"{api_url} is not a TaskManager: {reason}; {what_to_check(api_url)}")
        case protocol.Rejected(status=status, reason=reason):
            return RequestRefused(reason, status=status)
        case protocol.Throttled(reason=reason, retry_after=seconds, limited=limited):
            when = "later" if seconds is None else f"in {math.ceil(seconds)} s"
            text = f"{api_url} takes no more requests for now: {reason.rstrip('.')}; try again {when}"
            return ServerUnreachable(text, retry_after=seconds if limited else None)
    return ServerUnreachable(
        f"{api_url} did not answer: {failure.reason}; start the TaskManager, or check the address "
        "(--api-url, TASKMANAGER_API_URL)"
    )
