"""The tables: one row per task, one row per claim of it, one row per task type."""

from __future__ import annotations

import sqlite3
import time
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from prismq_worker_sdk.errors import SettingsError

__all__ = [
    "claims",
    "connect",
    "connect_reading",
    "in_memory",
    "instance_of",
    "meta",
    "metadata",
    "task_types",
    "tasks",
    "workers",
]

LOCKED_SECONDS, LOCKED_PAUSE = 10.0, 0.02
"""How long a fresh database may be locked by others that open it, and the pause between two tries."""

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
    Index("tasks_expiring", "status", "claim_expires_at"),
    Index("tasks_dedupe", "dedupe_key"),
    Index("tasks_worker", "worker_id"),
    sqlite_autoincrement=True,
)

Index("tasks_pending", tasks.c.status, tasks.c.type, tasks.c.priority.desc(), tasks.c.seq)

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


def connect(url: str) -> sa.Engine:
    """An engine with the tables in place.

    SQLite runs in WAL with a full sync at each commit: what is answered is on disk (R11). Its transactions take
    the write lock at once: what one has read still holds when it writes, whoever shares the database.

    Raises:
        SettingsError: It is no database, not one of a TaskManager, or cannot be opened.
    """
    sqlite = url.startswith("sqlite")
    alone = {"poolclass": sa.StaticPool, "connect_args": {"check_same_thread": False}}
    options: dict[str, Any] = alone if in_memory(url) else {}
    try:
        engine = sa.create_engine(url, **options)
    except (SQLAlchemyError, ImportError) as error:
        raise SettingsError(f"--database is no file and no URL that can be used: {error}") from None
    if sqlite:
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    try:
        with engine.begin() as db:
            metadata.create_all(db)
            for table in metadata.sorted_tables:
                db.execute(sa.select(table).limit(0))
    except SQLAlchemyError as error:
        engine.dispose()
        shown = engine.url.render_as_string(hide_password=True)
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise SettingsError(
            f"--database {shown} cannot be opened as that of a TaskManager: {reason}"
        ) from None
    return engine


def in_memory(url: str) -> bool:
    """Whether the database is one connection's own, so that nobody else can read it."""
    return url in {"sqlite://", "sqlite:///:memory:"}


def connect_reading(url: str) -> sa.Engine:
    """An engine for reading beside the one of `connect`; SQLite refuses its writes and takes no lock for it."""
    engine = sa.create_engine(url)
    if url.startswith("sqlite"):
        sa.event.listen(engine, "connect", _prepare_reading)
        sa.event.listen(engine, "begin", _begin_reading)
    return engine


def instance_of(engine: sa.Engine) -> str:
    """The id that was made with the database."""
    with engine.begin() as db:
        found = db.scalar(sa.select(meta.c.value).where(meta.c.name == "instance"))
        if found is None:
            found = str(uuid.uuid4())
            db.execute(meta.insert().values(name="instance", value=found))
        return str(found)


def _prepare_sqlite(connection: object, _record: object) -> None:
    _pragmas(connection, "busy_timeout = 10000")
    give_up_at = time.monotonic() + LOCKED_SECONDS
    while True:  # SQLite does not wait here by itself when several open a fresh file at once
        try:
            _pragmas(connection, "journal_mode = WAL", "synchronous = FULL")
        except sqlite3.OperationalError:
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(LOCKED_PAUSE)
        else:
            return


def _prepare_reading(connection: object, _record: object) -> None:
    _pragmas(connection, "busy_timeout = 10000", "query_only = ON")


def _pragmas(connection: object, *pragmas: str) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(db: sa.Connection) -> None:
    db.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(db: sa.Connection) -> None:
    db.exec_driver_sql("BEGIN")
