"""One exchange in this dialect: reports, words about progress, and a claim, each a request of its own."""

from __future__ import annotations

from dataclasses import replace

from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    LeaseReply,
    ReportReply,
    Unreachable,
)
from prismq_worker_sdk.wire.dialects import Steps
from prismq_worker_sdk.wire.dialects.prismq_client.claiming import claim
from prismq_worker_sdk.wire.dialects.prismq_client.reporting import renew, report
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session

__all__ = ["exchange"]


def exchange(session: Session, call: ExchangeRequest) -> Steps:
    """Reports one by one, then progress, then the claim; what follows an answer that did not come is not sent."""
    reports: list[ReportReply] = []
    for one in call.reports:
        reports.append((yield from report(session, one)))  # noqa: PERF401 - a step may yield
    renewals: list[LeaseReply] = []
    for renewal in call.renewals:
        renewals.append((yield from renew(renewal, call.within)))  # noqa: PERF401 - a step may yield
    found = ExchangeResponse()
    if call.claim is not None:
        silent = next((reply for reply in (*reports, *renewals) if isinstance(reply, Unreachable)), None)
        found = (
            ExchangeResponse(tasks=silent)
            if silent is not None
            else (yield from claim(session, call, call.claim))
        )
    return replace(found, reports=tuple(reports), renewals=tuple(renewals))
