"""The bundle `exchange` of v1: reports, renewals and a claim in one request (protocol.md, extensions)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.log import LogPart
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Follower, Released
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    ExtensionGone,
    Grant,
    LeaseAnswer,
    LeaseReply,
    LeaseVerdict,
    LimitPause,
    Renewal,
    ReportAnswer,
    ReportReply,
    Unreachable,
    WorkerCommand,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.model.told_status import ToldStatus
from prismq_worker_sdk.wire.dialects.v1 import base
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpReply, HttpRequest, Steps, given
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
TOO_MUCH = {413, 422}
COMMANDS = {str(command): command for command in WorkerCommand}


def exchange(call: ExchangeRequest, can: Capabilities) -> Steps[ExchangeReply]:
    """Everything of the call in one request, where the server has the bundle."""
    if not can.renews:
        return (yield from base.exchange(call))
    if None in [report.identity.token for report in call.reports]:
        return (yield from _in_two_ways(call, can))
    if not can.follows and any(map(_has_follower, call.reports)):
        return (yield from _without_followers(call, can))
    if not can.max_log_lines:
        call = _without_logs(call)
    reply = yield _request(call)
    if isinstance(reply, HttpReply) and reply.status in TOO_MUCH and (bare := _bare(call)) != call:
        call = bare  # no line and no word for people keeps a report or a renewal from passing
        reply = yield _request(call)
    return _response(call, reply)


def _without_logs(call: ExchangeRequest) -> ExchangeRequest:
    """The same call with nothing of what was logged; itself where there is nothing."""
    if not any(report.log for report in call.reports) and not any(one.log for one in call.renewals):
        return call
    return replace(
        call,
        reports=tuple(replace(report, log=None) for report in call.reports),
        renewals=tuple(replace(renewal, log=None) for renewal in call.renewals),
    )


def _bare(call: ExchangeRequest) -> ExchangeRequest:
    """The same call with nothing that is for people only."""
    reports = tuple(
        replace(report, children=tuple(replace(child, trace=None) for child in report.children))
        for report in call.reports
    )
    return _without_logs(replace(call, status=None, reports=reports))


def _in_two_ways(call: ExchangeRequest, can: Capabilities) -> Steps[ExchangeReply]:
    """Reports of claims without a token go the way of the base; the replies come in the order of the reports."""
    reports = call.reports
    without = tuple(report for report in reports if report.identity.token is None)
    rest = replace(call, reports=tuple(report for report in reports if report.identity.token is not None))
    singly = yield from base.exchange(ExchangeRequest(reports=without))
    found: ExchangeReply = ExchangeResponse()
    if _says_something(rest):
        found = yield from exchange(rest, can)
    if not isinstance(found, ExchangeResponse):
        tasks = () if call.claim is None else found
        found = ExchangeResponse((found,) * len(rest.reports), tasks, (found,) * len(call.renewals))
    by_base = iter(singly.reports if isinstance(singly, ExchangeResponse) else ())
    by_bundle = iter(found.reports)
    return replace(
        found, reports=tuple(next(by_base if one.identity.token is None else by_bundle) for one in reports)
    )


def _says_something(call: ExchangeRequest) -> bool:
    asked = (call.reports, call.renewals, call.pauses)
    return any(asked) or call.claim is not None or call.status is not None


def _has_follower(report: Report) -> bool:
    return any(isinstance(child, Follower) for child in report.children)


def _without_followers(call: ExchangeRequest, can: Capabilities) -> Steps[ExchangeReply]:
    """Refuses reports whose follower this server would pass over: it is another one than when that was asked for."""
    rest = replace(call, reports=tuple(one for one in call.reports if not _has_follower(one)))
    found: ExchangeReply = ExchangeResponse()
    if _says_something(rest):
        found = yield from exchange(rest, can)
    if not isinstance(found, ExchangeResponse):
        return found
    refused = ReportAnswer(Verdict.REFUSED, "the server creates no task that follows the children (fan_in)")
    replies = iter(found.reports)
    return replace(
        found, reports=tuple(refused if _has_follower(one) else next(replies) for one in call.reports)
    )


def _request(call: ExchangeRequest) -> HttpRequest:
    """Results and checkpoints are JSON text already and go as they are; counted as what it mostly is for."""
    name, wait = "renew" if call.renewals else "claim", 0.0
    parts = [f'"worker_id":{_json(call.worker_id)}']
    if call.request_id:
        parts.append(f'"request_id":{_json(call.request_id)}')
    if call.reports:
        name = "report"
        parts.append(f'"reports":[{",".join(map(_report, call.reports))}]')
    if call.renewals:
        parts.append(f'"leases":[{",".join(map(_renewal, call.renewals))}]')
    if call.pauses:
        parts.append(f'"pauses":[{",".join(map(_pause, call.pauses))}]')
    if call.status is not None:
        parts.append(_status(call.status))
    if call.claim is not None:
        wait = call.claim.wait_seconds
        wanted = {
            "task_types": list(call.claim.task_types),
            "max_tasks": call.claim.max_tasks,
            "wait_seconds": wait,
        }
        parts.append(f'"claim":{_json(wanted)}')
    body = f"{{{','.join(parts)}}}"
    if not body.isascii():
        body = strip_surrogates(body)
    return HttpRequest(name, "POST", ("tasks", "exchange"), body, wait=wait, within=call.within)


def _report(report: Report) -> str:
    identity = report.identity
    parts = [f'"task_id":{_json(identity.task_id)}', f'"lease_token":{_json(identity.token or "")}']
    match report.outcome:
        case Completed(result=result):
            parts += ['"outcome":"completed"', f'"result":{result}']
        case Failed() as failed:
            error = truncate_utf8(failed.error, BASE.max_error_bytes)
            parts += ['"outcome":"failed"', f'"error":{_json(error)}']
            parts += _given(
                error_type=failed.error_type or None,
                retryable=failed.retryable,
                delay_seconds=failed.delay_seconds,
            )
        case Released(reason=reason, delay_seconds=delay):
            parts += ['"outcome":"released"', f'"error":{_json(truncate_utf8(reason, BASE.max_error_bytes))}']
            parts += _given(delay_seconds=delay or None)
    if report.checkpoint is not None:
        parts.append(f'"checkpoint":{report.checkpoint}')
    parts += _children(report.children)
    if report.log is not None and not report.passed:  # one that others overtake must not be held up by it
        parts.append(_log(report.log))
    return f"{{{','.join(parts)}}}"


def _children(children: tuple[Child, ...]) -> list[str]:
    """What is created with a result, and what once that has ended."""
    followers = [one for one in children if isinstance(one, Follower)]
    parts = [f'"then":{{{_new_task(one)}' for one in followers]
    if len(children) > len(followers):
        new = [
            f'{{"key":{_json(one.key)},{_new_task(one)}' for one in children if not isinstance(one, Follower)
        ]
        parts.append(f'"children":[{",".join(new)}]')
    return parts


def _new_task(child: Child) -> str:
    parts = [f'"type":{_json(child.type)},"params":{child.params}', *_given(priority=child.priority)]
    if (trace := child.trace) is not None:
        parts += _given(traceparent=trace.parent, tracestate=trace.state or None)
    return f"{','.join(parts)}}}"


def _renewal(renewal: Renewal) -> str:
    identity = renewal.identity
    parts = [f'"task_id":{_json(identity.task_id)}', f'"lease_token":{_json(identity.token or "")}']
    parts += _given(progress=renewal.progress, message=renewal.message or None)
    if renewal.checkpoint is not None:
        parts.append(f'"checkpoint":{renewal.checkpoint}')
    if renewal.log is not None:
        parts.append(_log(renewal.log))
    return f"{{{','.join(parts)}}}"


def _log(log: LogPart) -> str:
    lines = [{"at": line.at, "level": line.level, "text": line.text} for line in log.lines]
    return f'"log":{{"first":{log.first},"logged":{log.logged},"lines":{_json(lines)}}}'


def _pause(pause: LimitPause) -> str:
    parts = _given(name=pause.name, seconds=pause.seconds, reason=pause.reason or None)
    return f"{{{','.join(parts)}}}"


def _status(status: ToldStatus) -> str:
    closed = [
        given({"type": one.type, "reason": one.reason, "seconds": one.seconds}) for one in status.closed
    ]
    said = {
        "version": status.version,
        "host": status.host,
        "pid": status.pid,
        "started_at": status.started_at,
        "state": status.state,
        "slots": status.slots,
        "task_types": status.task_types,
        "closed": closed,
        "trouble": status.trouble or None,
        "plugins": [{"name": name, "version": version or None} for name, version in status.plugins],
    }
    return f'"status":{_json(given(said))}'


def _response(call: ExchangeRequest, reply: HttpAnswer) -> ExchangeReply:
    """What an answer means, read in one pass; verdicts come in the order sent."""
    if isinstance(reply, Unreachable):
        return reply
    body = reply.json
    if reply.status != 200 or not isinstance(body, dict):  # noqa: PLR2004
        return _trouble(call, reply)
    tasks, command = body.get("tasks"), body.get("worker")
    return ExchangeResponse(
        reports=tuple(map(_verdict, call.reports, _items(body.get("reports"), len(call.reports))))
        if call.reports
        else (),
        tasks=tuple(map(_grant, tasks)) if isinstance(tasks, list) else (),
        renewals=tuple(map(_lease, call.renewals, _items(body.get("leases"), len(call.renewals))))
        if call.renewals
        else (),
        command=COMMANDS.get(command, WorkerCommand.RUN) if isinstance(command, str) else WorkerCommand.RUN,
    )


def _trouble(call: ExchangeRequest, reply: HttpReply) -> ExchangeReply:
    if reply.status in {404, 405, 501}:
        return ExtensionGone(f"HTTP {reply.status} on tasks/exchange, which this server had announced")
    if (failure := failure_of(reply)) is not None:
        return failure
    if reply.status == 200:  # noqa: PLR2004
        return Unreachable("an exchange was answered with something that is no object")
    if reply.status in TOO_MUCH and len(call.reports) == 1 and not call.renewals and call.claim is None:
        return ExchangeResponse((ReportAnswer(Verdict.REFUSED, detail_of(reply)),))
    return rejected(reply)


def _items(raw: Any, count: int) -> list[dict[str, Any]]:
    """An object for each that was sent, an empty one for what is missing."""
    items = [item if isinstance(item, dict) else {} for item in raw[:count]] if isinstance(raw, list) else []
    return items + [{}] * (count - len(items))


def _verdict(report: Report, item: dict[str, Any]) -> ReportReply:
    verdict, detail = item.get("verdict"), item.get("detail")
    known = VERDICTS.get(verdict) if isinstance(verdict, str) else None
    if known is None or item.get("task_id") != report.identity.task_id:
        return Unreachable("the server did not say what became of the report")
    return ReportAnswer(known, strip_surrogates(detail[:MAX_DETAIL]) if isinstance(detail, str) else "")


def _lease(renewal: Renewal, item: dict[str, Any]) -> LeaseReply:
    verdict = item.get("verdict") if item.get("task_id") == renewal.identity.task_id else None
    if verdict == LeaseVerdict.LOST:
        return LeaseAnswer(LeaseVerdict.LOST)
    seconds = number(item.get("lease_seconds"))
    if verdict in (LeaseVerdict.RENEWED, LeaseVerdict.CANCEL) and seconds is not None and seconds > 0:
        return LeaseAnswer(LeaseVerdict(verdict), seconds)
    return Unreachable("the server did not say what became of the lease")


def _grant(raw: Any) -> Grant | BadGrant:
    found = raw if isinstance(raw, dict) else {}
    token, seconds = found.get("lease_token"), found.get("lease_seconds")
    try:
        task, lease = base.read_task(raw), number(seconds)
        if not is_valid_id(token):
            raise ValueError("it has no lease_token")
        if lease is None or lease <= 0:
            raise ValueError(f"its lease_seconds is {seconds!r}, not a duration")
    except ValueError as error:
        task_id, kind = found.get("id"), found.get("type")
        proof = token if is_valid_id(token) else None
        readable = task_id if is_valid_id(task_id) and proof is not None else None
        kind = strip_surrogates(kind) if isinstance(kind, str) else "?"
        return BadGrant(readable, kind, str(error), token=proof)
    return Grant(task, token, lease)


def _given(**values: Any) -> list[str]:
    """Fields that have a value, as JSON."""
    return [f'"{name}":{_json(value)}' for name, value in values.items() if value is not None]
