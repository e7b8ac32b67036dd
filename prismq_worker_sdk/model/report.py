"""A report: a committed outcome on its way to the server, and what the server said of it."""

from __future__ import annotations

from dataclasses import dataclass

from prismq_worker_sdk.compat import StrEnum
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.log import LogPart
from prismq_worker_sdk.model.outcome import Child, Completed, Outcome
from prismq_worker_sdk.model.trace_context import TraceContext


@dataclass(frozen=True, slots=True)
class Report:
    """A committed outcome that waits for the server's verdict.

    Attributes:
        number: Its place in the line; None while the disk refuses it (R12).
        attempt: Which attempt it ends, for people; None where the server does not tell.
        tries: How often it was sent.
        maybe_seen: Whether an earlier sending may have reached the server without an answer (R26).
        checkpoint: The last checkpoint of a task that has not completed, JSON text (R30).
        passed: How often it failed while others got through; decides on parking (R23).
        log: The last lines that its handler logged.
        trace: The span that its delivery belongs to.
    """

    number: int | None
    identity: Identity
    outcome: Outcome
    children: tuple[Child, ...] = ()
    attempt: int | None = None
    tries: int = 0
    maybe_seen: bool = False
    passed: int = 0
    checkpoint: str | None = None
    log: LogPart | None = None
    trace: TraceContext | None = None

    @property
    def size(self) -> int:
        """Characters that it takes, but for what every report does."""
        result = self.outcome.result if isinstance(self.outcome, Completed) else ""
        return sum(map(len, (result, *(child.params for child in self.children)))) + (
            self.log.size if self.log else 0
        )


class Verdict(StrEnum):
    """What the server said of a report, in the words of the wire."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LOST = "lost"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    CONFLICT = "conflict"
    """Base protocol, 409: not, or no longer, yours; what it means depends on earlier tries (R26)."""
    MISSING = "missing"
    """Base protocol, JSON 404: no such task (R26)."""


class Settlement(StrEnum):
    """How a report left the line; each report has exactly one (R38)."""

    ACCEPTED = "accepted"
    UNCONFIRMED = "unconfirmed"
    """Accepted as far as can be known: a repeat after an unanswered try met a 409 (R26)."""
    LOST = "lost"
    SUPERSEDED = "superseded"
    PARKED = "parked"
