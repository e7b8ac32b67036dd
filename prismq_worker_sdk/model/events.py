"""What happens in a worker, as values; logs, statistics, metrics and plugins listen to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from prismq_worker_sdk.compat import StrEnum
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.model.trace_context import TraceContext


class Phase(StrEnum):
    """Where a worker stands between start and stop (R36)."""

    RUNNING = "running"
    DRAINING = "draining"
    FLUSHING = "flushing"
    STOPPED = "stopped"


class End(StrEnum):
    """How a claim ended here; each claim has exactly one end (R38)."""

    COMPLETED = "completed"
    FAILED = "failed"
    RELEASED = "released"
    LAPSED = "lapsed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class TaskRef:
    """Which task an event speaks of.

    Attributes:
        attempt: Counted from 1, None where the server does not tell.
        trace: The span that lines of the log name.
    """

    task_id: str
    task_type: str
    attempt: int | None = None
    trace: TraceContext | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted:
    """The worker found its server and begins to claim."""

    worker_id: str
    api_url: str
    dialect: str
    task_types: tuple[str, ...]
    concurrency: int
    state_dir: str
    grace_seconds: float
    recovered: int
    """Reports of earlier processes found in the outbox."""
    parked: int = 0
    """Reports that earlier processes parked there, whichever server they are for."""
    limits: str = ""
    """What holds for limits of its types, where they have any."""


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The worker drains, flushes or has stopped."""

    phase: Phase
    reason: str
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class TaskClaimed:
    """The server handed out a task; its claim is in the outbox."""

    ref: TaskRef


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """The handler begins."""

    ref: TaskRef


@dataclass(frozen=True, slots=True)
class TaskProgressed:
    """The handler said how far it is (percent, 0 to 100)."""

    ref: TaskRef
    percent: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class OutcomeCommitted:
    """The outcome is in the outbox and cannot be lost any more."""

    ref: TaskRef
    end: End
    seconds: float | None
    """Handler time; None when no handler ran."""
    error: str = ""
    error_type: str = ""
    answered: bool = False
    """Whether a kept result answered the claim without running the handler (R25)."""
    trace: str = ""
    """The traceback of a handler that failed unexpectedly, bounded; without the frames of the SDK."""


@dataclass(frozen=True, slots=True)
class ClaimEnded:
    """A claim ended; comes exactly once for each TaskClaimed."""

    ref: TaskRef
    end: End
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReportSettled:
    """A report left the line."""

    ref: TaskRef
    settlement: Settlement
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TaskFailedEarly:
    """The server failed a task for good though it has attempts left; only somebody's retry brings it back."""

    ref: TaskRef


@dataclass(frozen=True, slots=True)
class ReportDelayed:
    """A report was not taken and will be sent again."""

    ref: TaskRef
    reason: str
    retry_in: float
    tries: int


@dataclass(frozen=True, slots=True)
class ApiCalled:
    """One HTTP request was made.

    Attributes:
        call: `health`, `claim`, `complete`, `fail`, …
        error: "" for a good answer, else a short word: `unreachable`, `http_503`, …
    """

    call: str
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class ServerLost:
    """The server stopped answering; the worker goes on trying."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class ServerRegained:
    """The server answers again.

    Attributes:
        away_seconds: How long it did not.
    """

    away_seconds: float


@dataclass(frozen=True, slots=True)
class TypePaused:
    """Tasks of a type are not claimed for now.

    Attributes:
        seconds: For how long; None until its handler is ready.
    """

    task_type: str
    reason: str
    seconds: float | None = None
    trace: str = ""
    """The traceback where its handler raised in `ready()` or `setup()`."""


@dataclass(frozen=True, slots=True)
class TypeResumed:
    """Tasks of a type are claimed again."""

    task_type: str


@dataclass(frozen=True, slots=True)
class HandlerOverran:
    """A handler did not end at its limit or at its cancellation; its slot is lost until it does."""

    ref: TaskRef
    seconds: float
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something an operator should read, without a kind of its own.

    Attributes:
        level: `info`, `warning` or `error`.
    """

    level: str
    message: str


@dataclass(frozen=True, slots=True)
class WorkerStopped:
    """The worker ended."""

    exit_code: int
    reason: str


Event: TypeAlias = (
    WorkerStarted
    | PhaseChanged
    | TaskClaimed
    | TaskStarted
    | TaskProgressed
    | OutcomeCommitted
    | ClaimEnded
    | ReportSettled
    | ReportDelayed
    | TaskFailedEarly
    | ApiCalled
    | ServerLost
    | ServerRegained
    | TypePaused
    | TypeResumed
    | HandlerOverran
    | Notice
    | WorkerStopped
)


class Emit(Protocol):
    """Tells everybody who listens of events, in order."""

    def __call__(self, *events: Event) -> None:
        """Raises nothing."""
