"""What a worker does at this moment, for whoever looks: the health port, SIGUSR1, the live view."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.model.told_status import ClosedType
from prismq_worker_sdk.observe.health import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A task that this worker has.

    Attributes:
        state: `waiting` for a slot, `running`, `ending` once it was told to, `storing` its end, or `stray`: its end is
            reported, and its handler still holds its thread.
        seconds: Since its handler began, 0 where it has not.
        percent: What it said last, 0 to 100; None for nothing yet.
        message: The same in words, without secrets.
    """

    ref: TaskRef
    state: str
    seconds: float
    percent: float | None = None
    message: str = ""

    def text(self) -> str:
        """How it is with it, for people."""
        percent = "" if self.percent is None else f"{self.percent:.0f} %"
        state = "" if self.state == "running" else self.state
        return " ".join(part for part in (duration.text(self.seconds), state, percent, self.message) if part)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "id": self.ref.task_id,
            "type": self.ref.task_type,
            "attempt": self.ref.attempt,
            "state": self.state,
            "seconds": round(self.seconds, 3),
            "percent": self.percent,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """What a worker does at one moment.

    Attributes:
        phase: `running`, `draining`, `flushing` or `stopped`.
        slots: How many tasks may run at a time.
        lost: Slots that handlers hold that do not end.
        waiting: Reports that the server has not got yet.
    """

    worker_id: str
    version: str
    server: str
    phase: str
    health: Health
    slots: int
    lost: int = 0
    running: tuple[RunningTask, ...] = ()
    paused: tuple[ClosedType, ...] = ()
    waiting: int = 0

    @property
    def free(self) -> int:
        """Slots that a task could take now."""
        busy = sum(task.state not in {"waiting", "stray"} for task in self.running)
        return max(0, self.slots - self.lost - busy)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        health = self.health
        return {
            "worker": self.worker_id,
            "version": self.version,
            "server": self.server,
            "phase": self.phase,
            "live": health.live,
            "ready": health.ready,
            "reasons": list(health.reasons),
            "slots": {"all": self.slots, "free": self.free, "lost": self.lost},
            "running": [task.as_dict() for task in self.running],
            "paused": [asdict(one) for one in self.paused],
            "reports": {"waiting": self.waiting, "parked": health.parked},
        }
