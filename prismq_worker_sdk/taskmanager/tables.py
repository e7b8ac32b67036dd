"""The tables: one row per task, one row per claim of it, one row per task type, one row per worker."""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text

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
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("type", String(255), nullable=False),
    Column("status", String(16), nullable=False),
    Column("params", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("max_attempts", Integer, nullable=False),
    Column("not_before", Float),
    Column("created_at", Float, nullable=False),
    Column("claimed_at", Float),
    Column("completed_at", Float),
    Column("worker_id", String(255)),
    Column("claim", Integer, doc="the current or last claim"),
    Column("claim_expires_at", Float),
    Column("leased", Integer, nullable=False, default=0, doc="whether the claim is proved by a token (R2)"),
    Column("unconfirmed", Integer, nullable=False, default=0, doc="claims that expired unconfirmed (R7)"),
    Column("result", Text),
    Column("error", Text),
    Column("error_type", String(255)),
    Column("cancel_asked", Integer, nullable=False, default=0),
    Column("dedupe_key", String(255)),
    Column("parent_id", String(36)),
    Column("progress", Float),
    Column("message", Text),
    Column("checkpoint", Text),
    sqlite_autoincrement=True,
)

claims = Table(
    "claims",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("task_id", String(36), nullable=False, index=True),
    Column("worker_id", String(255), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("token", String(64), unique=True),
    Column("request_id", String(255), index=True),
    Column("claimed_at", Float, nullable=False),
    Column("confirmed", Integer, nullable=False, default=1, doc="whether it counts as an attempt (R7)"),
    Column("ended_at", Float),
    Column("verdict", String(16), doc="completed, failed, released, expired, cancelled; NULL while it runs"),
    Column("outcome", String(80), doc="kind and digest of the report that ended it (R28)"),
    Column("error", Text),
    sqlite_autoincrement=True,
)

workers = Table(
    "workers",
    metadata,
    Column("worker_id", String(255), primary_key=True),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("wanted", String(16), nullable=False, default="run", doc="run, quiet or terminate"),
)

task_types = Table(
    "task_types",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("param_schema", Text, nullable=False),
    Column("result_schema", Text),
    Column("updated_at", Float, nullable=False),
)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


# Of some rows only: a task that has ended is in none of them, so history makes no claim or report slower.
Index("tasks_waiting", tasks.c.type, tasks.c.priority.desc(), tasks.c.seq, **_where("status = 'pending'"))
Index("tasks_held", tasks.c.claim_expires_at, **_where("status = 'processing'"))
Index("tasks_failed", tasks.c.seq, **_where("status = 'failed'"))
Index("tasks_by_worker", tasks.c.worker_id, **_where("worker_id IS NOT NULL"))
Index("tasks_by_key", tasks.c.dedupe_key, **_where("dedupe_key IS NOT NULL"))
REPLACED = ("tasks_pending", "tasks_expiring", "tasks_worker", "tasks_dedupe")
"""The indexes of version 0.1.0."""


def migrate(db: sa.Connection) -> None:
    """Brings the tables of an older version to this one."""
    known = {index["name"] for index in sa.inspect(db).get_indexes(tasks.name)}
    for name in known.intersection(REPLACED):
        db.exec_driver_sql(f"DROP INDEX {name}")
    for index in tasks.indexes:
        if index.name not in known:
            index.create(db)


def new_ids(number: int) -> list[str]:
    """Ids of tasks (UUIDs of version 7): each grows on the one before, so that they are stored side by side."""
    start = _start()
    chance = secrets.token_hex(8 * number)
    return [
        f"{start[:8]}-{start[8:]}-7{place & 0xFFF:03x}-{8 | int(some[0], 16) & 3:x}{some[1:4]}-{some[4:]}"
        for place in range(number)
        for some in (chance[16 * place : 16 * place + 16],)
    ]


def new_tokens(number: int) -> list[str]:
    """Lease tokens: they grow as ids do, and end in 192 bits of chance, since a token alone proves a claim (R2)."""
    start = _start()
    chance = base64.urlsafe_b64encode(secrets.token_bytes(24 * number)).decode()
    return [f"{start}{place:04x}{chance[32 * place : 32 * place + 32]}" for place in range(number)]


def _start() -> str:
    return f"{time.time_ns() // 1_000_000 & (1 << 48) - 1:012x}"
