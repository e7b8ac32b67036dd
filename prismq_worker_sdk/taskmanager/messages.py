"""What requests must look like; values are not coerced."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from prismq_worker_sdk.compat import UTC, Self, datetime_from_iso
from prismq_worker_sdk.taskmanager.rules import (
    LONGEST_LIMIT_NAME,
    MAX_BATCH_TASKS,
    MOST_PAUSES,
    MOST_USES,
    is_name,
    is_task_type,
)
from prismq_worker_sdk.taskmanager.traced import Traced

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, END = datetime.min.replace(tzinfo=UTC).timestamp(), 253402300800.0
"""Seconds since 1970 from which on, and before which, an instant can be written: the years 1 to 9999 in UTC."""


def _name(value: str) -> str:
    if not is_name(value):
        raise ValueError("must be 1 to 255 printable characters")
    return value


def _task_type(value: str) -> str:
    if not is_task_type(value):
        raise ValueError("must be dotted names such as PrismQ.YouTube.ScrapeShorts, at most 255 characters")
    return value


def _instant(value: object) -> float:
    try:
        found = datetime_from_iso(value) if isinstance(value, str) else None
        if found is not None and found.tzinfo is not None and FIRST <= found.timestamp() < END:
            return found.timestamp()
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a time with its zone, such as 2026-11-29T12:00:00Z")


def _written(seconds: float) -> str:
    return (EPOCH + timedelta(seconds=seconds)).isoformat()


WorkerId = Annotated[str, AfterValidator(_name)]
LimitName = WorkerId
TaskTypeName = Annotated[str, AfterValidator(_task_type)]
TaskTypes = Annotated[list[str], Field(min_length=1, max_length=1000)]
Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
MAX_DELAY = 366 * 86400
MAX_WORD = 500
"""Characters of what a worker says of itself, for each text."""
Delay = Annotated[float | None, Field(ge=0, le=MAX_DELAY)]
Instant = Annotated[
    float,
    BeforeValidator(_instant),
    PlainSerializer(_written),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Seconds since 1970, written as RFC 3339."""


class Message(BaseModel):
    """The base of what workers send: unknown fields are passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class StrictMessage(BaseModel):
    """The base of what producers and operators send: unknown fields are refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ClaimRequest(Message):
    """`POST /tasks/claim`."""

    worker_id: WorkerId
    task_types: TaskTypes


class CompleteRequest(Message):
    """`POST /tasks/{id}/complete`."""

    worker_id: WorkerId
    result: Any = None


class FailRequest(Message):
    """`POST /tasks/{id}/fail`."""

    worker_id: WorkerId
    error: str


class NewTask(StrictMessage, Traced):
    """`POST /tasks`."""

    type: TaskTypeName
    params: dict[str, Any] = Field(default_factory=dict)
    priority: Priority = 0
    max_attempts: int | None = Field(None, ge=1, le=1000)
    delay_seconds: Delay = None
    dedupe_key: str | None = Field(None, min_length=1, max_length=255)
    parent_id: str | None = Field(None, min_length=1, max_length=36)


class ChildItem(Message, Traced):
    """A task to be created with its parent's result."""

    key: str = Field(min_length=1, max_length=255)
    type: TaskTypeName
    params: dict[str, Any] = Field(default_factory=dict)
    priority: Priority = 0

    def task_of(self, parent_id: str) -> NewTask:
        """The task to be created."""
        return NewTask(
            type=self.type,
            params=self.params,
            priority=self.priority,
            dedupe_key=self.key,
            parent_id=parent_id,
            traceparent=self.traceparent,
            tracestate=self.tracestate,
        )


class LogLine(Message):
    """A line that a handler logged.

    Attributes:
        at: Seconds since 1970, UTC, by the worker's clock.
    """

    at: float
    level: Literal["debug", "info", "warning", "error"]
    text: str


class LogItem(Message):
    """Lines of a claim's log that follow each other.

    Attributes:
        first: The number of the first of them, from 1.
        logged: How many the handler has logged so far, those included that never come.
    """

    first: int = Field(ge=1, le=1_000_000_000)
    lines: list[LogLine] = Field(default_factory=list)
    logged: int = Field(0, ge=0, le=1_000_000_000)


class FollowerItem(Message, Traced):
    """A task to be created once the children of the reported one have ended, all of them."""

    type: TaskTypeName
    params: dict[str, Any] = Field(default_factory=dict)
    priority: Priority = 0


class HeldItem(Message):
    """A claim that is proved by its token."""

    task_id: str
    lease_token: str
    log: LogItem | None = None


class ReportItem(HeldItem):
    """How one claim ended."""

    outcome: Literal["completed", "failed", "released"]
    result: Any = None
    error: str = ""
    error_type: str | None = Field(None, max_length=255)
    retryable: bool | None = None
    delay_seconds: Delay = None
    checkpoint: Any = None
    children: list[ChildItem] = Field(default_factory=list, max_length=10_000)
    then: FollowerItem | None = None


class LeaseItem(HeldItem):
    """One claim to be renewed."""

    progress: float | None = Field(None, ge=0, le=100)
    message: str | None = Field(None, max_length=2000)
    checkpoint: Any = None


class PauseItem(Message):
    """What a handler has learnt: nobody is to begin a task that uses this limit for so long."""

    name: LimitName
    seconds: float = Field(ge=0, le=366 * 86400)
    reason: str | None = Field(None, max_length=2000)


class ClaimItem(Message):
    """What to claim, and how long to wait for it."""

    task_types: TaskTypes
    max_tasks: int = Field(1, ge=1)
    wait_seconds: float = Field(0, ge=0)


class ClosedTypeItem(Message):
    """A task type of which a worker claims nothing now; without seconds nobody knows how long."""

    type: TaskTypeName
    reason: str = Field(max_length=MAX_WORD)
    seconds: float | None = Field(None, ge=0, le=MAX_DELAY)


class PluginItem(Message):
    """What a worker has handlers from."""

    name: str = Field(max_length=MAX_WORD)
    version: str | None = Field(None, max_length=MAX_WORD)


class WorkerStatusItem(Message):
    """What a worker says of itself, for people."""

    version: str = Field(max_length=MAX_WORD)
    host: str = Field(max_length=MAX_WORD)
    pid: int = Field(ge=0, le=2**53)
    started_at: Instant
    state: Literal["running", "quiet", "stopping"]
    slots: int = Field(ge=0, le=1_000_000)
    task_types: list[TaskTypeName] = Field(default_factory=list, max_length=1000)
    closed: list[ClosedTypeItem] = Field(default_factory=list, max_length=100)
    trouble: str | None = Field(None, max_length=MAX_WORD)
    plugins: list[PluginItem] = Field(default_factory=list, max_length=100)


class ExchangeRequest(Message):
    """`POST /tasks/exchange`."""

    worker_id: WorkerId
    request_id: str | None = Field(None, min_length=1, max_length=255)
    reports: list[ReportItem] = Field(default_factory=list)
    leases: list[LeaseItem] = Field(default_factory=list)
    pauses: list[PauseItem] = Field(default_factory=list, max_length=MOST_PAUSES)
    status: WorkerStatusItem | None = None
    claim: ClaimItem | None = None


class NewTasks(StrictMessage):
    """`POST /tasks/batch`; each of them is read by itself, as a NewTask."""

    tasks: list[Any] = Field(min_length=1, max_length=MAX_BATCH_TASKS)


class LimitUse(StrictMessage):
    """What a task uses of one limit: of that named `key`, or of the one that a value of its params names."""

    key: LimitName | None = None
    path: str | None = Field(None, pattern="^/", max_length=LONGEST_LIMIT_NAME)
    prefix: str | None = Field(None, max_length=200)
    units: int = Field(1, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.key is None) == (self.path is None):
            raise ValueError("give key or path, one of the two")
        if self.prefix is not None and self.path is None:
            raise ValueError("prefix stands before what path finds; it needs path")
        return self

    def may_name(self, limit: str) -> bool:
        """Whether it is of this limit for some params."""
        return limit == self.key if self.path is None else limit.startswith(self.prefix or "")

    def overlaps(self, other: LimitUse) -> bool:
        """Whether both may be of the same limit."""
        if self.path is None:
            return other.may_name(self.key or "")
        if other.path is None:
            return self.may_name(other.key or "")
        mine, theirs = self.prefix or "", other.prefix or ""
        return mine.startswith(theirs) or theirs.startswith(mine)


Uses = Annotated[list[LimitUse], Field(max_length=MOST_USES)]


class NewTaskType(StrictMessage):
    """`PUT /task-types/{name}`."""

    version: str = Field(min_length=1, max_length=64)
    param_schema: dict[str, Any]
    result_schema: dict[str, Any] | None = None
    allow_breaking: bool = False
    limits: Uses | None = None


class TaskSet(StrictMessage):
    """Which tasks are meant: those that meet everything that is said.

    Attributes:
        error: Part of the error, letters of ASCII in either case.
        q: The same, of id, type, params or error.
        created_after: That instant or later; `…_before`: earlier than that.
    """

    status: Annotated[str | None, Field(pattern="^(pending|processing|completed|failed)$")] = None
    type: str | None = None
    worker_id: str | None = None
    parent_id: str | None = Field(None, max_length=36)
    error_type: str | None = Field(None, max_length=255)
    error: str | None = Field(None, max_length=200)
    q: str | None = Field(None, max_length=200)
    created_after: Instant | None = None
    created_before: Instant | None = None
    ended_after: Instant | None = None
    ended_before: Instant | None = None


class TaskFilter(TaskSet):
    """The query of `GET /tasks`."""

    model_config = ConfigDict(strict=False, extra="ignore")

    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None
