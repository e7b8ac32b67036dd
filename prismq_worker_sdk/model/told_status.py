"""What a worker says of itself to its server, for people; nothing is decided by it."""

from __future__ import annotations

from dataclasses import dataclass, field

from prismq_worker_sdk.compat import StrEnum

MOST_TYPES = 1000
MOST_CLOSED = 100
MOST_PLUGINS = 100
"""Entries of each list; what is beyond is left out."""
LONGEST_TEXT = 500
"""Bytes of a reason."""
LONGEST_PAUSE = 366 * 86400.0
"""Seconds that a pause is said to last."""


class WorkerState(StrEnum):
    """What a worker does, in the words of the wire."""

    RUNNING = "running"
    QUIET = "quiet"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ClosedType:
    """A task type that is not claimed now.

    Attributes:
        seconds: For how long still; None until its handler is ready.
    """

    type: str
    reason: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStatus:
    """What a worker says of itself; equal to another where nothing has changed.

    Attributes:
        started_at: RFC 3339, by the worker's clock.
        slots: Tasks that it runs at the same time.
        trouble: What keeps it from claiming anything, "" where nothing does.
        plugins: Module and version of each, "" for one that is not installed.
        ends: When what is closed opens again, seconds by the clock, in place of how long that is at a moment.
    """

    version: str
    host: str
    pid: int
    started_at: str
    state: WorkerState
    slots: int
    task_types: tuple[str, ...]
    closed: tuple[ClosedType, ...] = field(default=(), compare=False)
    ends: tuple[tuple[str, str, float | None], ...] = ()
    trouble: str = ""
    plugins: tuple[tuple[str, str], ...] = ()
