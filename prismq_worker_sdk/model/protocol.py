"""What the loops ask of a server, and every answer that can come, as values.

The loops yield a call; the wire turns it into HTTP in the server's dialect. Nothing is raised:
a failure is an answer like any other, and `decide` judges it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from prismq_worker_sdk.compat import StrEnum
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.log import LogPart
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.model.told_status import ToldStatus


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask for the server's health: is a TaskManager there, which one, what can it do?

    Attributes:
        within: Seconds that it may take as a whole, None for what it usually may.
    """

    within: float | None = None


ClaimOrder: TypeAlias = Literal["fifo", "lifo", "priority"]
"""The oldest task first, the newest, or the one of the highest priority."""


@dataclass(frozen=True, slots=True)
class ClaimWork:
    """Ask for tasks of these types; reserve the slots first (R4).

    Attributes:
        order: Which task of a type comes first, where `Capabilities.orders_claims`; None for the server's own choice.
    """

    worker_id: str
    task_types: tuple[str, ...]
    max_tasks: int = 1
    wait_seconds: float = 0.0
    order: ClaimOrder | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """Keep a claim alive, and say how far its work is.

    Attributes:
        progress: Percent, None when nothing new is to be said.
        checkpoint: JSON text, None when there is none that is new.
        log: Lines that are new, where `Capabilities.max_log_lines` says that the server takes some.
    """

    identity: Identity
    progress: float | None = None
    message: str = ""
    checkpoint: str | None = None
    log: LogPart | None = None


@dataclass(frozen=True, slots=True)
class LimitPause:
    """Let nobody begin a task that uses this limit for so many seconds."""

    name: str
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeRequest:
    """Report, renew, claim, or all of it; a dialect may need several HTTP requests for it.

    Attributes:
        reports: At most `Capabilities.max_reports`, oldest first.
        claim: What to claim, None for nothing.
        renewals: Only where `Capabilities.renews`.
        worker_id: Who asks; recorded by servers with leases, not compared (R2).
        request_id: The same for every repeat of a claim whose answer did not come (R6).
        within: Seconds that it may take as a whole, None for what its kind usually may.
        maybe_seen: Whether this claim was sent before, and may have been granted without an answer (R6).
        pauses: Only where `Capabilities.limits`.
        status: What the worker says of itself; only where `Capabilities.takes_status`.
    """

    reports: tuple[Report, ...] = ()
    claim: ClaimWork | None = None
    renewals: tuple[Renewal, ...] = ()
    worker_id: str = ""
    request_id: str = ""
    within: float | None = None
    maybe_seen: bool = False
    pauses: tuple[LimitPause, ...] = ()
    status: ToldStatus | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No usable answer: connection, time-out, cut body, 5xx, HTML. It may come later.

    Attributes:
        maybe_seen: Whether the request may have taken effect all the same.
    """

    reason: str
    maybe_seen: bool = True


@dataclass(frozen=True, slots=True)
class Throttled:
    """The server asks for patience (429, 503 with Retry-After).

    Attributes:
        retry_after: Seconds to wait; None when it did not say.
        limited: Whether it is there and only counts our requests.
    """

    reason: str
    retry_after: float | None = None
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Unauthorised:
    """The key is missing or wrong (401, 403)."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoKey(Unauthorised):
    """There is a key, but it cannot be sent: its file cannot be read, or no header can carry it."""


@dataclass(frozen=True, slots=True)
class UnrecognisedServer:
    """Something answers, but not as a TaskManager does: HTML 404, redirect, foreign JSON."""

    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody was faster (409 at claim)."""

    reason: str = "somebody was faster"


@dataclass(frozen=True, slots=True)
class ExtensionGone:
    """An extension that was announced is not there (R35): probe again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server understood and refused the request itself (any other 4xx)."""

    status: int
    reason: str


Failure: TypeAlias = (
    Unreachable | Throttled | Unauthorised | UnrecognisedServer | Conflict | ExtensionGone | Rejected
)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A TaskManager is there.

    Attributes:
        dialect: Its wire dialect, for example `v1`.
        instance: The id of its database, "" where it announces none.
        described: What it says of itself, for people.
    """

    dialect: str
    capabilities: Capabilities
    instance: str = ""
    described: str = ""


ProbeReply: TypeAlias = ServerInfo | Failure


@dataclass(frozen=True, slots=True)
class Grant:
    """One task handed out.

    Attributes:
        lease_seconds: How long, None where the server does not tell.
    """

    task: Task
    token: str | None = None
    lease_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class BadGrant:
    """A task in a claim answer that cannot be read (R3).

    Attributes:
        task_id: Its id, None when not even that is usable.
    """

    task_id: str | None
    task_type: str
    reason: str
    raw: Any = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class ReportAnswer:
    """The server's verdict on one report.

    Attributes:
        notice: What people should know beside it.
        failed_at: The attempt at which the task was found failed under this claim, where no answer said that it was.
    """

    verdict: Verdict
    detail: str = ""
    notice: str = ""
    failed_at: int | None = None


ReportReply: TypeAlias = ReportAnswer | Failure


class LeaseVerdict(StrEnum):
    """What the server said of a renewal, in the words of the wire."""

    RENEWED = "renewed"
    LOST = "lost"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """The server's word on one renewal.

    Attributes:
        lease_seconds: How long the claim lasts from the sending of the request; None where it is lost.
    """

    verdict: LeaseVerdict
    lease_seconds: float | None = None


LeaseReply: TypeAlias = LeaseAnswer | Failure


class WorkerCommand(StrEnum):
    """What the server wants of this worker, in the words of the wire."""

    RUN = "run"
    QUIET = "quiet"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class ExchangeResponse:
    """The answer to an ExchangeRequest.

    Attributes:
        reports: One reply for each report, in the order sent.
        tasks: What was handed out: empty for nothing, a Failure when the claim part failed.
        renewals: One reply for each renewal, in the order sent.
        unknown_types: Types of the claim that the server does not know.
    """

    reports: tuple[ReportReply, ...] = ()
    tasks: tuple[Grant | BadGrant, ...] | Failure = ()
    renewals: tuple[LeaseReply, ...] = ()
    command: WorkerCommand = WorkerCommand.RUN
    unknown_types: tuple[str, ...] = ()


ExchangeReply: TypeAlias = ExchangeResponse | Failure


def replies_of(whole: ExchangeReply, number: int) -> tuple[ReportReply, ...]:
    """One reply for each report, whatever came."""
    if not isinstance(whole, ExchangeResponse):
        return (whole,) * number
    silent = Unreachable("the server did not say what became of the report")
    return (*whole.reports[:number], *(silent,) * (number - len(whole.reports)))
