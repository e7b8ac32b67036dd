"""The documented protocol, base: health, claim, complete, fail (protocol.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from reprlib import repr as short
from typing import Any

from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.outcome import Completed, Failed, Outcome, Released
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ClaimWork,
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

MAX_TASKS = 1024
MAX_WAIT = 60.0
MAX_LEASE = 86400.0
MAX_REQUEST_BYTES = 2**31
"""What is believed of a server's numbers."""


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
    if bundles.get("manage") is True:
        can = _with_batch(can, bundles.get("batch"))
    return ServerInfo(NAME, can, instance=instance, described=f"{name} {version}".strip())


def _with_batch(can: Capabilities, announced: Any) -> Capabilities:
    """What the extension `batch` allows as well; nothing when it is not announced whole."""
    bounds = announced if isinstance(announced, dict) else {}
    max_tasks, max_bytes = number(bounds.get("max_tasks")), number(bounds.get("max_bytes"))
    if max_tasks is None or max_bytes is None or max_tasks < 1 or max_bytes < 1:
        return can
    return replace(
        can,
        max_submits=int(min(max_tasks, MAX_TASKS)),
        max_submit_bytes=int(min(max_bytes, MAX_REQUEST_BYTES)),
    )


def read_bundle(announced: Any) -> Capabilities | None:
    """What the extension `exchange` allows; None when it is not announced whole, since it counts only then."""
    if not isinstance(announced, dict):
        return None
    max_tasks, max_bytes = number(announced.get("max_tasks")), number(announced.get("max_bytes"))
    max_wait, lease = number(announced.get("max_wait_seconds")), number(announced.get("lease_seconds"))
    if max_tasks is None or max_bytes is None or max_wait is None or lease is None:
        return None
    if max_tasks < 1 or max_bytes < 1 or max_wait < 0 or lease <= 0:
        return None
    return Capabilities(
        max_tasks=int(min(max_tasks, MAX_TASKS)),
        max_reports=int(min(max_tasks, MAX_TASKS)),
        max_wait_seconds=min(max_wait, MAX_WAIT),
        lease_seconds=min(lease, MAX_LEASE),
        max_request_bytes=int(min(max_bytes, MAX_REQUEST_BYTES)),
        renews=True,
        releases=True,
        creates=True,
        fences=True,
        finds_claims=True,
    )


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
        tasks = trouble if trouble is not None else _claim_reply((yield _claim_request(call.claim)))
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
    return Task(id=raw["id"], type=raw["type"], params=params, status=STATUSES[status], **read)


def _claim_request(claim: ClaimWork) -> HttpRequest:
    body = {"worker_id": claim.worker_id, "task_types": list(claim.task_types)}
    return HttpRequest("claim", "POST", ("tasks", "claim"), compact_json(body))


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
    identity = report.identity
    name, content = _content(report.outcome)
    body = f'{{"worker_id":{compact_json(identity.worker_id)},{content}}}'
    return HttpRequest(name, "POST", ("tasks", identity.task_id, name), body)


def _content(outcome: Outcome) -> tuple[str, str]:
    """The call and its part of the body; a result is JSON text already and goes as it is."""
    match outcome:
        case Completed(result=result):
            return "complete", f'"result":{result}'
        case Failed(error=error):
            return "fail", f'"error":{compact_json(truncate_utf8(error, BASE.max_error_bytes))}'
        case Released():
            raise ValueError("a base server takes nothing back: let the claim lapse")


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
