"""What a reply to a report means (R21, R23 to R26)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.model.protocol import (
    Conflict,
    ExtensionGone,
    Rejected,
    ReportAnswer,
    ReportReply,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.report import Report, Settlement, Verdict

CRASHED = "crashed"
"""An orphan's failure is short: it is refused only where its claim had another end, reported before the crash."""

PARK_AFTER = 12
"""Failures of one report, while others got through, after which it is parked (R23)."""


@dataclass(frozen=True, slots=True)
class Settle:
    """The server has given its verdict: the report leaves the line.

    Attributes:
        keep: Whether a completed outcome stays as recent, because its fate is not certain (R25).
    """

    settlement: Settlement
    detail: str = ""
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """No verdict: send it again later.

    Attributes:
        maybe_seen: Whether this sending may have reached the server.
        alone: Whether the trouble lies with this report, not with the way to the server.
        retry_after: The server's own wish, seconds.
    """

    reason: str
    maybe_seen: bool
    alone: bool = True
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """It will not pass as it is: kept, shown, counted.

    Attributes:
        replacement: A short permanent failure to report instead, so that the task does not circle (R24).
        maybe_seen: Whether the server may have taken the report all the same; then so for its replacement.
    """

    detail: str
    replacement: Failed | None = None
    maybe_seen: bool = False


Judgement: TypeAlias = Settle | Again | Park


def judge(report: Report, reply: ReportReply) -> Judgement:
    """What becomes of a report after this reply.

    Only a verdict of the server ends a report (R21); no clock and no number of tries does, except that a
    report which fails again and again while others pass is parked, not dropped (R23).
    """
    match reply:
        case ReportAnswer(verdict=verdict, detail=detail):
            return _verdict(report, verdict, detail)
        case Unreachable(reason=reason, maybe_seen=maybe_seen):
            return _again(report, Again(reason, maybe_seen))
        case Throttled(reason=reason, retry_after=seconds):
            return Again(reason, maybe_seen=False, alone=False, retry_after=seconds)
        case Unauthorised(reason=reason):
            return Again(reason, maybe_seen=False, alone=False)
        case UnrecognisedServer(reason=reason):
            return _again(report, Again(reason, maybe_seen=False))
        case ExtensionGone(reason=reason):
            return Again(reason, maybe_seen=False, alone=False)
        case Conflict(reason=reason):
            return _verdict(report, Verdict.CONFLICT, reason)
        case Rejected(status=status, reason=reason):
            return _again(report, Again(f"HTTP {status}: {reason}", maybe_seen=False))


def _verdict(report: Report, verdict: Verdict, detail: str) -> Judgement:
    match verdict:
        case Verdict.ACCEPTED | Verdict.DUPLICATE:
            return Settle(Settlement.ACCEPTED, detail)
        case Verdict.LOST | Verdict.UNKNOWN:
            return Settle(Settlement.LOST, detail, keep=True)
        case Verdict.CONFLICT if report.maybe_seen:
            return Settle(
                Settlement.UNCONFIRMED, detail or "an earlier try may have been accepted", keep=True
            )
        case Verdict.CONFLICT:
            return Settle(Settlement.LOST, detail or "the claim is somebody else's now", keep=True)
        case Verdict.MISSING:
            return Park(detail or "the server knows no such task")
        case Verdict.REFUSED if isinstance(report.outcome, Failed) and report.outcome.error_type == CRASHED:
            return Settle(Settlement.LOST, detail or "the server knows another end of this claim")
        case Verdict.REFUSED:
            told = f"the server refused the result: {detail[:500]}"
            return Park(detail or "the server refused the content", _short_failure(report, told))


def _short_failure(report: Report, told: str) -> Failed | None:
    """The failure that takes the place of content that does not pass; none for a failure that is short already."""
    match report.outcome:
        case Completed():
            return Failed(told, "refused", retryable=False)
        case Failed(error_type=kind) if kind != "refused":
            return Failed("the error report did not pass to the server", "refused", retryable=False)
        case _:
            return None


def _again(report: Report, again: Again) -> Judgement:
    if report.passed < PARK_AFTER:
        return again
    detail = f"failed {report.passed + 1} times while others passed, last: {again.reason}"
    told = f"the result did not pass to the server: it {detail[:500]}"
    return Park(detail, _short_failure(report, told), maybe_seen=report.maybe_seen or again.maybe_seen)
