"""Connections to the database: some that write, some that only read; and its time."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from prismq_worker_sdk.errors import SettingsError, missing_extra
from prismq_worker_sdk.taskmanager.db.migrate import HEAD, migrate, revision
from prismq_worker_sdk.taskmanager.db.statements import Statement, execute

LOCKED_SECONDS, LOCKED_PAUSE = 10.0, 0.02
"""How long a fresh database may be locked by others that open it, and the pause between two tries."""
START_SECONDS, START_PAUSE = 60.0, 1.0
"""How long a database server is waited for that starts at the same time, and the pause between two tries."""
CONNECT_SECONDS, ANSWER_SECONDS = 5, 60
"""How long a database server may take to be reached, and for one statement."""

AWAY = {(2003,), (2006,), (2013,), (1040,), (1053,)}
"""MySQL's codes: nobody listens, the connection was cut, too many connections, it is about to end."""
SERVERS = {"mysql+pymysql", "mariadb+pymysql"}
NO_OPTION = (TypeError, OSError, KeyError, ValueError, AttributeError)
"""What a driver raises at an option of the URL that it does not know, or whose file is not there."""
_LOG = logging.getLogger("prismq.taskmanager")
_NOW = Statement("SELECT unix_timestamp(now(6)) AS at")


@dataclass(slots=True, eq=False)
class Database:
    """An open database.

    Attributes:
        writing: Its transactions on SQLite take the write lock at once: what one has read still holds when it writes.
        reading: Cannot write; `writing` itself where nobody else can read the database.
        clock: Time, seconds since 1970; None for the database server's.
    """

    writing: sa.Engine
    reading: sa.Engine
    clock: Callable[[], float] | None
    _latest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def many_write(self) -> bool:
        """Whether its transactions lock rows, so that several can write at the same time."""
        return self.writing.dialect.name != "sqlite"

    def now(self, db: sa.Connection) -> float:
        """Seconds since 1970, UTC; never runs back here. All replicas on one database server share its time."""
        at = float(_NOW.first(db).at) if self.clock is None else self.clock()
        with self._lock:
            self._latest = max(self._latest, at)
            return self._latest

    def later(self, db: sa.Connection, now: float) -> float:
        """The time once the locks are held that were waited for.

        Args:
            now: Of the beginning of the transaction.
        """
        return self.now(db) if self.many_write else now

    def space(self) -> tuple[int, int] | None:
        """Bytes of its file with the write-ahead log, and those free beside it; None where it is no file here."""
        if self.many_write or not (place := self.writing.url.database) or place == ":memory:":
            return None
        try:
            log = Path(f"{place}-wal")
            size = Path(place).stat().st_size + (log.stat().st_size if log.exists() else 0)
            return size, shutil.disk_usage(Path(place).parent).free
        except OSError:
            return None

    def danger(self) -> str | None:
        """Why what was answered may be lost, None where it is on disk by then (R11)."""
        if not self.many_write:
            return None
        with self.reading.connect() as db:
            setting = db.exec_driver_sql("SELECT @@innodb_flush_log_at_trx_commit").scalar()
        if setting == 1:
            return None
        return (
            f"innodb_flush_log_at_trx_commit is {setting} at the database server: it answers before it has synced, "
            "so that tasks and results are lost when it or its machine fails; set it to 1"
        )

    def close(self) -> None:
        """Closes what is open."""
        self.writing.dispose()
        self.reading.dispose()


def connect(
    url: str, clock: Callable[[], float] | None = None, *, patience: float = START_SECONDS
) -> Database:
    """The database at an SQLAlchemy URL, with the tables of this version in place.

    SQLite runs in WAL with a full sync at each commit: what is answered is on disk (R11).

    Args:
        clock: Time in place of the machine's, or the database server's.
        patience: Seconds to wait for a database server that cannot be reached yet.

    Raises:
        SettingsError: It is no database, not one of a TaskManager, or cannot be opened.
    """
    try:
        writing = _engine(url, reads=False)
    except ImportError as error:
        raise missing_extra(error, "a database of MariaDB or MySQL", "mysql", "pymysql") from None
    except (SQLAlchemyError, *NO_OPTION) as error:
        raise SettingsError(f"--database is no URL that can be used: {error}") from None
    if writing.dialect.name == "sqlite" and not in_memory(url):
        _make_private(writing.url.database or "")
    try:
        _wait_for(writing, patience)
        migrate(writing)
    except (SQLAlchemyError, *NO_OPTION) as error:
        writing.dispose()
        shown = writing.url.render_as_string(hide_password=True)
        reason = error.orig if isinstance(error, DBAPIError) else error
        text = f"--database {shown} cannot be opened as that of a TaskManager: {reason}"
        raise SettingsError(text) from None
    if clock is None and writing.dialect.name == "sqlite":
        clock = time.time
    return Database(writing, writing if in_memory(url) else _engine(url, reads=True), clock)


def _make_private(path: str) -> None:
    """Makes a new file for this user alone: it will hold params, results and secrets of webhooks."""
    if path.startswith("file:"):
        return
    with suppress(OSError):  # it is there, or cannot be: who opens it tells
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _wait_for(engine: sa.Engine, seconds: float) -> None:
    """Lets a database server come up, as one in the next container does; what it refuses is refused at once."""
    give_up_at, told = time.monotonic() + seconds, ""
    while True:
        try:
            return engine.connect().close()
        except DBAPIError as error:
            away = engine.dialect.name != "sqlite" and error.orig is not None and error.orig.args[:1] in AWAY
            if not away or time.monotonic() >= give_up_at:
                raise
            if told != (told := str(error.orig)):
                _LOG.warning("the database server cannot be reached yet, up to %g s: %s", seconds, told)
            time.sleep(START_PAUSE)


def open_to_read(url: str) -> sa.Engine:
    """Reads a database that is there, and changes nothing, so that a server may be at work on it.

    Raises:
        SettingsError: It is not there, not one of a TaskManager of this version, or cannot be opened.
    """
    try:
        address = _address(url)
        if address.get_backend_name() == "sqlite" and not Path(address.database or ":").is_file():
            raise SettingsError(f"there is no database {address.database}; name it with --database")
        engine = _engine(url, reads=True)
        try:
            with engine.connect() as db:
                found = db.scalar(sa.select(revision.c.version_num))
        except BaseException:
            engine.dispose()
            raise
    except (SQLAlchemyError, ImportError, *NO_OPTION) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise SettingsError(f"--database cannot be read as that of a TaskManager: {reason}") from None
    if found != HEAD:
        engine.dispose()
        raise SettingsError(
            f"the tables of this database are of revision {found}, not {HEAD}; start the TaskManager of this version "
            "on it once, or use the version that made it"
        )
    return engine


def in_memory(url: str) -> bool:
    """Whether the database is one connection's own, so that nobody else can read it."""
    return url in {"sqlite://", "sqlite:///:memory:"}


def _address(url: str) -> sa.URL:
    """A URL in whose every part stands what belongs there; one that was cut at the wrong place would show a password.

    Raises:
        SettingsError: It is none.
    """
    try:
        found = sa.make_url(url)
    except (SQLAlchemyError, ValueError):
        found = None
    kind = None if found is None else found.drivername
    if found is None or (kind in SERVERS and "@" in f"{found.host}{found.database}"):
        fault = "is no file and no URL; in a password %40 stands for @, %3A for :, %2F for /"
    elif kind not in {"sqlite", "sqlite+pysqlite", *SERVERS}:
        fault = f"is no file and no URL that is known here: {kind}://"
    elif kind in SERVERS and not found.database:
        fault = "names a server, and no database there"
    else:
        return found
    raise SettingsError(f"--database {fault}; write a file, or mysql+pymysql://USER:PASSWORD@HOST/NAME")


def _engine(url: str, *, reads: bool) -> sa.Engine:
    kind = _address(url).get_backend_name()
    if kind in {"mysql", "mariadb"}:
        return _mysql(url, reads=reads)
    alone: dict[str, Any] = {"poolclass": sa.StaticPool, "connect_args": {"check_same_thread": False}}
    engine = sa.create_engine(url, **(alone if in_memory(url) else {}))
    if kind == "sqlite":
        prepare = _prepare_reading if reads else _prepare_writing
        sa.event.listen(engine, "connect", prepare)
        begin = "BEGIN" if reads else "BEGIN IMMEDIATE"
        sa.event.listen(engine, "begin", lambda db: execute(db, begin).close())
    return engine


def _mysql(url: str, *, reads: bool) -> sa.Engine:
    """Writes at READ COMMITTED, where a look at tasks locks none that it does not take; reads at one moment."""
    engine = sa.create_engine(
        url,
        isolation_level="REPEATABLE READ" if reads else "READ COMMITTED",
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=8,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": ANSWER_SECONDS,
            "write_timeout": ANSWER_SECONDS,
        },
    )
    sa.event.listen(engine, "connect", _prepare_mysql)
    return engine


def _prepare_mysql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00', innodb_lock_wait_timeout = 10")


def _prepare_writing(connection: sqlite3.Connection, _record: object) -> None:
    give_up_at = time.monotonic() + LOCKED_SECONDS
    while True:  # SQLite does not wait here by itself when several open a fresh file at once
        try:
            return _pragmas(connection, "journal_mode = WAL", "synchronous = FULL")
        except sqlite3.OperationalError:
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(LOCKED_PAUSE)


def _prepare_reading(connection: sqlite3.Connection, _record: object) -> None:
    _pragmas(connection, "query_only = ON")


def _pragmas(connection: sqlite3.Connection, *pragmas: str) -> None:
    connection.isolation_level = None
    for pragma in ("busy_timeout = 10000", *pragmas):
        connection.execute(f"PRAGMA {pragma}").close()
