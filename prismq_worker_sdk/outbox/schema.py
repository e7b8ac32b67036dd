"""The tables of an outbox file, the ladder of their versions, and how a connection is opened."""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from pathlib import Path

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.processes import keep_owner

JOURNAL_BYTES = 16 * 1024 * 1024
"""What the write-ahead log may keep of the disk once its pages are in the file."""

TASK_COLUMNS = "server, task_id, task_type, digest"
IDENTITY_COLUMNS = "server, dialect, task_id, task_type, digest, worker_id, token"
TASK_KEY, IDENTITY = (
    "".join(f"\n    {column} TEXT NOT NULL," for column in columns.split(", "))
    for columns in (TASK_COLUMNS, IDENTITY_COLUMNS)
)

FIRST = f"""
CREATE TABLE holds ({IDENTITY}
    attempt    INTEGER,
    held_at    REAL NOT NULL,
    PRIMARY KEY ({IDENTITY_COLUMNS})
) WITHOUT ROWID;

CREATE TABLE outcomes (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    uid        TEXT NOT NULL UNIQUE,{IDENTITY}
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

CREATE TABLE recent ({TASK_KEY}
    result     TEXT NOT NULL,
    kept_at    REAL NOT NULL,
    PRIMARY KEY ({TASK_COLUMNS})
);

CREATE TABLE crashes ({TASK_KEY}
    times      INTEGER NOT NULL,
    last_at    REAL NOT NULL,
    PRIMARY KEY ({TASK_COLUMNS})
) WITHOUT ROWID;

CREATE TABLE checkpoints ({TASK_KEY}
    value      TEXT NOT NULL,
    stored_at  REAL NOT NULL,
    PRIMARY KEY ({TASK_COLUMNS})
);

CREATE TABLE pauses (
    task_type  TEXT PRIMARY KEY,
    until      REAL NOT NULL,
    reason     TEXT NOT NULL
) WITHOUT ROWID;
"""


SAME_CLAIM = " AND ".join(f"later.{name} = outcomes.{name}" for name in IDENTITY_COLUMNS.split(", "))

SECOND = f"""
ALTER TABLE recent ADD COLUMN children TEXT NOT NULL DEFAULT '[]';
ALTER TABLE outcomes ADD COLUMN replacement TEXT NOT NULL DEFAULT '';
ALTER TABLE outcomes ADD COLUMN parked_at REAL;
UPDATE outcomes SET parked_at = committed_at, replacement = coalesce((
    SELECT later.uid FROM outcomes AS later
    WHERE later.number > outcomes.number AND later.kind = 'failed' AND {SAME_CLAIM}
    ORDER BY later.number LIMIT 1), '') WHERE state = 'parked';
"""
"""A kept result has its children (R22, R25); a parked report knows since when, and the `uid` of the failure that took
its place (R24)."""

THIRD = f"""
CREATE TABLE lapses ({TASK_KEY}
    times      INTEGER NOT NULL,
    last_at    REAL NOT NULL,
    PRIMARY KEY ({TASK_COLUMNS})
) WITHOUT ROWID;
"""
"""How often a task was given back here by letting its claim lapse: such claims are not held against it (R18)."""

FOURTH = """
ALTER TABLE pauses ADD COLUMN seconds REAL NOT NULL DEFAULT 86400.0;
"""
"""How long a pause was to last: where the clock was set back, no more than that is left of it (R5)."""

FIFTH = """
ALTER TABLE outcomes ADD COLUMN log TEXT NOT NULL DEFAULT '';
"""
"""The last lines that a handler logged wait with its outcome. Children may have among them what is to follow them,
which an older version would create with them."""

SIXTH = """
ALTER TABLE outcomes ADD COLUMN trace TEXT NOT NULL DEFAULT '';
ALTER TABLE holds ADD COLUMN trace TEXT NOT NULL DEFAULT '';
"""
"""The span that a report belongs to, "" where nobody traces: a later process delivers it there. Children may
have their own among what is kept of them."""

STEPS = (FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH)
"""Each leads from one version of the tables to the next, in a transaction of its own."""

VERSION = len(STEPS)
"""The version of the tables; kept in the file's `user_version`."""


def tables(version: int) -> tuple[str, ...]:
    """The tables of a file of a version, in the order in which they came."""
    return tuple(re.findall(r"CREATE TABLE (\w+)", "".join(STEPS[:version])))


TABLES = tables(VERSION)
"""All of them: whoever copies, checks or counts an outbox goes by this list."""


def open_database(path: Path | str) -> sqlite3.Connection:
    """An open outbox file with its tables, made when it is new.

    Raises:
        StateFolderError: It cannot be opened or written, or a newer version of the SDK made it.
    """
    try:
        if isinstance(path, Path) and not path.exists():
            path.touch(mode=0o600)
            keep_owner(path, path.parent)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise StateFolderError(
            f"the outbox {path} cannot be used ({error}); give --state-dir a writable local folder with free space"
        ) from error
    return connection


def read_only(path: Path) -> sqlite3.Connection:
    """An outbox file as it is, to look at."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=5.0, isolation_level=None)


def prepare(connection: sqlite3.Connection) -> None:
    """Sets the connection up, and makes the tables or brings them to this version.

    Outcomes are committed with `synchronous=FULL` (R11): what is committed survives a power cut.

    Raises:
        StateFolderError: A newer version of the SDK made the file.
        sqlite3.Error: The file cannot be read or written.
    """
    before = _version(connection)
    if before > VERSION:
        raise StateFolderError(
            f"this outbox has format {before}, but this version of the SDK knows only up to {VERSION}; "
            "use the newer SDK, or another --state-dir"
        )
    if before == 0:  # it holds nothing that a journal on the disk could save
        connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # the first sync covers all before it
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
    while _version(connection) < VERSION:
        _climb(connection)
    connection.execute("PRAGMA synchronous = FULL")
    if before == 1:
        with suppress(sqlite3.OperationalError):  # without room for it the file only stays as large as it is
            connection.execute("VACUUM")


def _climb(connection: sqlite3.Connection) -> None:
    """Takes one step of the ladder; another process may have taken it meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        for statement in STEPS[version].split(";\n") if version < VERSION else ():
            connection.execute(statement)
        if version < VERSION:
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
