"""Exchanges, each part a request of its own; what a report came to is asked before it is sent again (R26)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.outcome import Completed, Failed, Outcome, Released
from prismq_worker_sdk.model.protocol import (
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    LeaseAnswer,
    LeaseReply,
    LeaseVerdict,
    Rejected,
    Renewal,
    ReportAnswer,
    ReportReply,
    Unreachable,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.wire.dialects.prismq_client.children import create_children
from prismq_worker_sdk.wire.dialects.prismq_client.claims import claim
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    Answer,
    ApplicationError,
    Success,
    failure,
    not_found,
    read,
)
from prismq_worker_sdk.wire.dialects.prismq_client.health import NAME
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session
from prismq_worker_sdk.wire.dialects.prismq_client.tasks import get_task, is_number, whole
from prismq_worker_sdk.wire.dialects.prismq_client.values import MAX_TEXT_BYTES, result_text, stored_bytes
from prismq_worker_sdk.wire.messages import HttpRequest, Steps
from prismq_worker_sdk.wire.reading import strip_surrogates

QUICK_REPEATS = 3
"""How often a report that the database rolled back is sent again at once."""

LAPSES = ReportAnswer(Verdict.LOST, "it is left to lapse, because a deadlock might end it for good")
"""What becomes of a task that is given back, where the server was seen to fail by half."""

NOT_CLAIMED = "Task is not in claimed state"
CLAIMED_BY_ANOTHER = "Task is claimed by another worker"


def exchange(session: Session, call: ExchangeRequest) -> Steps[ExchangeReply]:
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


def report(session: Session, report: Report) -> Steps[ReportReply]:
    """The reply to one report."""
    if not _belongs_to_server(report.identity):
        return ReportAnswer(Verdict.MISSING, "this claim is not one of this server")
    lapses = isinstance(report.outcome, Released) and session.saw_half_failure
    if lapses and not report.maybe_seen:
        return LAPSES
    name, text = _content(report.outcome)
    if (size := stored_bytes(text)) > MAX_TEXT_BYTES:
        return ReportAnswer(Verdict.REFUSED, f"the {name} takes {size} bytes there, {MAX_TEXT_BYTES} at most")
    children = report.children if isinstance(report.outcome, Completed) else ()
    if report.maybe_seen or children:  # of a claim that is lost none is created
        known = yield from _lookup_outcome(report)
        if known is not None:
            return known
    if lapses:
        return LAPSES
    if children:
        trouble = yield from create_children(session, report)
        if trouble is not None:
            return trouble
    reply = yield from _complete(session, report, name, text)
    if isinstance(reply, ReportAnswer) and (notes := session.take_notes(report.identity.task_id)):
        return replace(reply, notice=notes)
    return reply


def renew(renewal: Renewal, within: float | None = None) -> Steps[LeaseReply]:
    """Tells how far the work is; it extends nothing, but a claim that is lost comes out (R15).

    Args:
        within: Seconds that it may take.
    """
    identity = renewal.identity
    if not _belongs_to_server(identity):
        return LeaseAnswer(LeaseVerdict.LOST)
    body: dict[str, Any] = {"worker_id": identity.token, "progress": round(renewal.progress or 0)}
    if renewal.message:
        body["message"] = strip_surrogates(renewal.message)
    text = json.dumps(body, ensure_ascii=False)
    path = ("tasks", identity.task_id, "progress")
    answer = read((yield HttpRequest("renew", "POST", path, text, within=within)))
    match answer:
        case Success():
            return LeaseAnswer(LeaseVerdict.RENEWED)
        case ApplicationError(error=error) if error in {NOT_CLAIMED, CLAIMED_BY_ANOTHER} or not_found(answer):
            return LeaseAnswer(LeaseVerdict.LOST)
        case ApplicationError():
            return failure(answer)
    return answer


def _complete(session: Session, report: Report, name: str, text: str) -> Steps[ReportReply]:
    worker, success = json.dumps(report.identity.token, ensure_ascii=False), name == "result"
    body = f'{{"worker_id":{worker},"success":{json.dumps(success)},"{name}":{text}}}'
    call = "complete" if success else "fail"
    request = HttpRequest(call, "POST", ("tasks", report.identity.task_id, "complete"), body)
    answer = yield from _sent(session, report, request)
    match answer:
        case Success(data=data):
            return _accepted(session, report, data)
        case ApplicationError(error=error) if error == NOT_CLAIMED:
            known = yield from _lookup_outcome(report)
            session.saw_half_failure = session.saw_half_failure or _is_half_failure(known)
            return known or Rejected(400, error)
        case ApplicationError(error=error) if error == CLAIMED_BY_ANOTHER:
            return ReportAnswer(Verdict.LOST, error)
        case ApplicationError(error=error) if not_found(answer):
            return ReportAnswer(Verdict.MISSING, error)
        case ApplicationError(error=error) if answer.permanently_rejected:
            return ReportAnswer(Verdict.REFUSED, error)
        case ApplicationError(status=status, error=error) if answer.deadlocked:
            return Rejected(status, error)
        case ApplicationError():
            return failure(answer)
    return answer


def _sent(session: Session, report: Report, request: HttpRequest) -> Steps[Answer | ReportReply]:
    """The answer to a report that is sent again at once when the database rolled it back."""
    answer = read((yield request))
    for _ in range(QUICK_REPEATS):
        if not isinstance(answer, ApplicationError) or not answer.deadlocked:
            break
        if isinstance(report.outcome, Released):
            known = yield from _lookup_outcome(report)
            session.saw_half_failure = session.saw_half_failure or _is_half_failure(known)
            return LAPSES if known is None else known
        answer = read((yield request))
    return answer


def _lookup_outcome(report: Report) -> Steps[ReportReply | None]:
    """What became of a report, by the task as it stands: a reply, or None while the claim still waits for one."""
    task = yield from get_task(report.identity.task_id)
    if isinstance(task, Failure):
        return task
    if task is None:
        return ReportAnswer(Verdict.MISSING, "the server knows no such task")
    status, ours = task.get("status"), task.get("claimed_by") == report.identity.token
    if status == "claimed" and ours:
        return None
    completed = isinstance(report.outcome, Completed)
    if ours and status == ("completed" if completed else "failed"):
        failed_at = None if completed else whole(task.get("attempts"))
        return ReportAnswer(Verdict.ACCEPTED, f"the task is {status} under this claim", failed_at=failed_at)
    # a failure that was accepted leaves a task without an owner, or with a new one: that may have been this one
    verdict = Verdict.LOST if completed or not report.maybe_seen else Verdict.CONFLICT
    return ReportAnswer(verdict, f"the task is {status}, and not under this claim")


def _is_half_failure(known: Any) -> bool:
    """Whether a task was found failed that no answer said to be."""
    return isinstance(known, ReportAnswer) and known.failed_at is not None


def _content(outcome: Outcome) -> tuple[str, str]:
    """The field that carries an outcome, and its JSON text."""
    match outcome:
        case Completed(result=result):
            return "result", result_text(result)
        case Failed(error=error):
            return "error", json.dumps(strip_surrogates(error), ensure_ascii=False)
        case Released(reason=reason):
            return "error", json.dumps(strip_surrogates(f"given back: {reason}"), ensure_ascii=False)


def _belongs_to_server(identity: Identity) -> bool:
    """Whether a claim is one of this dialect: an id of another kind would be cast to a foreign task's."""
    return identity.dialect == NAME and identity.token is not None and is_number(identity.task_id)


def _accepted(session: Session, report: Report, data: Any) -> ReportAnswer:
    status = data.get("status") if isinstance(data, dict) else None
    detail = f"the task is {strip_surrogates(status)}" if isinstance(status, str) else ""
    if status != "failed" or not isinstance(report.outcome, Released):
        return ReportAnswer(Verdict.ACCEPTED, detail)
    session.saw_half_failure = True
    notice = "it was given back, and is failed for good: MAX_TASK_ATTEMPTS there is less than --server-max-attempts"
    return ReportAnswer(Verdict.ACCEPTED, detail, notice=notice)
