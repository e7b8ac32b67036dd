"""The tables of the path of a task: one row per task, per claim of it, per task type, per worker."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, MetaData, String, Table

from prismq_worker_sdk.taskmanager.db.columns import BigId, Instant, Name, Number, Payload

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String(255), nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("seq", BigId, primary_key=True, autoincrement=True),
    Column("id", Name(36), nullable=False, unique=True),
    Column("type", Name(255), nullable=False),
    Column("status", Name(16), nullable=False),
    Column("params", Payload, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("max_attempts", Integer, nullable=False),
    Column("not_before", Instant),
    Column("created_at", Instant, nullable=False),
    Column("claimed_at", Instant),
    Column("completed_at", Instant),
    Column("worker_id", Name(255)),
    Column("claim", BigId, doc="the current or last claim"),
    Column("claim_expires_at", Instant),
    Column("leased", Integer, nullable=False, default=0, doc="whether a token proves the claim (R2)"),
    Column("unconfirmed", Integer, nullable=False, default=0, doc="claims that expired unconfirmed (R7)"),
    Column("result", Payload),
    Column("error", Payload),
    Column("error_type", Name(255)),
    Column("cancel_asked", Integer, nullable=False, default=0),
    Column("dedupe_key", Name(255)),
    Column("parent_id", Name(36)),
    Column("progress", Number),
    Column("message", Payload),
    Column("checkpoint", Payload),
    Column(
        "postponed",
        Integer,
        nullable=False,
        server_default="0",
        doc="whether it is pending and its time has not come: it stands in no queue",
    ),
    Column(
        "lane",
        BigId,
        nullable=False,
        server_default="0",
        doc="tasks of a type that use the same units of the same limits; 0 uses none",
    ),
    Column("traceparent", Name(55), doc="of the span that created it, W3C Trace Context"),
    Column("tracestate", Name(512)),
    sqlite_autoincrement=True,
)

claims = Table(
    "claims",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("task_id", Name(36), nullable=False, index=True),
    Column("worker_id", Name(255), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("token", Name(64), unique=True),
    Column("request_id", Name(255), index=True),
    Column("claimed_at", Instant, nullable=False),
    Column("confirmed", Integer, nullable=False, default=1, doc="whether it is an attempt (R7)"),
    Column("ended_at", Instant),
    Column("verdict", Name(16), doc="completed, failed, released, expired, cancelled; NULL while it runs"),
    Column("outcome", Name(80), doc="kind and digest of the report that ended it (R28)"),
    Column("error", Payload),
    Column("log_lines", Integer, doc="lines of its log that are stored; NULL where nothing was logged"),
    Column("log_bytes", Integer, doc="of their texts"),
    Column("log_last", Integer, doc="number of the last line that came: a repeat brings none twice"),
    Column("log_total", Integer, doc="lines that its handler logged, as far as its worker has told"),
    sqlite_autoincrement=True,
)

workers = Table(
    "workers",
    metadata,
    Column("worker_id", Name(255), primary_key=True),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("wanted", Name(16), nullable=False, default="run", index=True, doc="run, quiet or terminate"),
)

task_types = Table(
    "task_types",
    metadata,
    Column("name", Name(255), primary_key=True),
    Column("version", Name(64), nullable=False),
    Column("param_schema", Payload, nullable=False),
    Column("result_schema", Payload),
    Column("updated_at", Instant, nullable=False),
)


def _partial(name: str, *columns: Any, only: str) -> None:
    """An index of some rows only, where the database has such: history makes no claim or report slower."""
    Index(name, *columns, sqlite_where=sa.text(only)).ddl_if(dialect="sqlite")


def _whole(name: str, *columns: Any) -> None:
    """The same where an index holds every row."""
    for dialect in ("mysql", "mariadb"):
        Index(name, *columns).ddl_if(dialect=dialect)


_task = tasks.c
_WAITING = (_task.type, _task.lane, _task.priority.desc(), _task.seq, _task.created_at, _task.not_before)
_DELAYED = (_task.not_before, _task.type)
_ENDED = (_task.status, _task.completed_at, _task.seq, _task.type)
Index("tasks_by_type", _task.type, _task.seq)
Index("tasks_created", _task.created_at)
_partial("tasks_waiting", *_WAITING, only="status = 'pending' AND postponed = 0")
_partial("tasks_delayed", *_DELAYED, only="status = 'pending' AND postponed = 1")
_partial("tasks_held", _task.claim_expires_at, only="status = 'processing'")
_partial("tasks_running", _task.lane, only="status = 'processing' AND lane > 0")
_partial("tasks_failed", _task.seq, only="status = 'failed'")
_partial("tasks_ended", *_ENDED, only="completed_at IS NOT NULL")
_partial("tasks_by_worker", _task.worker_id, only="worker_id IS NOT NULL")
_partial("tasks_by_error", _task.error_type, _task.seq, only="error_type IS NOT NULL")
_partial(
    "tasks_by_key",
    _task.dedupe_key,
    _task.type,
    only="dedupe_key IS NOT NULL AND status IN ('pending', 'processing')",
)
_partial(
    "tasks_by_child_key",
    _task.parent_id,
    _task.dedupe_key,
    only="parent_id IS NOT NULL AND dedupe_key IS NOT NULL",
)
_partial("tasks_by_parent", _task.parent_id, _task.seq, only="parent_id IS NOT NULL")
_whole("tasks_waiting", _task.status, _task.postponed, *_WAITING)
_whole("tasks_delayed", _task.status, _task.postponed, *_DELAYED)
_whole("tasks_held", _task.status, _task.claim_expires_at)
_whole("tasks_running", _task.status, _task.lane)
_whole("tasks_ended", *_ENDED)
_whole("tasks_by_worker", _task.worker_id)
_whole("tasks_by_error", _task.error_type, _task.seq)
_whole("tasks_by_key", _task.dedupe_key, _task.type)
_whole("tasks_by_parent", _task.parent_id)
