"""The tables of an outbox file, their version, and how a connection is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from prismq_worker_sdk.errors import StateFolderError

__all__ = ["VERSION", "open_database", "prepare"]

VERSION = 1
"""The version of the tables; kept in the file's `user_version`."""

IDENTITY = """
    server     TEXT NOT NULL,
    dialect    TEXT NOT NULL,
    task_id    TEXT NOT NULL,
    task_type  TEXT NOT NULL,
    digest     TEXT NOT NULL,
    worker_id  TEXT NOT NULL,
    token      TEXT NOT NULL"""

TASK_KEY = """
    server     TEXT NOT NULL,
    task_id    TEXT NOT NULL,
    task_type  TEXT NOT NULL,
    digest     TEXT NOT NULL"""

TABLES = f"""
CREATE TABLE holds ({IDENTITY},
    attempt    INTEGER,
    held_at    REAL NOT NULL,
    PRIMARY KEY (server, dialect, task_id, task_type, digest, worker_id, token)
) WITHOUT ROWID;

CREATE TABLE outcomes (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    uid        TEXT NOT NULL UNIQUE,{IDENTITY},
    attempt    INTEGER,
    kind       TEXT NOT NULL CHECK (kind IN ('completed', 'failed', 'released')),
    body       TEXT NOT NULL,
    children   TEXT NOT NULL DEFAULT '[]',
    state      TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'parked')),
    committed_at REAL NOT NULL,
    next_try   REAL NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0,
    maybe_seen INTEGER NOT NULL DEFAULT 0,
    passed     INTEGER NOT NULL DEFAULT 0,
    detail     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outcomes_line ON outcomes (state, next_try, number);
CREATE INDEX outcomes_task ON outcomes (server, task_id, state);

CREATE TABLE recent ({TASK_KEY},
    result     TEXT NOT NULL,
    kept_at    REAL NOT NULL,
    PRIMARY KEY (server, task_id, task_type, digest)
);

CREATE TABLE crashes ({TASK_KEY},
    times      INTEGER NOT NULL,
    last_at    REAL NOT NULL,
    PRIMARY KEY (server, task_id, task_type, digest)
) WITHOUT ROWID;

CREATE TABLE checkpoints ({TASK_KEY},
    value      TEXT NOT NULL,
    stored_at  REAL NOT NULL,
    PRIMARY KEY (server, task_id, task_type, digest)
);

CREATE TABLE pauses (
    task_type  TEXT PRIMARY KEY,
    until      REAL NOT NULL,
    reason     TEXT NOT NULL
) WITHOUT ROWID;
"""


def open_database(path: Path | str) -> sqlite3.Connection:
    """An open outbox file with its tables, made when it is new.

    Raises:
        StateFolderError: It cannot be opened or written, or a newer version of the SDK made it.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        prepare(connection)
    except sqlite3.Error as error:
        raise StateFolderError(
            f"the outbox {path} cannot be used ({error}); give --state-dir a writable local folder with free space"
        ) from error
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Sets the connection up and makes or checks the tables.

    Outcomes are committed with `synchronous=FULL` (R11): what is committed survives a power cut.

    Raises:
        StateFolderError: A newer version of the SDK made the file.
        sqlite3.Error: The file cannot be read or written.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StateFolderError(
                f"this outbox has format {version}, but this version of the SDK knows only up to {VERSION}; "
                "use the newer SDK, or another --state-dir"
            )
        if version == 0:
            for statement in TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
