"""The documented protocol, base: health, claim, complete, fail (protocol.md)."""

from __future__ import annotations

import json
from reprlib import repr as short
from typing import Any

from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.outcome import Completed, Failed, Outcome, Released
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ClaimWork,
    Conflict,
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
from prismq_worker_sdk.wire.dialects import Steps
from prismq_worker_sdk.wire.dialects.bundles import bundle
from prismq_worker_sdk.wire.dialects.reading import (
    detail_of,
    failure_of,
    instant,
    plain,
    rejected,
    strict_params,
    usable,
)
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest

__all__ = ["NAME", "exchange", "read_health", "read_task"]

NAME = "v1"

LARGEST_WHOLE = 2**53
"""Whole numbers up to here mean the same to everyone who reads JSON."""


def read_health(body: Any) -> ServerInfo | None:
    """What a health answer tells of a v1 server; None when it is none of this dialect."""
    if not isinstance(body, dict) or not isinstance(body.get("status"), str) or "success" in body:
        return None
    server = body.get("server")
    said = server if isinstance(server, dict) else {}
    name, version, instance = (
        plain(value) if isinstance(value := said.get(field), str) else ""
        for field in ("name", "version", "instance")
    )
    announced = body.get("capabilities")
    extended = bundle(announced.get("exchange")) if isinstance(announced, dict) else None
    return ServerInfo(NAME, extended or BASE, instance=instance, described=f"{name} {version}".strip())


def exchange(call: ExchangeRequest) -> Steps:
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
        tasks = trouble if trouble is not None else _claim_reply((yield _claim_request(call.claim)))
    return ExchangeResponse(tuple(replies), tasks)


def read_task(raw: Any) -> Task:
    """A Task of the wire.

    Raises:
        ValueError: It lacks an id, a type or an object of params, or a field cannot be read; names the field.
    """
    if not isinstance(raw, dict):
        raise ValueError(f"a task is an object, not {type(raw).__name__}")
    for name in ("id", "type"):
        if not usable(raw.get(name)):
            raise ValueError(f"its {name} is {short(raw.get(name))}, not a usable text")
    params = raw.get("params", {})
    if not isinstance(params, dict):
        raise ValueError(f"its params are {type(params).__name__}, not an object")
    return Task(
        id=raw["id"],
        type=raw["type"],
        params=strict_params(params),
        status=_read(raw, "status", TaskStatus) or TaskStatus.PENDING,
        created_at=_read(raw, "created_at", instant),
        claimed_at=_read(raw, "claimed_at", instant),
        completed_at=_read(raw, "completed_at", instant),
        not_before=_read(raw, "not_before", instant),
        attempt=_read(raw, "attempt", _whole),
        max_attempts=_read(raw, "max_attempts", _whole),
        priority=_read(raw, "priority", _whole),
        progress=_read(raw, "progress", float),
        **{
            name: raw.get(name)
            for name in ("worker_id", "result", "error", "checkpoint", "message", "parent_id")
        },
    )


def _read(raw: dict[str, Any], name: str, read: Any) -> Any:
    value = raw.get(name)
    if value is None:
        return None
    try:
        return read(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ValueError(f"its {name} is {short(value)}, which cannot be read") from None


def _whole(value: Any) -> int:
    number = int(value)
    if abs(number) > LARGEST_WHOLE:
        raise ValueError(f"{number} is too large")
    return number


def _claim_request(claim: ClaimWork) -> HttpRequest:
    body = {"worker_id": claim.worker_id, "task_types": list(claim.task_types)}
    return HttpRequest("claim", "POST", ("tasks", "claim"), _compact(body))


def _claim_reply(reply: HttpReply | Unreachable) -> tuple[Grant | BadGrant, ...] | Failure:
    if isinstance(reply, Unreachable):
        return reply
    failure = failure_of(reply)
    if failure is not None:
        return failure
    match reply.status:
        case 404:
            return ()
        case 409:
            return Conflict()
        case 200 if reply.json is None:
            return ()
        case 200 if isinstance(reply.json, dict):
            return (_grant(reply.json),)
        case 200:
            return Unreachable("a claim was answered with something that is no task")
        case _:
            return rejected(reply)


def _grant(raw: dict[str, Any]) -> Grant | BadGrant:
    try:
        return Grant(read_task(raw))
    except ValueError as error:
        found, kind = raw.get("id"), raw.get("type")
        return BadGrant(found if usable(found) else None, kind if usable(kind) else "?", str(error))


def _report_request(report: Report) -> HttpRequest:
    identity = report.identity
    name, said = _content(report.outcome)
    worker = json.dumps(identity.worker_id, ensure_ascii=False)
    body = f'{{"worker_id":{worker},{said}}}'
    return HttpRequest(name, "POST", ("tasks", identity.task_id, name), body)


def _content(outcome: Outcome) -> tuple[str, str]:
    """The call and its part of the body; a result is JSON text already and goes as it is."""
    match outcome:
        case Completed(result=result):
            return "complete", f'"result":{result}'
        case Failed(error=error):
            return "fail", f'"error":{json.dumps(_within(error), ensure_ascii=False)}'
        case Released():
            raise ValueError("a base server takes nothing back: let the claim lapse")


def _within(error: str) -> str:
    data = error.encode("utf-8", "replace")
    return data[: BASE.max_error_bytes].decode("utf-8", "ignore")


def _report_reply(reply: HttpReply | Unreachable) -> ReportReply:
    if isinstance(reply, Unreachable):
        return reply
    failure = failure_of(reply)
    if failure is not None:
        return failure
    match reply.status:
        case 200 if isinstance(reply.json, dict):
            return ReportAnswer(Verdict.ACCEPTED)
        case 200:
            return Unreachable("a report was answered with something that is no verdict")
        case 404 if not _knows_tasks(reply):
            return UnrecognisedServer("HTTP 404 Not Found: this path does not exist there")
        case 404:
            return ReportAnswer(Verdict.MISSING, detail_of(reply))
        case 409:
            return ReportAnswer(Verdict.CONFLICT, detail_of(reply))
        case 413 | 422:
            return ReportAnswer(Verdict.REFUSED, detail_of(reply))
        case _:
            return rejected(reply)


def _knows_tasks(reply: HttpReply) -> bool:
    """Whether a JSON 404 speaks of a task; FastAPI's own answer to an unknown path does not (R33)."""
    return bool(reply.json != {"detail": "Not Found"})


def _compact(body: object) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
