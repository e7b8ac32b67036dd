"""Claims that are proved by a token: handing out, renewing, reporting (PROTOCOL, exchange; R2, R6 to R8, R28)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import producing, transitions
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
from prismq_worker_sdk.taskmanager.tables import claims, tasks

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


@dataclass(frozen=True, slots=True)
class _Held:
    """A claim with its task, as far as the server knows them."""

    claim: Row
    task: Row

    @property
    def current(self) -> bool:
        """Whether the task was not claimed again since; a claim that ran out is valid until then (R8)."""
        expired = self.task.status == "failed" and self.task.error_type == transitions.EXPIRED
        return bool(self.task.claim == self.claim.id and (self.task.status == "processing" or expired))


def claim(
    db: sa.Connection,
    config: TaskManagerConfig,
    worker_id: str,
    request_id: str | None,
    wanted: Wanted,
    now: float,
) -> list[Granted]:
    """Hands out tasks, at most `max_tasks` and no more bytes than an answer may have, each under its own token."""
    transitions.settle(db, now)
    found: list[Granted] = []
    room = MAX_REQUEST_BYTES
    while len(found) < wanted.max_tasks and room > MAX_TASK_BYTES:
        token = secrets.token_urlsafe(24)
        lease = transitions.Lease(config.lease_seconds, token, request_id)
        row = transitions.take_next(db, lease, worker_id, wanted.task_types, now)
        if row is None:
            break
        found.append(Granted(row, token, config.lease_seconds, row.attempts + 1))
        room -= _bytes(row)
    return found


def still_held(db: sa.Connection, worker_id: str, request_id: str, now: float) -> list[Granted]:
    """What an earlier sending of this request was given and still holds, with the seconds that remain (R6)."""
    rows = db.execute(
        sa.select(tasks, claims.c.token, claims.c.attempt)
        .join(claims, tasks.c.claim == claims.c.id)
        .where(
            claims.c.request_id == request_id,
            claims.c.worker_id == worker_id,
            tasks.c.status == "processing",
            tasks.c.claim_expires_at > now,
        )
        .order_by(tasks.c.seq)
    )
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
    if held is None or not held.current:
        return {"task_id": item.task_id, "verdict": "lost"}
    _confirm(db, held)
    values: dict[str, Any] = {"claim_expires_at": now + config.lease_seconds}
    if item.progress is not None:
        values |= {"progress": item.progress, "message": item.message}
    checkpoint = _checkpoint(item.checkpoint)
    if checkpoint is not None:
        values["checkpoint"] = checkpoint
    if held.task.status == "failed":
        values |= {"status": "processing", "completed_at": None, "error": None, "error_type": None}
    db.execute(
        tasks.update().where(tasks.c.id == held.task.id, tasks.c.claim == held.claim.id).values(values)
    )
    verdict = "cancel" if held.task.cancel_asked else "renewed"
    return {"task_id": item.task_id, "verdict": verdict, "lease_seconds": config.lease_seconds}


def report(db: sa.Connection, config: TaskManagerConfig, item: ReportItem, now: float) -> dict[str, Any]:
    """The verdict on one report: `accepted`, `duplicate`, `lost`, `unknown` or `refused`; idempotent (R28)."""
    held = _find(db, item.task_id, item.lease_token)
    if held is None:
        return _said(item, "unknown", "this token was never given out for this task")
    outcome = f"{item.outcome} {_digest(item)}"
    if held.claim.outcome is not None:
        if held.claim.outcome == outcome:
            return _said(item, "duplicate")
        first = held.claim.outcome.split()[0]
        return _said(item, "refused", f"this claim was reported before, as {first}")
    if not held.current:
        return _said(item, "lost", f"the task is {held.task.status}, under a later claim or none")
    refusal = _unfit(item)
    if refusal is None:
        refusal = _create_children(db, config, item, now)
    if refusal is not None:
        return _said(item, "refused", refusal)
    _confirm(db, held)
    _apply(db, config, held, item, outcome, now)
    return _said(item, "accepted")


def _find(db: sa.Connection, task_id: str, token: str) -> _Held | None:
    row = db.execute(sa.select(claims).where(claims.c.token == token, claims.c.task_id == task_id)).first()
    if row is None:
        return None
    task = db.execute(sa.select(tasks).where(tasks.c.id == task_id)).one()
    return _Held(row, task)


def _confirm(db: sa.Connection, held: _Held) -> None:
    """The attempt counts from now on (R7)."""
    confirmed = db.execute(
        claims.update().where(claims.c.id == held.claim.id, claims.c.confirmed == 0).values(confirmed=1)
    )
    if confirmed.rowcount == 1:
        db.execute(
            tasks.update()
            .where(tasks.c.id == held.task.id)
            .values(attempts=tasks.c.attempts + 1, unconfirmed=0)
        )


def _apply(
    db: sa.Connection, config: TaskManagerConfig, held: _Held, item: ReportItem, outcome: str, now: float
) -> None:
    attempts = held.task.attempts + (0 if held.claim.confirmed else 1)
    wait: float | None
    values: dict[str, Any] = {"error": item.error or None, "error_type": item.error_type}
    verdict: str = item.outcome
    match item.outcome:
        case "completed":
            values = {
                "status": "completed",
                "result": json_text(item.result),
                "error": None,
                "error_type": None,
            }
        case _ if held.task.cancel_asked:
            values = {"status": "failed", **transitions.CANCELLED}
            verdict = "cancelled"
        case "released":
            wait = item.delay_seconds or 0.0
            values |= {
                "status": "pending",
                "not_before": now + wait,
                "worker_id": None,
                "attempts": attempts - 1,
            }
        case "failed":
            wait = after_failure(
                attempts,
                held.task.max_attempts,
                retryable=item.retryable,
                delay=item.delay_seconds,
                first=config.backoff,
                ceiling=config.backoff_ceiling,
            )
            if wait is None:
                values["status"] = "failed"
            else:
                values |= {"status": "pending", "not_before": now + wait, "worker_id": None}
    if values["status"] != "pending":
        values["completed_at"] = now
    checkpoint = _checkpoint(item.checkpoint)
    if checkpoint is not None:
        values["checkpoint"] = checkpoint
    done = db.execute(
        tasks.update().where(tasks.c.id == held.task.id, tasks.c.claim == held.claim.id).values(values)
    )
    if done.rowcount != 1:
        raise RuntimeError(f"task {held.task.id} changed inside the transaction that reports it")
    db.execute(
        claims.update()
        .where(claims.c.id == held.claim.id)
        .values(verdict=verdict, outcome=outcome, error=item.error or None, ended_at=now)
    )


def _create_children(
    db: sa.Connection, config: TaskManagerConfig, item: ReportItem, now: float
) -> str | None:
    """Creates the children of a completed report (R22); why they cannot be, None when they are."""
    if item.outcome != "completed":
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


def _unfit(item: ReportItem) -> str | None:
    sizes: Sequence[tuple[str, str, int]] = (
        ("result", json_text(item.result), MAX_RESULT_BYTES),
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


def _digest(item: ReportItem) -> str:
    """What makes two reports the same one: outcome, result and children; hints and texts may differ."""
    children = [(child.key, child.type, child.params) for child in item.children]
    said = json_text([item.outcome, item.result, children])
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _said(item: ReportItem, verdict: str, detail: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"task_id": item.task_id, "verdict": verdict}
    return said if detail is None else {**said, "detail": detail}
