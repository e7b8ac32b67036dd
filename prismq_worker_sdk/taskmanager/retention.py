"""Deletes what is old: finished tasks by age and status, logs, the audit, and rows that nobody needs any more.

It goes in slices, each a transaction of its own that is over before a claim would notice, with a rest behind each.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.system import FileLock
from prismq_worker_sdk.taskmanager import export
from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.chores import Chore
from prismq_worker_sdk.taskmanager.config import DAY
from prismq_worker_sdk.taskmanager.db.service_tables import (
    alert_states,
    alerts,
    audit,
    bulk_jobs,
    deliveries,
    limit_uses,
    limits,
    task_logs,
    type_pauses,
    worker_statuses,
    worker_types,
)
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.db.tables import workers
from prismq_worker_sdk.taskmanager.deleting import delete, delete_logs, forget_log_counts, those_that_may_go
from prismq_worker_sdk.taskmanager.rooms import MICRO

_LOG = logging.getLogger("prismq.taskmanager")
SLICE, FIRST_SLICE = 500, 50
"""Tasks of one transaction at most, and of the first one."""
LOG_ROWS = 100
"""Rows of logs that go before the tasks of a slice, in one transaction."""
SECONDS = 0.02
"""How long a slice is to take; the next one is as much smaller or larger."""
KEEP_OTHERS = 30 * DAY
"""For ended bulk jobs, what alerts have told, and pauses of limits that are nothing else."""
KEEP_WORKERS = 7 * DAY
"""Since they were heard of last."""
REST = 2.0
"""How long the rest behind a slice is, in the time that it took."""
EVERY = 300.0

_IsOld = Callable[[float], sa.ColumnElement[bool]]
"""What is old at a time."""
_OLD = Statement(
    "SELECT seq, id, parent_id, dedupe_key, completed_at FROM tasks WHERE status = :status"
    " AND completed_at <= :before AND completed_at >= :at AND (completed_at > :at OR seq > :seq)"
    " ORDER BY completed_at, seq LIMIT :most"
)
_NOW = Statement(
    "SELECT id, parent_id, dedupe_key, status, completed_at FROM tasks WHERE id = :id", lock=Lock.SKIP
)


@dataclass(frozen=True, slots=True)
class _Old:
    """Finished tasks of a status, by their age in seconds."""

    status: str
    age: float


@dataclass(frozen=True, slots=True)
class _Done:
    """What a slice did, and when it began by the monotonic clock; `more` when it must be done again."""

    deleted: int
    begun: float
    more: bool


async def delete_old(state: AppState) -> None:
    """Deletes what is older than the settings say; where it cannot be exported first, nothing."""
    folder = state.config.export_folder
    if folder is None:
        return await _delete_all(state)
    try:
        folder.mkdir(exist_ok=True)
        if (lock := FileLock.acquire(folder / ".lock")) is None:  # another process is at it
            return None
        try:
            return await _delete_all(state)
        finally:
            lock.release()
    except OSError as error:
        reason = error.strerror or error
        _LOG.error("old tasks stay, since %s cannot take what is deleted: %s", folder, reason)
        return None


DELETE_OLD = Chore("delete old tasks", EVERY, delete_old)


def next_size(size: int, seconds: float) -> int:
    """How many tasks the next slice is of.

    Args:
        size: Of the last one.
        seconds: How long it took.
    """
    return max(1, min(SLICE, 2 * size, int(size * SECONDS / max(seconds, SECONDS / SLICE))))


async def _delete_all(state: AppState) -> None:
    config = state.config
    await _delete_rows(state, task_logs.c.id, lambda now: _older(task_logs.c.at, now, config.keep_logs))
    for status, age in (("completed", config.keep_completed), ("failed", config.keep_failed)):
        if age is not None and (deleted := await _delete_tasks(state, _Old(status, age))):
            _LOG.info("deleted %d %s tasks, older than %s", deleted, status, duration.text(age))
    await _delete_rows(state, audit.c.id, lambda now: _older(audit.c.at, now, config.keep_audit))
    for key, is_old in _OTHERS:
        await _delete_rows(state, key, is_old)
    await state.run(_delete_alert_states)


async def _delete_tasks(state: AppState, old: _Old) -> int:
    """How many tasks were deleted."""
    at, seq, size, deleted = 0.0, 0, FIRST_SLICE, 0
    while rows := await state.reader.run(partial(_found, old, at, seq, size)):
        if state.config.export_folder is not None:
            await state.reader.run(partial(_export_tasks, state.config.export_folder, rows))
        done = _Done(0, 0.0, more=True)
        while done.more:
            done = await state.run(partial(_delete_slice, old, rows))
            deleted += done.deleted
            size = await _rest(size, done.begun)
        at, seq = rows[-1].completed_at, rows[-1].seq
    return deleted


def _found(old: _Old, at: float, seq: int, most: int, db: sa.Connection, now: float) -> list[Any]:
    """The tasks of the slice behind a place."""
    before = now - old.age
    return list(_OLD.rows(db, status=old.status, before=before, at=at, seq=seq, most=most))


def _delete_slice(old: _Old, rows: Sequence[Any], db: sa.Connection, now: float) -> _Done:
    """Deletes those of the tasks that are old still, and not needed."""
    begun = time.monotonic()
    found = _NOW.first_of_each(db, "id", sorted(row.id for row in rows))
    still = [row for row in found if row and row.status == old.status and row.completed_at <= now - old.age]
    going = those_that_may_go(db, still)
    if delete_logs(db, [row.id for row in going], LOG_ROWS):
        return _Done(0, begun, more=True)
    delete(db, going, now)
    return _Done(len(going), begun, more=False)


def _export_tasks(folder: Path, rows: Sequence[Any], db: sa.Connection, now: float) -> None:
    lines = (export.task_line(db, row.seq) for row in those_that_may_go(db, rows))
    export.append(folder, "tasks", now, filter(None, lines))


async def _delete_rows(state: AppState, key: sa.Column[Any], is_old: _IsOld) -> None:
    """Deletes rows of a table that are old at a time."""
    size = FIRST_SLICE
    while found := await state.reader.run(partial(_keys, key, is_old, size)):
        if key is task_logs.c.id and state.config.export_folder is not None:
            await state.reader.run(partial(_export_logs, state.config.export_folder, found))
        begun = await state.run(partial(_delete_keys, key, is_old, found))
        size = await _rest(size, begun)


def _keys(
    key: sa.Column[Any],
    is_old: _IsOld,
    most: int,
    db: sa.Connection,
    now: float,
) -> list[Any]:
    return list(db.scalars(sa.select(key).where(is_old(now)).limit(most)))


def _delete_keys(
    key: sa.Column[Any],
    is_old: _IsOld,
    keys: Sequence[Any],
    db: sa.Connection,
    now: float,
) -> float:
    """When it began, by the monotonic clock."""
    begun = time.monotonic()
    logged = sa.select(task_logs.c.claim).where(task_logs.c.id.in_(keys))
    logs_of = set(db.scalars(logged)) if key is task_logs.c.id else set()
    db.execute(sa.delete(key.table).where(key.in_(keys), is_old(now)))
    forget_log_counts(db, logs_of)
    return begun


def _delete_alert_states(db: sa.Connection, now: float) -> None:
    """Those that were resolved long ago, and those of alerts that are gone."""
    resolved = (alert_states.c.phase == "resolved") & _older(alert_states.c.since, now, KEEP_OTHERS)
    db.execute(sa.delete(alert_states).where(resolved | alert_states.c.name.not_in(sa.select(alerts.c.name))))


async def _rest(size: int, begun: float) -> int:
    """Lets others write for twice as long as a slice took with its commit; how many the next one is of."""
    seconds = time.monotonic() - begun
    await asyncio.sleep(REST * seconds)
    return next_size(size, seconds)


def _export_logs(folder: Path, ids: Sequence[int], db: sa.Connection, now: float) -> None:
    export.append(folder, "logs", now, export.log_lines(db, ids))


def _older(column: sa.Column[Any], now: float, age: float | None) -> sa.ColumnElement[bool]:
    return sa.false() if age is None else column <= now - age


def _is_of_nobody(now: float) -> sa.ColumnElement[bool]:
    """What workers said of themselves that are gone; one that was just heard of may have no row yet."""
    gone = worker_statuses.c.worker_id.not_in(sa.select(workers.c.worker_id))
    return gone & _older(worker_statuses.c.at, now, KEEP_WORKERS)


def _is_used_no_more(now: float) -> sa.ColumnElement[bool]:
    """What was used of a limit longer ago than a day before its period: a claim does not look at it."""
    period = sa.select(limits.c.period).where(limits.c.name == limit_uses.c.name).scalar_subquery()
    return limit_uses.c.slice <= (now - DAY - sa.func.coalesce(period, 0.0)) * MICRO


def _was_a_pause(now: float) -> sa.ColumnElement[bool]:
    """A limit that allows everything, and whose pause is long over."""
    at = sa.func.coalesce(limits.c.paused_until, limits.c.updated_at)
    return limits.c.units.is_(None) & limits.c.at_once.is_(None) & (at <= now - KEEP_OTHERS)


_OTHERS: tuple[tuple[sa.Column[Any], _IsOld], ...] = (
    (bulk_jobs.c.id, lambda now: _older(bulk_jobs.c.ended_at, now, KEEP_OTHERS)),
    (workers.c.worker_id, lambda now: _older(workers.c.last_seen, now, KEEP_WORKERS)),
    (worker_types.c.worker_id, lambda now: _older(worker_types.c.seen_at, now, KEEP_WORKERS)),
    (worker_statuses.c.worker_id, _is_of_nobody),
    (
        deliveries.c.id,
        lambda now: deliveries.c.next_try.is_(None) & _older(deliveries.c.created_at, now, KEEP_OTHERS),
    ),
    (type_pauses.c.type, lambda now: _older(type_pauses.c.until, now, 0.0)),
    (limit_uses.c.name, _is_used_no_more),
    (limits.c.name, _was_a_pause),
)
"""Rows that nobody needs any more, whatever the settings say."""
