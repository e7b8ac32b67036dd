"""The documented protocol, base: health, claim, complete, fail (protocol.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ulp
from reprlib import repr as short
from typing import Any

from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.outcome import Completed, Failed, Released
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    Conflict,
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    Grant,
    ReportAnswer,
    ReportReply,
    ServerInfo,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpReply, HttpRequest, Steps, compact_json
from prismq_worker_sdk.wire.reading import (
    detail_of,
    failure_of,
    instant,
    is_valid_id,
    number,
    rejected,
    strict_params,
    strip_surrogates,
    truncate_utf8,
    whole,
)

NAME = "v1"

STATUSES: dict[str | None, TaskStatus] = {None: TaskStatus.PENDING, **{str(one): one for one in TaskStatus}}

READERS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("created_at", instant),
    ("claimed_at", instant),
    ("completed_at", instant),
    ("not_before", instant),
    ("attempt", whole),
    ("max_attempts", whole),
    ("priority", whole),
    ("progress", float),
)
AS_THEY_ARE = ("worker_id", "result", "error", "checkpoint", "message", "parent_id")
"""The fields of a task beside its id, type, params and status."""

BATCH = {"max_tasks": (1, 1024), "max_bytes": (1, 2**31)}
LOGS = {"max_lines": (1, 1000), "max_bytes": (1, 256 * 1024)}
EXCHANGE = {**BATCH, "max_wait_seconds": (0, 60.0), "lease_seconds": (ulp(0.0), 86400.0)}
"""The numbers of the extensions: the least that can be meant, and the most that is believed."""


def read_health(reply: HttpReply) -> ServerInfo | None:
    """What a health answer tells of a v1 server; None when it is none of this dialect."""
    body = reply.json
    if not isinstance(body, dict) or not isinstance(body.get("status"), str) or "success" in body:
        return None
    server = body.get("server")
    given = server if isinstance(server, dict) else {}
    name, version, instance = (
        strip_surrogates(value) if isinstance(value := given.get(field), str) else ""
        for field in ("name", "version", "instance")
    )
    announced = body.get("capabilities")
    bundles = announced if isinstance(announced, dict) else {}
    can = read_bundle(bundles.get("exchange")) or BASE
    can = replace(
        can,
        follows=can.creates and bundles.get("fan_in") is True,
        limits=can.renews and bundles.get("limits") is True,
        takes_status=can.renews and bundles.get("worker_status") is True,
        keeps_trace=bundles.get("trace_context") is True,
    )
    batch = _numbers(bundles.get("batch"), BATCH) if bundles.get("manage") is True else None
    if batch is not None:
        can = replace(can, max_submits=int(batch["max_tasks"]), max_submit_bytes=int(batch["max_bytes"]))
    logs = _numbers(bundles.get("logs"), LOGS) if can.renews else None
    if logs is not None:
        can = replace(can, max_log_lines=int(logs["max_lines"]), max_log_bytes=int(logs["max_bytes"]))
    return ServerInfo(NAME, can, instance=instance, described=f"{name} {version}".strip())


def read_bundle(announced: Any) -> Capabilities | None:
    """What the extension `exchange` allows; None when it is not announced whole, since it counts only then."""
    found = _numbers(announced, EXCHANGE)
    if found is None:
        return None
    return Capabilities(
        max_tasks=int(found["max_tasks"]),
        max_reports=int(found["max_tasks"]),
        max_wait_seconds=found["max_wait_seconds"],
        lease_seconds=found["lease_seconds"],
        max_request_bytes=int(found["max_bytes"]),
        renews=True,
        releases=True,
        creates=True,
        fences=True,
        finds_claims=True,
    )


def _numbers(announced: Any, bounds: Mapping[str, tuple[float, float]]) -> dict[str, float] | None:
    found: dict[str, float] = {}
    for name, (least, most) in bounds.items():
        value = number(announced.get(name)) if isinstance(announced, dict) else None
        if value is None or value < least:
            return None
        found[name] = min(value, most)
    return found


def finds_no_task(reply: HttpReply) -> bool:
    """Whether a claim found nothing; `null` does, too, but is no error of HTTP."""
    return reply.status == 404 and reply.is_json  # noqa: PLR2004


def exchange(call: ExchangeRequest) -> Steps[ExchangeReply]:
    """Reports one by one, then the claim; each with its own reply.

    A claim is not sent once a report met a server that does not answer.
    """
    replies: list[ReportReply] = []
    for report in call.reports:
        if isinstance(report.outcome, Released):
            replies.append(ReportAnswer(Verdict.LOST, "a base server takes nothing back; the claim lapses"))
            continue
        answer = yield _report_request(report)
        replies.append(_report_reply(answer))
    tasks: tuple[Grant | BadGrant, ...] | Failure = ()
    if call.claim is not None:
        trouble = next((reply for reply in replies if isinstance(reply, Unreachable)), None)
        body = {"worker_id": call.claim.worker_id, "task_types": list(call.claim.task_types)}
        request = HttpRequest("claim", "POST", ("tasks", "claim"), compact_json(body))
        tasks = trouble if trouble is not None else _claim_reply((yield request))
    return ExchangeResponse(tuple(replies), tasks)


def read_task(raw: Any) -> Task:
    """A Task of the wire.

    Raises:
        ValueError: It lacks an id, a type or an object of params, or a field cannot be read; names the field.
    """
    if not isinstance(raw, dict):
        raise ValueError(f"a task is an object, not {type(raw).__name__}")
    read: dict[str, Any] = {name: raw[name] for name in AS_THEY_ARE if name in raw}
    for name in ("id", "type"):
        if not is_valid_id(raw.get(name)):
            raise ValueError(f"its {name} is {short(raw.get(name))}, not a usable text")
    params = raw.get("params", {})
    if not isinstance(params, dict):
        raise ValueError(f"its params are {type(params).__name__}, not an object")
    status = raw.get("status")
    if not isinstance(status, str | None) or status not in STATUSES:
        raise ValueError(f"its status is {short(status)}, which cannot be read")
    strict_params(params)
    for name, reader in READERS:
        value = raw.get(name)
        if value is not None:
            try:
                read[name] = reader(value)
            except (ValueError, TypeError, OverflowError, RecursionError):
                raise ValueError(f"its {name} is {short(value)}, which cannot be read") from None
    if raw.get("traceparent") is not None:
        read["trace"] = TraceContext.read(raw["traceparent"], raw.get("tracestate"))
    return Task(id=raw["id"], type=raw["type"], params=params, status=STATUSES[status], **read)


def _claim_reply(answer: HttpAnswer) -> tuple[Grant | BadGrant, ...] | Failure:
    if isinstance(answer, Unreachable):
        return answer
    failure = failure_of(answer)
    if failure is not None:
        return failure
    match answer.status:
        case 404:
            return ()
        case 409:
            return Conflict()
        case 200 if answer.json is None:
            return ()
        case 200 if isinstance(answer.json, dict):
            return (_grant(answer.json),)
        case 200:
            return Unreachable("a claim was answered with something that is no task")
        case _:
            return rejected(answer)


def _grant(raw: dict[str, Any]) -> Grant | BadGrant:
    try:
        return Grant(read_task(raw))
    except ValueError as error:
        found, kind = raw.get("id"), raw.get("type")
        return BadGrant(found if is_valid_id(found) else None, kind if is_valid_id(kind) else "?", str(error))


def _report_request(report: Report) -> HttpRequest:
    """A result is JSON text already and goes as it is."""
    identity = report.identity
    match report.outcome:
        case Completed(result=result):
            name, content = "complete", f'"result":{result}'
        case Failed(error=error):
            name, content = "fail", f'"error":{compact_json(truncate_utf8(error, BASE.max_error_bytes))}'
        case Released():
            raise ValueError("a base server takes nothing back: let the claim lapse")
    body = f'{{"worker_id":{compact_json(identity.worker_id)},{content}}}'
    return HttpRequest(name, "POST", ("tasks", identity.task_id, name), body)


def _report_reply(answer: HttpAnswer) -> ReportReply:
    if isinstance(answer, Unreachable):
        return answer
    failure = failure_of(answer)
    if failure is not None:
        return failure
    match answer.status:
        case 200 if isinstance(answer.json, dict):
            return ReportAnswer(Verdict.ACCEPTED)
        case 200:
            return Unreachable("a report was answered with something that is no verdict")
        case 404 if is_unknown_path(answer):
            return UnrecognisedServer("HTTP 404 Not Found: this path does not exist there")
        case 404:
            return ReportAnswer(Verdict.MISSING, detail_of(answer))
        case 409:
            return ReportAnswer(Verdict.CONFLICT, detail_of(answer))
        case 413 | 422:
            return ReportAnswer(Verdict.REFUSED, detail_of(answer))
        case _:
            return rejected(answer)


def is_unknown_path(reply: HttpReply) -> bool:
    """Whether a JSON 404 is FastAPI's own answer to a path that it does not know, and speaks of no task (R33)."""
    return bool(reply.json == {"detail": "Not Found"})
