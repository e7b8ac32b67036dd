"""Exchanges, each part a request of its own; what a report came to is asked before it is sent again (R26).

The tasks that a handler creates are made before their parent's report, each once, whatever is repeated (R22).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.json import digest
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Outcome, Released
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
from prismq_worker_sdk.wire.dialects.prismq_client import tasks, values
from prismq_worker_sdk.wire.dialects.prismq_client.claims import claim
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    NAME,
    ApplicationError,
    Success,
    failure,
    not_found,
    read,
)
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session
from prismq_worker_sdk.wire.messages import HttpRequest, Steps, compact_json
from prismq_worker_sdk.wire.reading import strip_surrogates

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
    if (size := values.stored_bytes(text)) > values.MAX_TEXT_BYTES:
        return ReportAnswer(
            Verdict.REFUSED, f"the {name} takes {size} bytes there, {values.MAX_TEXT_BYTES} at most"
        )
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
    body = {"worker_id": identity.token, "progress": round(renewal.progress or 0)}
    if renewal.message:
        body["message"] = strip_surrogates(renewal.message)
    path = ("tasks", identity.task_id, "progress")
    answer = read((yield HttpRequest("renew", "POST", path, compact_json(body), within=within)))
    match answer:
        case Success():
            return LeaseAnswer(LeaseVerdict.RENEWED)
        case ApplicationError(error=error) if error in {NOT_CLAIMED, CLAIMED_BY_ANOTHER} or not_found(answer):
            return LeaseAnswer(LeaseVerdict.LOST)
        case ApplicationError():
            return failure(answer)
    return answer


def _complete(session: Session, report: Report, name: str, text: str) -> Steps[ReportReply]:
    worker, success = compact_json(report.identity.token), name == "result"
    body = f'{{"worker_id":{worker},"success":{compact_json(success)},"{name}":{text}}}'
    call = "complete" if success else "fail"
    request = HttpRequest(call, "POST", ("tasks", report.identity.task_id, "complete"), body)
    is_released = isinstance(report.outcome, Released)
    answer = read((yield request)) if is_released else (yield from tasks.sent(request))
    match answer:
        case Success(data=data):
            return _accepted(session, report, data)
        case ApplicationError(error=error) if error == NOT_CLAIMED:
            return (yield from _seen_failing(session, report)) or Rejected(400, error)
        case ApplicationError(error=error) if error == CLAIMED_BY_ANOTHER:
            return ReportAnswer(Verdict.LOST, error)
        case ApplicationError(error=error) if not_found(answer):
            return ReportAnswer(Verdict.MISSING, error)
        case ApplicationError(error=error) if answer.permanently_rejected:
            return ReportAnswer(Verdict.REFUSED, error)
        case ApplicationError() if answer.deadlocked and is_released:
            return (yield from _seen_failing(session, report)) or LAPSES
        case ApplicationError(status=status, error=error) if answer.deadlocked:
            return Rejected(status, error)
        case ApplicationError():
            return failure(answer)
    return answer


def _lookup_outcome(report: Report) -> Steps[ReportReply | None]:
    """What became of a report, by the task as it stands: a reply, or None while the claim still waits for one."""
    task = yield from tasks.get_task(report.identity.task_id)
    if isinstance(task, Failure):
        return task
    if task is None:
        return ReportAnswer(Verdict.MISSING, "the server knows no such task")
    status, ours = task.get("status"), task.get("claimed_by") == report.identity.token
    if status == "claimed" and ours:
        return None
    completed = isinstance(report.outcome, Completed)
    if ours and status == ("completed" if completed else "failed"):
        failed_at = None if completed else tasks.whole(task.get("attempts"))
        return ReportAnswer(Verdict.ACCEPTED, f"the task is {status} under this claim", failed_at=failed_at)
    # a failure that was accepted leaves a task without an owner, or with a new one: that may have been this one
    verdict = Verdict.LOST if completed or not report.maybe_seen else Verdict.CONFLICT
    return ReportAnswer(verdict, f"the task is {status}, and not under this claim")


def _seen_failing(session: Session, report: Report) -> Steps[ReportReply | None]:
    """What became of a report that was not taken; notes a failure that no answer told."""
    known = yield from _lookup_outcome(report)
    if isinstance(known, ReportAnswer) and known.failed_at is not None:
        session.saw_half_failure = True
    return known


def _content(outcome: Outcome) -> tuple[str, str]:
    """The field that carries an outcome, and its JSON text."""
    match outcome:
        case Completed(result=result):
            return "result", values.result_text(result)
        case Failed(error=error):
            return "error", compact_json(strip_surrogates(error))
        case Released(reason=reason):
            return "error", compact_json(strip_surrogates(f"given back: {reason}"))


def _belongs_to_server(identity: Identity) -> bool:
    """Whether a claim is one of this dialect: an id of another kind would be cast to a foreign task's."""
    return identity.dialect == NAME and identity.token is not None and tasks.is_number(identity.task_id)


def _accepted(session: Session, report: Report, data: Any) -> ReportAnswer:
    status = data.get("status") if isinstance(data, dict) else None
    detail = f"the task is {strip_surrogates(status)}" if isinstance(status, str) else ""
    if status != "failed" or not isinstance(report.outcome, Released):
        return ReportAnswer(Verdict.ACCEPTED, detail)
    session.saw_half_failure = True
    notice = "it was given back, and is failed for good: MAX_TASK_ATTEMPTS there is less than --server-max-attempts"
    return ReportAnswer(Verdict.ACCEPTED, detail, notice=notice)


def create_children(session: Session, report: Report) -> Steps[ReportReply | None]:
    """Creates what is missing of a report's children; None once all are there, else the reply to the report."""
    for child in report.children:
        refusal = yield from _impossible(session, child)
        if refusal is not None:
            return refusal
    parent = report.identity.task_id
    for key, child in child_keys(parent, report.children):
        if (parent, key) in session.created:
            continue
        for params in _encodings(child, key):
            answer = yield from tasks.create(child.type, params)
            if not isinstance(answer, ApplicationError) or not answer.schema_violation:
                break
        match answer:
            case Success(data=data):
                session.remember_child(parent, key)
                session.note(parent, "" if key in params else _old(child, data))
            case ApplicationError(error=error) if _for_good(answer):
                return _refused(child, error)
            case ApplicationError():
                return failure(answer)
            case _:
                return answer
    return None


def _impossible(session: Session, child: Child) -> Steps[ReportReply | None]:
    """The reply to a report one of whose children can never be created, known before any of them is; else None."""
    if values.stored_bytes(child.params) > values.MAX_TEXT_BYTES:
        return _refused(
            child, f"its params take more than the {values.MAX_TEXT_BYTES} bytes that the server keeps"
        )
    if tasks.is_damaged(child.type):
        return None
    number = yield from session.number_of(child.type)
    if number is None:
        return _refused(child, "the server knows no such type")
    return number if isinstance(number, Failure) else None


def _refused(child: Child, why: str) -> ReportAnswer:
    return ReportAnswer(Verdict.REFUSED, f"the child task {child.type} is refused: {why}")


def _encodings(child: Child, key: str) -> Iterator[str]:
    """The params of a child, in the words that a registered schema may want, the best first.

    It may refuse the key; without one the child may be an old task. It may take 1.0 for no integer.
    """
    yield values.with_run_key(child.params, key)
    whole = compact_json(values.whole_numbers(json.loads(child.params)))
    if whole != child.params:
        yield values.with_run_key(whole, key)
    yield from (params for params in dict.fromkeys((child.params, whole)) if params != values.NO_PARAMS)


def child_keys(parent: str, children: tuple[Child, ...]) -> Iterator[tuple[str, Child]]:
    """Each child with its key: the same in every try of every process, and no other task's (R22)."""
    seen: Counter[str] = Counter()
    for child in children:
        what = digest({"type": child.type, "params": json.loads(child.params)})
        seen[what] += 1
        yield f"child:{parent}:{what}:{seen[what]}", child


def _old(child: Child, data: Any) -> str:
    """What is to be told of a child that was there before; "" for a new one."""
    if not isinstance(data, dict) or data.get("deduplicated") is not True:
        return ""
    return f"the child {child.type} is the old task {data.get('id')}, {data.get('status')}"


def _for_good(answer: ApplicationError) -> bool:
    """Whether a child can never be created: its type is unknown, or its params do not fit."""
    return answer.permanently_rejected or answer.status == 400 or not_found(answer)  # noqa: PLR2004
