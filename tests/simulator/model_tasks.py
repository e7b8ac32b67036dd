"""What the model of a TaskManager keeps: tasks, and one row for each claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class ModelTask:
    """A task.

    Attributes:
        number: Its place in the line.
        expires_at: When its claim runs out.
        params: Its own id unless given.
        follows: Whose children it follows, "" for nobody's.
        counts: How many of those completed and failed, by the time it was created.
    """

    id: str
    type: str
    number: int
    max_attempts: int = 3
    parent: str | None = None
    key: str = ""
    status: str = "pending"
    attempts: int = 0
    unconfirmed: int = 0
    not_before: float = 0.0
    claim: ModelClaim | None = None
    expires_at: float = 0.0
    cancel_asked: bool = False
    checkpoint: Any = None
    result: Any = None
    error: str = ""
    params: Any = None
    follows: str = ""
    counts: tuple[int, int] = (0, 0)

    @property
    def claimed_at(self) -> float:
        """When it was handed out last."""
        return 0.0 if self.claim is None else self.claim.claimed_at

    def ready(self, now: float) -> bool:
        """Whether it may be handed out."""
        if self.status == "pending":
            return self.not_before <= now
        return self.status == "processing" and self.expires_at <= now

    def held_by(self, claim: ModelClaim) -> bool:
        """Whether this is its current claim; one that ran out is, until the task is claimed again (R8)."""
        open_still = self.status == "processing" or (self.status == "failed" and self.error == "expired")
        return self.claim is claim and open_still and not claim.accepted

    def end(self, status: str, error: str = "", result: Any = None) -> None:
        """It is over."""
        self.status, self.error, self.result = status, error, result

    def wait_until(self, instant: float) -> None:
        """It waits for its next attempt."""
        self.status, self.not_before = "pending", instant

    def shown(self) -> dict[str, Any]:
        """As the wire shows it."""
        return {
            "id": self.id,
            "type": self.type,
            "params": {"task": self.id} if self.params is None else self.params,
            "status": self.status,
            "checkpoint": self.checkpoint,
        }


@dataclass(slots=True, eq=False)
class ModelClaim:
    """One claim of a task; its row stays (R28).

    Attributes:
        outcome: What was reported under it, None while nothing was.
        accepted: How it ended by a report, "" while it has not.
        lines: What was logged under it.
    """

    task: ModelTask
    worker_id: str
    claimed_at: float
    token: str = ""
    request_id: str = ""
    confirmed: bool = False
    outcome: Any = None
    accepted: str = ""
    acceptances: int = 0
    result: Any = None
    lines: list[str] = field(default_factory=list)
    last_line: int = 0
    logged: int = 0

    def take(self, log: Mapping[str, Any] | None) -> None:
        """Takes lines that did not come before."""
        if log is not None:
            for number, line in enumerate(log["lines"], log["first"]):
                if number > self.last_line:
                    self.lines.append(line["text"])
                    self.last_line = number
            self.logged = max(self.logged, log["logged"])

    def accept(self, kind: str, result: Any, outcome: Any = None) -> None:
        """A report under it was accepted."""
        self.accepted, self.result, self.outcome = kind, result, outcome
        self.acceptances += 1
