"""Claims that are proved by a token: handing out, renewing, reporting (protocol.md, exchange; R2, R6 to R8, R28)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import producing, statements, transitions
from prismq_worker_sdk.taskmanager.claiming import Asked, take
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.exchange_messages import LeaseItem, ReportItem, Wanted
from prismq_worker_sdk.taskmanager.messages import NewTask, json_text
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.rules import (
    MAX_CHECKPOINT_BYTES,
    MAX_ERROR_BYTES,
    MAX_PARAMS_BYTES,
    MAX_REQUEST_BYTES,
    MAX_RESULT_BYTES,
    after_failure,
)
from prismq_worker_sdk.taskmanager.tables import tasks

__all__ = ["Granted", "claim", "renew", "report", "spare", "still_held"]

Row = sa.Row[Any]

ENVELOPE_BYTES = 2048
"""What a task takes in an answer beside its params, checkpoint, error and message, at most."""

MAX_TASK_BYTES = MAX_PARAMS_BYTES + MAX_CHECKPOINT_BYTES + MAX_ERROR_BYTES + 2 * ENVELOPE_BYTES


@dataclass(frozen=True, slots=True)
class Granted:
    """A task that was handed out under a token."""

    task: Row
    token: str
    lease_seconds: float
    attempt: int


def claim(
    db: sa.Connection,
    config: TaskManagerConfig,
    worker_id: str,
    request_id: str | None,
    wanted: Wanted,
    now: float,
) -> list[Granted]:
    """Hands out tasks, at most `max_tasks` and no more bytes than an answer may have, each under its own token."""

    def lease() -> transitions.Lease:
        return transitions.Lease(config.lease_seconds, secrets.token_urlsafe(24), request_id)

    asked = Asked(worker_id, wanted.task_types, lease)
    found: list[Granted] = []
    room = MAX_REQUEST_BYTES
    while (most := min(wanted.max_tasks - len(found), room // MAX_TASK_BYTES)) > 0:
        ids = take(db, asked, most, now)
        rows = db.execute(statements.GRANTED, {"ids": ids}).all() if ids else []
        found += [Granted(row, row.token, config.lease_seconds, row.attempt) for row in rows]
        room -= sum(map(_bytes, rows))
        if len(ids) < most:
            break
    return found


def still_held(db: sa.Connection, worker_id: str, request_id: str, now: float) -> list[Granted]:
    """What an earlier sending of this request was given and still holds, with the seconds that remain (R6)."""
    request = {"request_id": request_id, "worker_id": worker_id, "now": now}
    rows = db.execute(statements.STILL_HELD, request)
    return [Granted(row, row.token, row.claim_expires_at - now, row.attempt) for row in rows]


def spare(db: sa.Connection, until: float) -> None:
    """Lets every claim under a token live until then, so that a restart of the server takes none away (R8)."""
    db.execute(
        tasks.update()
        .where(tasks.c.status == "processing", tasks.c.leased == 1, tasks.c.claim_expires_at < until)
        .values(claim_expires_at=until)
    )


def renew(db: sa.Connection, config: TaskManagerConfig, item: LeaseItem, now: float) -> dict[str, Any]:
    """The verdict on one renewal: `renewed`, `cancel` or `lost`."""
    held = _find(db, item.task_id, item.lease_token)
    if held is None or not _is_current(held):
        return {"task_id": item.task_id, "verdict": "lost"}
    values: dict[str, Any] = {"claim_expires_at": now + config.lease_seconds, **_confirmed(held)}
    if item.progress is not None:
        values |= {"progress": item.progress, "message": item.message}
    checkpoint = _checkpoint(item.checkpoint)
    if checkpoint is not None:
        values["checkpoint"] = checkpoint
    if held.status == "failed":
        values |= {"status": "processing", "completed_at": None, "error": None, "error_type": None}
    if not _change(db, held, values, {} if held.confirmed else {"confirmed": 1}):
        return {"task_id": item.task_id, "verdict": "lost"}
    verdict = "cancel" if held.cancel_asked else "renewed"
    return {"task_id": item.task_id, "verdict": verdict, "lease_seconds": config.lease_seconds}


def report(db: sa.Connection, config: TaskManagerConfig, item: ReportItem, now: float) -> dict[str, Any]:
    """The verdict on one report: `accepted`, `duplicate`, `lost`, `unknown` or `refused`; idempotent (R28)."""
    held = _find(db, item.task_id, item.lease_token)
    if held is None:
        return _said(item, "unknown", "this token was never given out for this task")
    result = json_text(item.result)
    outcome = f"{item.outcome} {_digest(item, result)}"
    if held.outcome is not None:
        if held.outcome == outcome:
            return _said(item, "duplicate")
        first = held.outcome.split()[0]
        return _said(item, "refused", f"this claim was reported before, as {first}")
    if not _is_current(held):
        return _said(item, "lost", f"the task is {held.status}, under a later claim or none")
    refusal = _unfit(item, result) or _create_children(db, config, item, now)
    if refusal is not None:
        return _said(item, "refused", refusal)
    values, verdict = _ended(config, held, item, result, now)
    ended = {"verdict": verdict, "outcome": outcome, "error": item.error or None, "ended_at": now}
    if not _change(db, held, values, {"confirmed": 1, **ended}):
        raise RuntimeError(f"task {held.id} changed inside the transaction that reports it")
    return _said(item, "accepted")


def _find(db: sa.Connection, task_id: str, token: str) -> Row | None:
    return db.execute(statements.HELD, {"the_id": task_id, "token": token}).first()


def _is_current(held: Row) -> bool:
    """Whether the task was not claimed again since; a claim that ran out is valid until then (R8)."""
    expired = held.status == "failed" and held.error_type == transitions.EXPIRED
    return bool(held.claim == held.held and (held.status == "processing" or expired))


def _confirmed(held: Row) -> dict[str, Any]:
    """What changes when a claim shows its first sign of life: the attempt counts from now on (R7)."""
    return {} if held.confirmed else {"attempts": held.attempts + 1, "unconfirmed": 0}


def _change(db: sa.Connection, held: Row, task: dict[str, Any], claim: dict[str, Any]) -> bool:
    """Sets both, while the claim is the task's current one."""
    mine = {"the_id": held.id, "the_claim": held.held}
    if db.execute(statements.OF_CLAIM, mine | task).rowcount != 1:
        return False
    if claim:
        db.execute(statements.END_OF_CLAIM, {"the_claim": held.held, **claim})
    return True


def _ended(
    config: TaskManagerConfig, held: Row, item: ReportItem, result: str, now: float
) -> tuple[dict[str, Any], str]:
    """What a report makes of its task, and how its claim ended."""
    attempts = held.attempts + (0 if held.confirmed else 1)
    values: dict[str, Any] = {"error": item.error or None, "error_type": item.error_type}
    verdict: str = item.outcome
    wait: float | None = None
    if item.outcome == "completed":
        values = {"status": "completed", "result": result, "error": None, "error_type": None}
    elif held.cancel_asked:
        values = {"status": "failed", **transitions.CANCELLED}
        verdict = "cancelled"
    elif item.outcome == "released":
        wait = item.delay_seconds or 0.0
        attempts -= 1
    else:
        wait = after_failure(
            attempts,
            held.max_attempts,
            retryable=item.retryable,
            delay=item.delay_seconds,
            first=config.backoff,
            ceiling=config.backoff_ceiling,
        )
    if wait is not None:
        values |= {"status": "pending", "not_before": now + wait, "worker_id": None}
    else:
        values |= {"status": values.get("status", "failed"), "completed_at": now}
    checkpoint = _checkpoint(item.checkpoint)
    if checkpoint is not None:
        values["checkpoint"] = checkpoint
    return {**_confirmed(held), **values, "attempts": attempts}, verdict


def _create_children(
    db: sa.Connection, config: TaskManagerConfig, item: ReportItem, now: float
) -> str | None:
    """Creates the children of a completed report (R22); why they cannot be, None when they are."""
    if item.outcome != "completed" or not item.children:
        return None
    try:
        with db.begin_nested():
            for child in item.children:
                new = NewTask(
                    type=child.type,
                    params=child.params,
                    priority=child.priority,
                    dedupe_key=child.key,
                    parent_id=item.task_id,
                )
                producing.create(db, config, new, now)
    except Problem as problem:
        return f"a child task does not fit: {problem.detail}"
    return None


def _unfit(item: ReportItem, result: str) -> str | None:
    sizes: Sequence[tuple[str, str, int]] = (
        ("result", result, MAX_RESULT_BYTES),
        ("error", item.error, MAX_ERROR_BYTES),
        ("checkpoint", "" if item.checkpoint is None else json_text(item.checkpoint), MAX_CHECKPOINT_BYTES),
    )
    for name, text, limit in sizes:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > limit:
            return f"{name} is {size} bytes, {limit} at most are taken"
    return None


def _bytes(row: Row) -> int:
    texts = (row.params, row.checkpoint or "", row.error or "", row.message or "")
    return ENVELOPE_BYTES + sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def _checkpoint(value: Any) -> str | None:
    """A checkpoint as it is stored; one that is too large is not, the work goes on without it."""
    text = None if value is None else json_text(value)
    return None if text is None or len(text.encode("utf-8", "surrogatepass")) > MAX_CHECKPOINT_BYTES else text


def _digest(item: ReportItem, result: str) -> str:
    """What makes two reports the same one: outcome, result and children; hints and texts may differ."""
    children = json_text([(child.key, child.type, child.params) for child in item.children])
    said = f'["{item.outcome}",{result},{children}]'
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _said(item: ReportItem, verdict: str, detail: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"task_id": item.task_id, "verdict": verdict}
    return said if detail is None else {**said, "detail": detail}
