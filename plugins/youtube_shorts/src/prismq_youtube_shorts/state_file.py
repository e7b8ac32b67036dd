"""One SQLite file that the workers of a machine share; trouble with it is logged and fails no task.

It holds spent quota, read pages and snapshots of statistics. Nothing in it is needed: a file that cannot be read or
written costs quota, and no task.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from prismq_worker_sdk.compat import UTC

T = TypeVar("T")
U = TypeVar("U")

NAME = "youtube.db"
BUSY_SECONDS = 5.0
"""How long another process may write."""
VERSION = 1
TABLES = (
    "usage (project TEXT, bucket TEXT, day TEXT, used INTEGER NOT NULL, PRIMARY KEY (project, bucket, day))",
    "blocks (project TEXT, bucket TEXT, until REAL NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (project, bucket))",
    "pages (search TEXT, number INTEGER, body TEXT NOT NULL, read_at REAL NOT NULL, PRIMARY KEY (search, number))",
    "videos (video_id TEXT PRIMARY KEY, body TEXT NOT NULL, read_at REAL NOT NULL)",
    "languages (language TEXT PRIMARY KEY, refused_at REAL NOT NULL)",
    "looks (video_id TEXT, at REAL, views INTEGER NOT NULL, PRIMARY KEY (video_id, at))",
)
_log = logging.getLogger("prismq.youtube")


class StateFile:
    """An SQLite file, opened when it is first needed; may be used from any thread and by several processes.

    Args:
        folder: Where it lies; made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._lock = threading.Lock()
        self._warned = False
        self._db: sqlite3.Connection | None = None
        self._known: tuple[int, int] | None = None

    def __del__(self) -> None:
        self._close()

    def close(self) -> None:
        """Closes it; a later call opens it again."""
        with self._lock:
            self._close()

    def run(self, work: Callable[[sqlite3.Connection], T], otherwise: U) -> T | U:
        """What one transaction gives; `otherwise` where the file cannot be used, which is logged once."""
        with self._lock:
            try:
                looked_into = self._identity()
                try:
                    return self._transact(work)
                except (sqlite3.OperationalError, sqlite3.ProgrammingError):
                    raise
                except sqlite3.DatabaseError as error:
                    self._close()
                    if self._identity() == looked_into:  # else the fresh one of a faster process stays
                        self._set_aside(error)
                return self._transact(work)
            except (sqlite3.Error, OSError) as error:
                self._close()
                self._warn(error)
            return otherwise

    def write(self, statement: str, *rows: tuple[Any, ...]) -> None:
        """The statement for each row, in one transaction."""
        self.run(lambda db: db.executemany(statement, rows), None)

    def read(self, statement: str, row: tuple[Any, ...]) -> list[Any]:
        """The rows that a statement finds; a file that is not there is not made, and holds none."""
        return self.run(lambda db: db.execute(statement, row).fetchall(), []) if self.exists() else []

    def exists(self) -> bool:
        """Whether there is a file to look into."""
        try:
            return self._identity() is not None
        except OSError as error:
            self._warn(error)
            return False

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._connected() as db:  # it commits, or undoes
            db.execute("BEGIN IMMEDIATE")
            return work(db)

    def _connected(self) -> sqlite3.Connection:
        """The connection; another one where the file was deleted or replaced under it."""
        if self._db is None or self._known != self._identity():
            self._close()
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            with self._db as db:
                db.execute("BEGIN IMMEDIATE")
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if version > VERSION:
                    raise sqlite3.OperationalError(f"it is of version {version}, this plugin knows {VERSION}")
                for table in TABLES:
                    db.execute(f"CREATE TABLE IF NOT EXISTS {table}")
                db.execute(f"PRAGMA user_version = {VERSION}")
            self._known = self._identity()
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _identity(self) -> tuple[int, int] | None:
        """Which file lies there now."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """A damaged file is kept for people to look at."""
        aside = self.path.with_name(f"{NAME}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}")
        self.path.replace(aside)
        _log.error("%s is damaged (%s); it was set aside as %s", self.path, error, aside.name)

    def _warn(self, error: Exception) -> None:
        level, self._warned = (logging.DEBUG if self._warned else logging.WARNING), True
        _log.log(level, "%s cannot be used (%s); quota is not counted and no page is kept", self.path, error)
