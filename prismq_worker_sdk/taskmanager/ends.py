"""How claims end, and go on: reports and renewals, inside the caller's transaction (R2, R7, R8, R28, R29).

Those of an exchange are judged one by one, in the order sent, and written together.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import fan_in, producing
from prismq_worker_sdk.taskmanager.claims import CANCELLED, CLOSE_CLAIM, EXPIRED
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.http import Problem, json_text, size_of
from prismq_worker_sdk.taskmanager.messages import FollowerItem, HeldItem, LeaseItem, ReportItem
from prismq_worker_sdk.taskmanager.queries import find
from prismq_worker_sdk.taskmanager.rules import (
    MAX_CHECKPOINT_BYTES,
    MAX_ERROR_BYTES,
    MAX_RESULT_BYTES,
    after_failure,
)
from prismq_worker_sdk.taskmanager.task_logs import NewLines

_HELD = Statement(
    "SELECT token, claims.id AS held, confirmed, outcome, tasks.id, seq, type, lane, parent_id, dedupe_key, status,"
    " claim, attempts, max_attempts, unconfirmed, tasks.error, error_type, cancel_asked, progress, message, created_at,"
    " attempt, log_lines, log_bytes, log_last, log_total"
    " FROM claims JOIN tasks ON tasks.id = claims.task_id WHERE token = :token",
    lock=Lock.WAIT,
)
_REST = (
    "error = :error, error_type = :error_type, attempts = :attempts, unconfirmed = :unconfirmed,"
    " checkpoint = coalesce(:checkpoint, checkpoint) WHERE seq = :seq AND claim = :claim"
)
_FINISH = Statement(f"UPDATE tasks SET status = :status, result = :result, completed_at = :now, {_REST}")
_TRY_AGAIN = Statement(
    "UPDATE tasks SET status = 'pending', worker_id = NULL, not_before = :not_before, postponed = :postponed,"
    f" {_REST}"
)
_RENEW = Statement(
    "UPDATE tasks SET status = 'processing', completed_at = NULL, claim_expires_at = :until, progress = :progress,"
    f" message = :message, {_REST}"
)
_END_CLAIM = Statement(
    "UPDATE claims SET confirmed = 1, verdict = :verdict, outcome = :outcome, error = :error, ended_at = :now"
    " WHERE id = :claim"
)
SUPERSEDED = "superseded"
"""Error type of a task that was given up, reported late, and must not run beside a newer one of its dedupe key."""
_CONFIRM = Statement("UPDATE claims SET confirmed = 1 WHERE id = :claim")


@dataclass(slots=True)
class _Writes:
    """What reports change, written together.

    Attributes:
        freed: How many tasks of a type can be had now: to be tried again at once, new children, or what follows them.
        followed: Tasks that complete with a follower, and that.
        parents: Those of which children have ended, or that have none to wait for.
        outcomes: What was said of a claim in this exchange already, by its token.
    """

    finished: list[tuple[Any, ...]] = field(default_factory=list)
    again: list[tuple[Any, ...]] = field(default_factory=list)
    ended: list[tuple[Any, ...]] = field(default_factory=list)
    freed: Counter[str] = field(default_factory=Counter)
    followed: list[tuple[Any, FollowerItem]] = field(default_factory=list)
    parents: set[str] = field(default_factory=set)
    outcomes: dict[str, str] = field(default_factory=dict)
    log: NewLines = field(default_factory=NewLines)

    def finish(self, task: Any, *values: Any) -> None:
        self.finished.append(values)
        if task.parent_id is not None:
            self.parents.add(task.parent_id)

    def run(self, db: sa.Connection, config: TaskManagerConfig, now: float) -> None:
        _FINISH.run(db, self.finished)
        _TRY_AGAIN.run(db, self.again)
        _END_CLAIM.run(db, self.ended)
        self.log.run(db)
        for task, then in self.followed:
            fan_in.ask(db, config, task, then)
            if task.id in self.parents:
                fan_in.wait_for_ends(db, task.id)
        if self.parents:
            self.freed += fan_in.follow(db, self.parents, now)


def report(
    db: sa.Connection, config: TaskManagerConfig, items: Sequence[ReportItem], now: float
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """A verdict on each report: `accepted`, `duplicate`, `lost`, `unknown` or `refused`; idempotent (R28).

    Returns:
        The verdicts, and how many tasks of which type can be had now.
    """
    writes, verdicts = _Writes(), []
    for item, row in zip(items, _held(db, items), strict=True):
        verdict, detail = _report(db, config, row, item, writes, now)
        verdicts.append(
            {"task_id": item.task_id, "verdict": verdict, **({"detail": detail} if detail else {})}
        )
    writes.run(db, config, now)
    return verdicts, writes.freed


def renew(
    db: sa.Connection, config: TaskManagerConfig, items: Sequence[LeaseItem], now: float
) -> list[dict[str, Any]]:
    """A verdict on each renewal: `renewed`, `cancel` or `lost`."""
    seconds = config.lease_seconds
    verdicts: list[dict[str, Any]] = []
    renewed, confirmed, log = [], [], NewLines()
    for item, row in zip(items, _held(db, items), strict=True):
        if row is None or not _is_current(row):
            verdicts.append({"task_id": item.task_id, "verdict": "lost"})
            continue
        told = (row.progress, row.message) if item.progress is None else (item.progress, item.message)
        why = (row.error, row.error_type) if row.status == "processing" else (None, None)
        checkpoint = _checkpoint(item.checkpoint)
        renewed.append((now + seconds, *told, *why, *_alive(row), checkpoint, row.seq, row.held))
        confirmed += [] if row.confirmed else [(row.held,)]
        log.take(row, item, now)
        verdict = "cancel" if row.cancel_asked else "renewed"
        verdicts.append({"task_id": item.task_id, "verdict": verdict, "lease_seconds": seconds})
    _RENEW.run(db, renewed)
    _CONFIRM.run(db, confirmed)
    log.run(db)
    return verdicts


def end_of_worker(
    db: sa.Connection, config: TaskManagerConfig, worker_id: str, item: ReportItem, now: float
) -> Counter[str]:
    """Ends a claim on the base protocol, which its worker's id proves; how many tasks of which type can be had now.

    Raises:
        Problem: 404 no such task, 409 it is not, or no longer, this worker's.
    """
    row, writes = find(db, item.task_id, Lock.WAIT), _Writes()
    if not _is_live(row) or row.worker_id != worker_id:
        raise Problem(409, f"task {row.id} is {row.status}, and not, or no longer, claimed by this worker")
    said = (item, json_text(item.result))
    verdict = _end(db, config, row, (row.attempts, row.unconfirmed), said, writes, now)
    writes.run(db, config, now)
    CLOSE_CLAIM.run(db, [(verdict, item.error or None, now, row.claim)])
    return writes.freed


def _held(db: sa.Connection, items: Sequence[HeldItem]) -> list[Any]:
    """The claim of each, with its task as it is now; None where its token is not one of its task."""
    found = _HELD.first_of_each(db, "token", [item.lease_token for item in items])
    return [row if row and row.id == item.task_id else None for row, item in zip(found, items, strict=True)]


def _report(
    db: sa.Connection, config: TaskManagerConfig, row: Any, item: ReportItem, writes: _Writes, now: float
) -> tuple[str, str | None]:
    """The verdict on a report, and why."""
    if row is None:
        return "unknown", "this token was never given out for this task"
    result = json_text(item.result)
    outcome = f"{item.outcome} {_digest(item, result)}"
    first = writes.outcomes.get(item.lease_token, row.outcome)
    if first == outcome:
        return "duplicate", None
    if first is not None:
        return "refused", f"this claim was reported before, as {first.split()[0]}"
    if not _is_current(row):
        return "lost", f"the task is {row.status}, under a later claim or none"
    refusal = _unfit(item, result)
    if refusal is None and item.outcome == "completed" and (item.children or item.then):
        refusal = _create_children(db, config, row, item, writes, now)
    if refusal is not None:
        return "refused", refusal
    verdict = _end(db, config, row, _alive(row), (item, result), writes, now)
    writes.outcomes[item.lease_token] = outcome
    writes.ended.append((verdict, outcome, item.error or None, now, row.held))
    writes.log.take(row, item, now)
    return "accepted", None


def _is_live(task: Any) -> bool:
    """Whether its last claim still holds; one that ran out does until the task is claimed again (R8)."""
    return bool(task.status == "processing" or (task.status == "failed" and task.error_type == EXPIRED))


def _is_current(held: Any) -> bool:
    return bool(held.claim == held.held and _is_live(held))


def _alive(held: Any) -> tuple[int, int]:
    """Attempts, and claims that expired unconfirmed, at a sign of life: the attempt counts from the first on (R7)."""
    return (held.attempts, held.unconfirmed) if held.confirmed else (held.attempts + 1, 0)


def _end(
    db: sa.Connection,
    config: TaskManagerConfig,
    task: Any,
    counts: tuple[int, int],
    said: tuple[ReportItem, str],
    writes: _Writes,
    now: float,
) -> str:
    """Writes down what a report, and its result as text, make of its task; how its claim ended."""
    (attempts, unconfirmed), (item, result) = counts, said
    which = (_checkpoint(item.checkpoint), task.seq, task.claim)
    if task.lane:  # others of its limits may begin now
        writes.freed[task.type] += 1
    if item.outcome == "completed":
        writes.finish(task, "completed", result, now, None, None, *counts, *which)
        return "completed"
    if task.cancel_asked:
        writes.finish(task, "failed", None, now, *CANCELLED, *counts, *which)
        return "cancelled"
    wait: float | None = item.delay_seconds or 0.0
    if item.outcome == "released":
        attempts -= 1
    else:
        wait = after_failure(
            attempts,
            task.max_attempts,
            retryable=item.retryable,
            delay=item.delay_seconds,
            first=config.backoff,
            ceiling=config.backoff_ceiling,
        )
    error, error_type = item.error or None, item.error_type
    if wait is not None and (twin := producing.later_twin(db, task, now)) is not None:
        wait, error_type = None, SUPERSEDED
        error = f"it is not tried again: task {twin.id} has its dedupe key and is unfinished"
    rest = (error, error_type, attempts, unconfirmed, *which)
    if wait is None:
        writes.finish(task, "failed", None, now, *rest)
    else:
        writes.again.append((now + wait, int(wait > 0), *rest))
        writes.freed[task.type] += not wait
    return item.outcome


def _create_children(
    db: sa.Connection, config: TaskManagerConfig, parent: Any, item: ReportItem, writes: _Writes, now: float
) -> str | None:
    """Creates the children of a completed report (R22), and asks for their follower; why not, None when it is done."""
    if item.then is not None and (refusal := fan_in.why_not(db, item.then)) is not None:
        return f"the task that is to follow does not fit: {refusal}"
    wanted = [child.task_of(item.task_id) for child in item.children]
    some_are_new = False
    for one in producing.create(db, config, wanted, now, children=True):
        if isinstance(one, Problem):
            return f"a child task does not fit: {one.detail}"
        writes.freed[one.task["type"]] += one.is_new
        some_are_new |= one.is_new
    if item.then is not None:
        writes.followed.append((parent, item.then))
        if not some_are_new:
            writes.parents.add(parent.id)
    return None


def _unfit(item: ReportItem, result: str) -> str | None:
    checkpoint = "" if item.checkpoint is None else json_text(item.checkpoint)
    for name, text, limit in (
        ("result", result, MAX_RESULT_BYTES),
        ("error", item.error, MAX_ERROR_BYTES),
        ("checkpoint", checkpoint, MAX_CHECKPOINT_BYTES),
    ):
        if (size := size_of(text)) > limit:
            return f"{name} is {size} bytes, {limit} at most are taken"
    return None


def _checkpoint(value: Any) -> str | None:
    """A checkpoint as it is stored; one that is too large is not, the work goes on without it."""
    text = None if value is None else json_text(value)
    return None if text is None or size_of(text) > MAX_CHECKPOINT_BYTES else text


def _digest(item: ReportItem, result: str) -> str:
    """What makes two reports the same one: outcome, result and children; hints and texts may differ."""
    children: list[Any] = [(child.key, child.type, child.params) for child in item.children]
    if item.then is not None:
        children.append((item.then.type, item.then.params))
    text = f'["{item.outcome}",{result},{json_text(children) if children else "[]"}]'
    return hashlib.sha256(text.encode()).hexdigest()
