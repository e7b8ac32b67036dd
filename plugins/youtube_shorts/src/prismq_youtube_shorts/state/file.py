"""One SQLite file that the workers of a machine share; trouble with it is logged and fails no task."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
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
SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (project TEXT, bucket TEXT, day TEXT, used INTEGER NOT NULL,
    PRIMARY KEY (project, bucket, day));
CREATE TABLE IF NOT EXISTS blocks (project TEXT, bucket TEXT, until REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (project, bucket));
CREATE TABLE IF NOT EXISTS pages (search TEXT, number INTEGER, body TEXT NOT NULL, read_at REAL NOT NULL,
    PRIMARY KEY (search, number));
CREATE TABLE IF NOT EXISTS videos (video_id TEXT PRIMARY KEY, body TEXT NOT NULL, read_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS languages (language TEXT PRIMARY KEY, refused_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS looks (video_id TEXT, at REAL, views INTEGER NOT NULL, PRIMARY KEY (video_id, at));
"""
_log = logging.getLogger("prismq.youtube")


class StateFile:
    """An SQLite file, opened when it is first needed; may be used from any thread and by several processes.

    Args:
        folder: Where it lies; made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._warned = False

    def run(self, work: Callable[[sqlite3.Connection], T], otherwise: U) -> T | U:
        """What one transaction gives; `otherwise` where the file cannot be used, which is logged once."""
        with self._lock:
            try:
                try:
                    return self._transact(work)
                except (sqlite3.OperationalError, sqlite3.ProgrammingError):
                    raise
                except sqlite3.DatabaseError as error:
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
        return self._identity() is not None

    def close(self) -> None:
        """Closes it; a later call opens it again."""
        with self._lock:
            self._close()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is not None and self._opened != self._identity():
            self._close()  # it was deleted or replaced under us
        connection = self._connection or self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return found

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > VERSION:
                raise sqlite3.OperationalError(f"it is of version {found}, this plugin knows {VERSION}")
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        except BaseException:
            connection.close()
            raise
        self._connection, self._opened = connection, self._identity()
        return connection

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """A damaged file is kept for people to look at; where another process was faster, its fresh one stays."""
        damaged = self._opened if self._connection is not None else self._identity()
        self._close()
        if damaged is None or damaged != self._identity():
            return
        aside = self.path.with_name(f"{NAME}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}")
        self.path.replace(aside)
        _log.error("%s is damaged (%s); it was set aside as %s", self.path, error, aside.name)

    def _identity(self) -> tuple[int, int] | None:
        """Which file lies there now, None for none that can be seen."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(error)
            return None
        return found.st_dev, found.st_ino

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _warn(self, error: Exception) -> None:
        level, self._warned = (logging.DEBUG if self._warned else logging.WARNING), True
        _log.log(level, "%s cannot be used (%s); quota is not counted and no page is kept", self.path, error)
