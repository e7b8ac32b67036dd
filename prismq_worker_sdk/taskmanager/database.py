"""The database: one connection that writes, in transactions that many share, and some that only read."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.statements import execute
from prismq_worker_sdk.taskmanager.tables import meta, metadata, migrate

T = TypeVar("T")
Operation = Callable[[sa.Connection], T]

MAX_BATCH = 256
"""Operations of one transaction."""
READS_AT_ONCE = 4
LOCKED_SECONDS, LOCKED_PAUSE = 10.0, 0.02
"""How long a fresh database may be locked by others that open it, and the pause between two tries."""


@dataclass(slots=True)
class _Asked:
    """An operation, and then how it went."""

    operation: Operation[Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def run_beside_others(self, db: sa.Connection) -> None:
        """Takes back what it did where it is refused; raises only what puts the whole transaction in doubt."""
        execute(db, "SAVEPOINT one").close()
        try:
            self.result = self.operation(db)
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's, and must not spoil its neighbours
            self.error = error
            execute(db, "ROLLBACK TO SAVEPOINT one").close()
        execute(db, "RELEASE SAVEPOINT one").close()

    def answer(self) -> None:
        if self.future.done():  # the client has hung up
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Runs operations in a thread; what waits shares a transaction, and is answered after its full commit (R11)."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="taskmanager-writer", daemon=True)
        self._thread.start()

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result, once it is durable; raises what the operation raises."""
        asked = _Asked(operation, asyncio.get_running_loop().create_future())
        self._queue.put(asked)
        found: T = await asked.future
        return found

    def close(self) -> None:
        """Ends after what was asked for."""
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        with self._engine.connect() as db:
            last = False
            while not last and (first := self._queue.get()) is not None:
                batch = [first]
                with suppress(queue.Empty):
                    while len(batch) < MAX_BATCH and not last:
                        item = self._queue.get_nowait()
                        last = item is None
                        batch += [item] if item else []
                _commit(db, batch)
                _answer(batch)


def _commit(db: sa.Connection, batch: list[_Asked]) -> None:
    alone = len(batch) == 1
    try:
        with db.begin():
            if alone:
                batch[0].result = batch[0].operation(db)
            else:
                for asked in batch:
                    asked.run_beside_others(db)
    except Exception as error:  # noqa: BLE001 - one that fails must not spoil its neighbours: each alone now
        for asked in batch:
            asked.error = error if alone else None
            if not alone:
                _commit(db, [asked])


def _answer(batch: list[_Asked]) -> None:
    """Wakes each loop once."""

    def answer(some: list[_Asked]) -> None:
        for asked in some:
            asked.answer()

    loops = {asked.future.get_loop() for asked in batch}
    for loop in loops:
        with suppress(RuntimeError):  # it was closed meanwhile, so nobody listens
            loop.call_soon_threadsafe(answer, [asked for asked in batch if asked.future.get_loop() is loop])


class Reader:
    """Runs operations that only read; each sees the database as it was at one moment, what was answered included.

    Args:
        engine: Of connections that cannot write.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(READS_AT_ONCE, "taskmanager-reader")

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result; raises what the operation raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, operation)

    def close(self) -> None:
        """Ends after what was asked for."""
        self._threads.shutdown()
        self._engine.dispose()

    def _read(self, operation: Operation[T]) -> T:
        with self._engine.connect() as db, db.begin():
            return operation(db)


def connect(url: str) -> sa.Engine:
    """An engine with the tables in place.

    SQLite runs in WAL with a full sync at each commit: what is answered is on disk (R11). Its transactions take
    the write lock at once: what one has read still holds when it writes, whoever shares the database.

    Raises:
        SettingsError: It is no database, not one of a TaskManager, or cannot be opened.
    """
    alone: dict[str, Any] = {"poolclass": sa.StaticPool, "connect_args": {"check_same_thread": False}}
    try:
        engine = sa.create_engine(url, **(alone if in_memory(url) else {}))
    except (SQLAlchemyError, ImportError) as error:
        raise SettingsError(f"--database is no file and no URL that can be used: {error}") from None
    if url.startswith("sqlite"):
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", lambda db: execute(db, "BEGIN IMMEDIATE").close())
    try:
        with engine.begin() as db:
            metadata.create_all(db)
            for table in metadata.sorted_tables:
                db.execute(sa.select(table).limit(0))
            migrate(db)
    except SQLAlchemyError as error:
        engine.dispose()
        shown = engine.url.render_as_string(hide_password=True)
        reason = error.orig if isinstance(error, DBAPIError) else error
        text = f"--database {shown} cannot be opened as that of a TaskManager: {reason}"
        raise SettingsError(text) from None
    return engine


def in_memory(url: str) -> bool:
    """Whether the database is one connection's own, so that nobody else can read it."""
    return url in {"sqlite://", "sqlite:///:memory:"}


def connect_reading(url: str) -> sa.Engine:
    """An engine for reading beside the one of `connect`; SQLite refuses its writes and takes no lock for it."""
    engine = sa.create_engine(url)
    if url.startswith("sqlite"):
        sa.event.listen(engine, "connect", lambda connection, _: _pragmas(connection, "query_only = ON"))
        sa.event.listen(engine, "begin", lambda db: execute(db, "BEGIN").close())
    return engine


def instance_of(engine: sa.Engine) -> str:
    """The id that was made with the database."""
    with engine.begin() as db:
        found = db.scalar(sa.select(meta.c.value).where(meta.c.name == "instance"))
        if found is None:
            found = str(uuid.uuid4())
            db.execute(meta.insert().values(name="instance", value=found))
        return str(found)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    give_up_at = time.monotonic() + LOCKED_SECONDS
    while True:  # SQLite does not wait here by itself when several open a fresh file at once
        try:
            return _pragmas(connection, "journal_mode = WAL", "synchronous = FULL")
        except sqlite3.OperationalError:
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(LOCKED_PAUSE)


def _pragmas(connection: sqlite3.Connection, *pragmas: str) -> None:
    connection.isolation_level = None
    for pragma in ("busy_timeout = 10000", *pragmas):
        connection.execute(f"PRAGMA {pragma}").close()
