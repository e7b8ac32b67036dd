"""The tables, in SQLite, and the transactions on them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.outbox.transactions import GroupCommit
from prismq_worker_sdk.testing.prismq_client.call import Refused

T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]

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
        self._transactions = GroupCommit(_opened(database))
        self.close = self._transactions.close

    def run(self, operation: Operation[T]) -> T:
        """The operation's result, once it is durable; raises what the operation raises, and then it did nothing."""
        end = self._transactions.run(lambda db: _ended(db, operation))
        if isinstance(end, Exception):
            raise end
        return end


def _ended(db: sqlite3.Connection, operation: Operation[T]) -> T | Exception:
    """What an operation gives or raises; the others of its transaction stay as they are."""
    db.execute("SAVEPOINT operation")
    try:
        return operation(db)
    except Exception as error:  # noqa: BLE001 - whoever asked gets it
        if not (isinstance(error, Refused) and error.keeps):
            db.execute("ROLLBACK TO operation")
        return error
    finally:
        db.execute("RELEASE operation")


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
