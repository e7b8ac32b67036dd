"""A damaged outbox file: noticed, set aside whole, and what can still be read taken over."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.outbox.schema import TABLES, VERSION, open_database, read_only, tables
from prismq_worker_sdk.processes import keep_owner

CORRUPT, NO_DATABASE = 11, 26
"""The codes of SQLite; Python 3.10 knows neither their names nor the code of an error, only its words."""
WORDS = ("malformed", "is not a database")
BESIDE = ("", "-wal", "-shm")
"""An outbox is three files: the database, its write-ahead log, and the log's index."""

LINE = "outcomes"
PAGE = 4096
MAGIC = b"SQLite format 3"
LARGEST = 1 << 36
"""Bytes; a header that tells more is damaged itself."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file itself is broken, not that the disk is full or locked."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return any(words in str(error) for words in WORDS)
    return code & 0xFF in {CORRUPT, NO_DATABASE}


def mend(path: Path, now: datetime) -> str | None:
    """Sets a damaged outbox aside and puts a fresh one with all that could be read in its place.

    Nothing is deleted: the damaged file stays, with its write-ahead log, under `outbox.db.damaged-<UTC time>`.

    Args:
        path: Of an instance that is locked by the caller.

    Returns:
        What was found and done, for the operator; None when the file is sound, or there is none.

    Raises:
        StateFolderError: There is no room to look into it.
    """
    damage = _damage(path)
    if damage is None:
        return None
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    try:
        with TemporaryDirectory(prefix="mending-", dir=path.parent) as folder:
            fresh = Path(folder) / "fresh.db"
            saved, claims = _salvage(path, Path(folder) / "copy.db", fresh)
            for end in reversed(BESIDE):
                if (part := path.with_name(path.name + end)).exists():
                    part.replace(aside.with_name(aside.name + end))
            fresh.replace(path)
            keep_owner(path, path.parent)
    except OSError as error:
        raise StateFolderError(
            f"the outbox {path} is damaged ({damage}) and cannot be set aside ({error.strerror}); free twice its "
            "size on this disk, or move its folder elsewhere and keep it"
        ) from error
    return (
        f"the outbox {path} is damaged ({damage}); it is kept as {aside.name}, and a fresh one is used: {saved} "
        f"reports and {claims} claims could be read and go on, what could not be read is in the kept file only, "
        "and its tasks may run again"
    )


def _damage(path: Path) -> str | None:
    """What is wrong with the file, None when nothing is found or it cannot be opened at all."""
    if not _size(path):
        wal = _size(path.with_name(path.name + "-wal"))
        return "the file is empty, but its write-ahead log is not" if wal else None
    try:
        with closing(read_only(path)) as db:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            return str(found).replace("\n", " ") if found != "ok" else _odd_tables(db)
    except sqlite3.Error as error:
        return str(error) if is_damage(error) else None


def _odd_tables(db: sqlite3.Connection) -> str | None:
    """Why a sound SQLite file is no outbox, None when it is one."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    found = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version == 0 and found:
        return "it is a database of something else"
    missing = sorted({*tables(version)} - found) if 0 < version <= VERSION else []
    return f"the tables {', '.join(missing)} are missing" if missing else None


def _salvage(path: Path, copy: Path, fresh: Path) -> tuple[int, int]:
    """Writes all that can be read into a fresh file; how many reports and claims that is.

    It reads from a copy: SQLite changes a file, and its log, even by looking at them.
    """
    copy.touch(mode=0o600)
    for end in ("", "-wal"):
        if (part := path.with_name(path.name + end)).exists():
            shutil.copyfile(part, copy.with_name(copy.name + end))
    _fill_up(copy)
    with closing(open_database(fresh)) as new, closing(sqlite3.connect(copy, isolation_level=None)) as old:
        new.execute("BEGIN IMMEDIATE")
        found = {table: _copy(old, new, table) for table in TABLES}
        new.execute("COMMIT")
        new.execute("PRAGMA journal_mode = DELETE")  # one file, so that one rename puts it in its place
    return found[LINE], found["holds"]


def _fill_up(copy: Path) -> None:
    """Gives a file the length that its header tells: of a shorter one SQLite reads nothing."""
    with copy.open("r+b") as file:
        header = file.read(32)
        pages, size = int.from_bytes(header[28:32], "big"), int.from_bytes(header[16:18], "big") or PAGE
        told = max(PAGE, pages * size) if header.startswith(MAGIC) else PAGE
        if file.seek(0, 2) < told <= LARGEST:
            file.truncate(told)


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Inserts what can be read of a table and fits it; how many rows that is."""
    try:
        known = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return 0
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})") if row[1] in known]
    if not columns:
        return 0
    names, marks = ", ".join(columns), ", ".join("?" for _ in columns)
    into = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
    return new.executemany(into, _rows(old, table, names)).rowcount


def _rows(old: sqlite3.Connection, table: str, names: str) -> Iterator[tuple[object, ...]]:
    if table != LINE:
        with suppress(sqlite3.Error):
            yield from old.execute(f"SELECT {names} FROM {table}")
        return
    for number in sorted(_numbers(old)):
        with suppress(sqlite3.Error):
            yield from old.execute(f"SELECT {names} FROM {LINE} WHERE number = ?", (number,))


def _numbers(old: sqlite3.Connection) -> set[int]:
    """The places in the line, from both ends of the table and from an index: a bad page stops each elsewhere."""
    found: set[int] = set()
    for way in (
        "NOT INDEXED ORDER BY number",
        "NOT INDEXED ORDER BY number DESC",
        "INDEXED BY outcomes_line",
    ):
        with suppress(sqlite3.Error):
            for (number,) in old.execute(f"SELECT number FROM {LINE} {way}"):
                found.add(number)
    return found


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
