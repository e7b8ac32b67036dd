"""How a task ended here: Completed, Failed or Released; a state is the type of the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from prismq_worker_sdk.model.trace_context import TraceContext


@dataclass(frozen=True, slots=True)
class Child:
    """A task to be created together with its parent's result.

    Attributes:
        key: Unique among the children of one outcome; makes the creation repeatable.
        params: The parameters as JSON text.
        trace: The span that it belongs to.
    """

    key: str
    type: str
    params: str
    priority: int | None = None
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class Follower(Child):
    """A task to be created once the children have ended, all of them; it is kept among them."""


FOLLOWER_KEY = "then"
"""The key of a follower; children have others."""
COUNTS = "children"
"""The member of a follower's params by which the server tells how the children ended."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The work is done.

    Attributes:
        result: The result as strict JSON text.
    """

    result: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed.

    Attributes:
        error: One sentence for people, redacted.
        error_type: A short stable word: an exception's name, `invalid_params`, `time_limit`, `crashed`, …
        retryable: False: do not try again; True: worth a try; None: the server decides (R17).
        delay_seconds: A hint to the server when to try again.
    """

    error: str
    error_type: str = ""
    retryable: bool | None = None
    delay_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """The task goes back untouched: deferred, its type unavailable, or the worker stops.

    Attributes:
        reason: One sentence for people, redacted.
        delay_seconds: Not to be handed out again for so long.
    """

    reason: str
    delay_seconds: float = 0.0


Outcome: TypeAlias = Completed | Failed | Released
