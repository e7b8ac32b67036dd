"""The tables, in SQLite, and the one thread that works on them."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.testing.prismq_client.answers import Refused

T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]

BATCH = 64
"""Operations in one transaction at most; a commit waits for the disk."""

TABLES = """
CREATE TABLE IF NOT EXISTS task_types (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL,
    folded       TEXT NOT NULL UNIQUE,
    version      TEXT NOT NULL,
    param_schema TEXT NOT NULL,
    is_active    INTEGER NOT NULL DEFAULT 1,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tasks (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    type_id       INTEGER NOT NULL REFERENCES task_types (id),
    status        TEXT NOT NULL DEFAULT 'pending',
    params        TEXT NOT NULL,
    dedupe_key    TEXT NOT NULL UNIQUE,
    result        TEXT,
    error_message TEXT,
    priority      INTEGER NOT NULL DEFAULT 0,
    progress      INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    claimed_by    TEXT,
    claimed_at    TEXT,
    completed_at  TEXT,
    created_at    TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS open_tasks ON tasks (type_id, created_at, id) WHERE status IN ('pending', 'claimed');
CREATE INDEX IF NOT EXISTS tasks_by_age ON tasks (created_at);
CREATE TABLE IF NOT EXISTS history (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id   INTEGER NOT NULL REFERENCES tasks (id),
    what      TEXT NOT NULL,
    worker_id TEXT,
    attempts  INTEGER NOT NULL,
    message   TEXT,
    at        REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS history_of_task ON history (task_id);
"""


class Store:
    """Runs operations one after the other, each whole or not at all; what waits together is committed together.

    Args:
        database: A file, or ":memory:".

    Raises:
        SettingsError: The file cannot be opened.
    """

    def __init__(self, database: Path | str) -> None:
        self._connection = _opened(database)
        self._queue: queue.SimpleQueue[tuple[Operation[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="prismq-client-store", daemon=True)
        self._thread.start()

    def run(self, operation: Operation[T]) -> T:
        """The operation's result, once it is durable; raises what the operation raises, and then it did nothing."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise sqlite3.ProgrammingError("the store is closed")
            self._queue.put((operation, future))
        return future.result()

    def close(self) -> None:
        """Ends after what was asked for, and closes the file."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        ends = False
        while not ends:
            batch = [self._queue.get()]
            with suppress(queue.Empty):
                while len(batch) < BATCH:
                    batch.append(self._queue.get_nowait())
            ends = None in batch
            self._commit([entry for entry in batch if entry is not None])

    def _commit(self, batch: list[tuple[Operation[Any], Future[Any]]]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            ends = [_end(self._connection, operation, future) for operation, future in batch]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            for _operation, future in batch:
                future.set_exception(error)
        else:
            for tell in ends:
                tell()


def _end(
    connection: sqlite3.Connection, operation: Operation[Any], future: Future[Any]
) -> Callable[[], None]:
    """Runs an operation; gives how its end is told, which must wait for the commit."""
    connection.execute("SAVEPOINT operation")
    try:
        result = operation(connection)
    except Exception as error:  # noqa: BLE001 - whoever asked gets it
        if not (isinstance(error, Refused) and error.keeps):
            connection.execute("ROLLBACK TO operation")
        connection.execute("RELEASE operation")
        raised = error
        return lambda: future.set_exception(raised)
    connection.execute("RELEASE operation")
    return lambda: future.set_result(result)


def _opened(database: Path | str) -> sqlite3.Connection:
    connection = None
    try:
        connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False, timeout=30)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(TABLES)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise SettingsError(f"the database {database} cannot be used: {error}") from None
    return connection
