"""What workers call: health, claim, complete, fail (protocol.md, base), and all of it in one (extensions)."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Generator, Iterable

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import views
from prismq_worker_sdk.taskmanager.app_state import (
    AppState,
    admitted,
    caller_of,
    no_wrong_key,
    state_of,
    still_admitted,
)
from prismq_worker_sdk.taskmanager.claims import Wanted, take
from prismq_worker_sdk.taskmanager.config import Scope
from prismq_worker_sdk.taskmanager.ends import end_of_worker
from prismq_worker_sdk.taskmanager.exchange import RUN, Answer, claim_only, exchange, forget_wait
from prismq_worker_sdk.taskmanager.http import Route, answer, at_most, body_of, json_text, takes
from prismq_worker_sdk.taskmanager.messages import (
    ClaimItem,
    ClaimRequest,
    CompleteRequest,
    ExchangeRequest,
    FailRequest,
    ReportItem,
)
from prismq_worker_sdk.taskmanager.queries import find
from prismq_worker_sdk.taskmanager.rules import (
    MAX_BATCH_TASKS,
    MAX_ERROR_BYTES,
    MAX_LOG_BYTES,
    MAX_LOG_LINES,
    MAX_REQUEST_BYTES,
    MAX_RESULT_BYTES,
    MAX_TASKS,
)
from prismq_worker_sdk.taskmanager.workers import note_status
from prismq_worker_sdk.version import __version__

router = APIRouter(route_class=Route)
WORKER = [Depends(admitted(Scope.WORKER, by_type=True))]
SUCCESS = json_text({"status": "success"})


@router.head("/health", include_in_schema=False, dependencies=[Depends(no_wrong_key)])
@router.get("/health", tags=["base"], dependencies=[Depends(no_wrong_key)])
async def health(request: Request) -> Response:
    """Whether the server works, who it is, and what it can do; takes no key, but refuses a wrong one."""
    state = state_of(request)
    capabilities = {
        "exchange": {
            "max_tasks": MAX_TASKS,
            "max_bytes": MAX_REQUEST_BYTES,
            "max_wait_seconds": state.config.max_wait,
            "lease_seconds": state.config.lease_seconds,
        },
        "manage": True,
        "limits": True,
        "logs": {"max_lines": MAX_LOG_LINES, "max_bytes": MAX_LOG_BYTES},
        "audit": True,
        "schedules": True,
        "keys": True,
        "bulk": True,
        "batch": {"max_tasks": MAX_BATCH_TASKS, "max_bytes": MAX_REQUEST_BYTES},
        "fan_in": True,
        "alerts": True,
        "worker_status": True,
        "trace_context": True,
    }
    server = {"name": "prismq-taskmanager", "version": __version__, "instance": state.instance}
    time = views.instant(state.now())
    body = {"status": "healthy", "server": server, "time": time, "capabilities": capabilities}
    return answer(json_text(body))


@router.post("/tasks/claim", tags=["base"], dependencies=WORKER, openapi_extra=takes(ClaimRequest))
async def claim(request: Request) -> Response:
    """Hands out one task of these types; null when there is none."""
    state = state_of(request)
    asked = await body_of(request, ClaimRequest)
    caller_of(request).must_use(asked.task_types)
    state.claimants.note(asked.worker_id, asked.task_types)
    wanted = Wanted(worker_id=asked.worker_id, types=asked.task_types, seconds=state.config.claim_timeout)
    taken = await state.run(lambda db, now: take(db, wanted, now))
    state.calls.handed_out(taken.waits)
    return answer(taken.tasks[0] if taken.tasks else "null")


@router.post(
    "/tasks/{task_id}/complete", tags=["base"], dependencies=WORKER, openapi_extra=takes(CompleteRequest)
)
async def complete(request: Request, task_id: str) -> Response:
    """Takes the result of a task that this worker holds."""
    asked = await body_of(request, CompleteRequest)
    at_most(MAX_RESULT_BYTES, "result", json_text(asked.result))
    report = ReportItem(task_id=task_id, lease_token="", outcome="completed", result=asked.result)
    return await _ended(request, asked.worker_id, report)


@router.post("/tasks/{task_id}/fail", tags=["base"], dependencies=WORKER, openapi_extra=takes(FailRequest))
async def fail(request: Request, task_id: str) -> Response:
    """Takes the failure of an attempt that this worker holds."""
    asked = await body_of(request, FailRequest)
    at_most(MAX_ERROR_BYTES, "error", asked.error)
    report = ReportItem(task_id=task_id, lease_token="", outcome="failed", error=asked.error)
    return await _ended(request, asked.worker_id, report)


async def _ended(request: Request, worker_id: str, report: ReportItem) -> Response:
    state, types = state_of(request), caller_of(request).types

    def end(db: sa.Connection, now: float) -> Counter[str]:
        if types is not None:
            find(db, report.task_id, types=types)
        return end_of_worker(db, state.config, worker_id, report, now)

    ended = await state.run(end)
    state.waiting.notify(ended)
    return answer(SUCCESS)


@router.post("/tasks/exchange", tags=["exchange"], dependencies=WORKER, openapi_extra=takes(ExchangeRequest))
async def exchanged(request: Request) -> Response:
    """Reports and renewals are applied and durable first, then tasks are claimed; an empty claim may wait."""
    state, types = state_of(request), caller_of(request).types
    asked = await body_of(request, ExchangeRequest)
    caller_of(request).must_use(_types_of(asked))
    if types is not None and asked.request_id is not None:
        asked = asked.model_copy(update={"request_id": _own(asked.request_id, types)})
    if (said := asked.status) is not None:
        await state.run(lambda db, now: note_status(db, asked.worker_id, said, now))
    alone = not (asked.reports or asked.leases or asked.pauses)
    if asked.claim is not None:
        state.claimants.note(asked.worker_id, asked.claim.task_types)
        joined = await state.waiting.joined((asked.worker_id, asked.request_id))
        if joined is not None and alone:
            return answer((joined[0] or Answer()).text())
        if alone and asked.claim.wait_seconds:
            return answer((await _waited(request, state, asked, asked.claim)).text())
    found = await state.run(lambda db, now: exchange(db, state.config, asked, now, types=types))
    state.waiting.notify(found.freed)
    state.calls.handed_out(found.waits)
    return answer(found.text())


def _own(request_id: str, types: Iterable[str]) -> str:
    """The id under which a request of a key that is bound to types is known: it repeats none of another key's."""
    return hashlib.sha256(json_text([sorted(types), request_id]).encode()).hexdigest()


def _types_of(asked: ExchangeRequest) -> Generator[str, None, None]:
    """What a key that is bound to task types must be bound to: a token proves the rest."""
    if asked.claim is not None:
        yield from asked.claim.task_types
    for report in asked.reports:
        yield from (child.type for child in report.children)
        if report.then is not None:
            yield report.then.type


async def _waited(request: Request, state: AppState, asked: ExchangeRequest, claim: ClaimItem) -> Answer:
    """What a claim finds at once, or within the seconds that it may wait."""
    waiting, found = state.waiting, None
    types = caller_of(request).types
    wait_id = secrets.token_hex(16) if state.config.is_shared and asked.request_id else None

    async def look() -> Answer | None:
        still_admitted(request)
        return await state.run(lambda db, now: claim_only(db, state.config, asked, now, wait_id))

    most = min(claim.max_tasks, MAX_TASKS)
    wait = waiting.enter((asked.worker_id, asked.request_id), claim.task_types, most)
    try:
        found = await state.run(lambda db, now: exchange(db, state.config, asked, now, wait_id, types))
        if not found.tasks and found.command == RUN:
            wait.written = wait_id
            seconds = min(claim.wait_seconds, state.config.max_wait)
            found = await waiting.until(wait, seconds, look, request.is_disconnected)
        if found is not None:
            state.calls.handed_out(found.waits)
        if found is not None and len(found.tasks) >= most:
            waiting.notify(dict.fromkeys(claim.task_types, 1))  # there may be more for the next one
    finally:
        waiting.leave(wait, found)
    if found is None and wait_id is not None:
        await state.run(lambda db, _now: forget_wait(db, wait_id))
    return found or Answer()
