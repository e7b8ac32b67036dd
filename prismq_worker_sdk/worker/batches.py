"""What goes along in one call of reports, and what its answer says of each."""

from __future__ import annotations

from collections.abc import Sequence

from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.protocol import ExchangeReply, ExchangeResponse, ReportReply, Unreachable
from prismq_worker_sdk.model.report import Report

BATCH_BYTES = 1024 * 1024
"""Bytes in one call, or one report (R23)."""


def replies_of(whole: ExchangeReply, number: int) -> tuple[ReportReply, ...]:
    """One reply for each report, whatever came."""
    silent = Unreachable("the server did not say what became of the report")
    if not isinstance(whole, ExchangeResponse):
        return (whole,) * number
    replies = whole.reports
    return (*replies[:number], *(silent,) * (number - len(replies)))


def within_bytes(reports: Sequence[Report]) -> tuple[Report, ...]:
    """The first reports of a line that fit into one call; at least one (R23)."""
    room = BATCH_BYTES
    for place, report in enumerate(reports):
        room -= _bytes(report)
        if room < 0 and place:
            return tuple(reports[:place])
    return tuple(reports)


def _bytes(report: Report) -> int:
    size = len(report.outcome.result) if isinstance(report.outcome, Completed) else 1024
    return size + sum(len(child.params) for child in report.children) + 512
