"""The bundle `exchange` of v1: reports, renewals and a claim in one request (protocol.md, extensions)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Released
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    ExtensionGone,
    Failure,
    Grant,
    LeaseAnswer,
    LeaseReply,
    LeaseVerdict,
    Renewal,
    ReportAnswer,
    ReportReply,
    Unreachable,
    WorkerCommand,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.wire.dialects.v1 import base
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpRequest, Steps
from prismq_worker_sdk.wire.messages import compact_json as _json
from prismq_worker_sdk.wire.reading import (
    MAX_DETAIL,
    detail_of,
    failure_of,
    is_valid_id,
    number,
    rejected,
    strip_surrogates,
    truncate_utf8,
)

VERDICTS = {
    str(verdict): verdict for verdict in Verdict if verdict not in {Verdict.CONFLICT, Verdict.MISSING}
}

COMMANDS = frozenset(WorkerCommand)

T = TypeVar("T")


def exchange(call: ExchangeRequest) -> Steps[ExchangeReply]:
    """Everything of the call in one request; reports of claims without a token go the way of the base."""
    without = tuple(report for report in call.reports if report.identity.token is None)
    if not without:
        return (yield from _one_request(call))
    singly = yield from base.exchange(ExchangeRequest(reports=without))
    rest = replace(
        call, reports=tuple(report for report in call.reports if report.identity.token is not None)
    )
    found = ExchangeResponse()
    if rest.reports or rest.renewals or rest.claim is not None:
        answer = yield from _one_request(rest)
        found = answer if isinstance(answer, ExchangeResponse) else _all_failed(rest, answer)
    return replace(found, reports=_in_order(call.reports, singly, found))


def _one_request(call: ExchangeRequest) -> Steps[ExchangeReply]:
    wait = 0.0 if call.claim is None else call.claim.wait_seconds
    answer = yield HttpRequest(
        _name(call), "POST", ("tasks", "exchange"), _body(call), wait=wait, within=call.within
    )
    return _read(call, answer)


def _all_failed(call: ExchangeRequest, failure: Failure) -> ExchangeResponse:
    tasks = () if call.claim is None else failure
    return ExchangeResponse((failure,) * len(call.reports), tasks, (failure,) * len(call.renewals))


def _in_order(
    sent: Sequence[Report], singly: ExchangeReply, found: ExchangeResponse
) -> tuple[ReportReply, ...]:
    """The replies of both ways in the order of the reports."""
    without = iter(singly.reports if isinstance(singly, ExchangeResponse) else ())
    with_token = iter(found.reports)
    return tuple(next(without if report.identity.token is None else with_token) for report in sent)


def _name(call: ExchangeRequest) -> str:
    """What the request is counted as: by what it mostly is for."""
    if call.reports:
        return "report"
    return "renew" if call.renewals else "claim"


def _body(call: ExchangeRequest) -> str:
    """The request as JSON text; results and checkpoints are JSON text already and go as they are."""
    parts = [f'"worker_id":{_json(call.worker_id)}']
    if call.request_id:
        parts.append(f'"request_id":{_json(call.request_id)}')
    if call.reports:
        parts.append(f'"reports":[{",".join(map(_report, call.reports))}]')
    if call.renewals:
        parts.append(f'"leases":[{",".join(map(_renewal, call.renewals))}]')
    if call.claim is not None:
        wanted = {
            "task_types": list(call.claim.task_types),
            "max_tasks": call.claim.max_tasks,
            "wait_seconds": call.claim.wait_seconds,
        }
        parts.append(f'"claim":{_json(wanted)}')
    return strip_surrogates(f"{{{','.join(parts)}}}")


def _report(report: Report) -> str:
    identity = report.identity
    parts = [f'"task_id":{_json(identity.task_id)}', f'"lease_token":{_json(identity.token or "")}']
    match report.outcome:
        case Completed(result=result):
            parts += ['"outcome":"completed"', f'"result":{result}']
        case Failed() as failed:
            parts += [
                '"outcome":"failed"',
                f'"error":{_json(truncate_utf8(failed.error, BASE.max_error_bytes))}',
            ]
            parts += _given(error_type=failed.error_type or None, retryable=failed.retryable)
            parts += _given(delay_seconds=failed.delay_seconds)
        case Released(reason=reason, delay_seconds=delay):
            parts += ['"outcome":"released"', f'"error":{_json(truncate_utf8(reason, BASE.max_error_bytes))}']
            parts += _given(delay_seconds=delay or None)
    if report.checkpoint is not None:
        parts.append(f'"checkpoint":{report.checkpoint}')
    if report.children:
        parts.append(f'"children":[{",".join(map(_child, report.children))}]')
    return f"{{{','.join(parts)}}}"


def _child(child: Child) -> str:
    parts = [f'"key":{_json(child.key)}', f'"type":{_json(child.type)}', f'"params":{child.params}']
    parts += _given(priority=child.priority)
    return f"{{{','.join(parts)}}}"


def _renewal(renewal: Renewal) -> str:
    identity = renewal.identity
    parts = [f'"task_id":{_json(identity.task_id)}', f'"lease_token":{_json(identity.token or "")}']
    parts += _given(progress=renewal.progress, message=renewal.message or None)
    if renewal.checkpoint is not None:
        parts.append(f'"checkpoint":{renewal.checkpoint}')
    return f"{{{','.join(parts)}}}"


def _read(call: ExchangeRequest, reply: HttpAnswer) -> ExchangeReply:
    if isinstance(reply, Unreachable):
        return reply
    if reply.status in {404, 405, 501}:
        return ExtensionGone(f"HTTP {reply.status} on tasks/exchange, which this server had announced")
    failure = failure_of(reply)
    if failure is not None:
        return failure
    if reply.status in {413, 422} and len(call.reports) == 1 and not call.renewals and call.claim is None:
        return ExchangeResponse((ReportAnswer(Verdict.REFUSED, detail_of(reply)),))
    if reply.status != 200:  # noqa: PLR2004
        return rejected(reply)
    body = reply.json
    if not isinstance(body, dict):
        return Unreachable("an exchange was answered with something that is no object")
    return ExchangeResponse(
        reports=tuple(_verdicts(call.reports, body.get("reports"))),
        tasks=tuple(_grants(body.get("tasks"))),
        renewals=tuple(_leases(call.renewals, body.get("leases"))),
        command=_command(body.get("worker")),
    )


def _verdicts(sent: Sequence[Report], raw: Any) -> Iterator[ReportReply]:
    """One reply for each report; what carries no verdict, or another task's, is no answer."""
    for report, item in _paired(sent, raw):
        verdict = VERDICTS.get(item.get("verdict", "")) if _is_of(item, report.identity.task_id) else None
        if verdict is None:
            yield Unreachable("the server did not say what became of the report")
        else:
            detail = item.get("detail")
            yield ReportAnswer(
                verdict, strip_surrogates(detail[:MAX_DETAIL]) if isinstance(detail, str) else ""
            )


def _leases(sent: Sequence[Renewal], raw: Any) -> Iterator[LeaseReply]:
    for renewal, item in _paired(sent, raw):
        verdict = item.get("verdict") if _is_of(item, renewal.identity.task_id) else None
        seconds = number(item.get("lease_seconds"))
        if verdict == LeaseVerdict.LOST:
            yield LeaseAnswer(LeaseVerdict.LOST)
        elif verdict in {LeaseVerdict.RENEWED, LeaseVerdict.CANCEL} and seconds is not None and seconds > 0:
            yield LeaseAnswer(LeaseVerdict(verdict), seconds)
        else:
            yield Unreachable("the server did not say what became of the lease")


def _paired(sent: Sequence[T], raw: Any) -> Iterator[tuple[T, dict[str, Any]]]:
    """Verdicts come in the order sent; a missing one is an empty object."""
    items = raw if isinstance(raw, list) else []
    for place, one in enumerate(sent):
        item = items[place] if place < len(items) else {}
        yield one, item if isinstance(item, dict) else {}


def _is_of(item: dict[str, Any], task_id: str) -> bool:
    return item.get("task_id") == task_id and isinstance(item.get("verdict"), str)


def _grants(raw: Any) -> Iterator[Grant | BadGrant]:
    for task in raw if isinstance(raw, list) else []:
        yield _grant(task)


def _grant(raw: Any) -> Grant | BadGrant:
    found = raw if isinstance(raw, dict) else {}
    task_id, kind, token = found.get("id"), found.get("type"), found.get("lease_token")
    proof = token if is_valid_id(token) else None
    try:
        task = base.read_task(raw)
        seconds = number(found.get("lease_seconds"))
        if proof is None:
            raise ValueError("it has no lease_token")
        if seconds is None or seconds <= 0:
            raise ValueError(f"its lease_seconds is {found.get('lease_seconds')!r}, not a duration")
    except ValueError as error:
        readable = task_id if is_valid_id(task_id) and proof is not None else None
        return BadGrant(
            readable, strip_surrogates(kind) if isinstance(kind, str) else "?", str(error), token=proof
        )
    return Grant(task, proof, seconds)


def _command(raw: Any) -> WorkerCommand:
    return WorkerCommand(raw) if isinstance(raw, str) and raw in COMMANDS else WorkerCommand.RUN


def _given(**values: Any) -> list[str]:
    """Fields that have a value, as JSON."""
    return [f'"{name}":{_json(value)}' for name, value in values.items() if value is not None]
