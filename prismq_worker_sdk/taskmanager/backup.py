"""Copies the SQLite file of a TaskManager that may be running."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from prismq_worker_sdk.errors import PrismqError, SettingsError
from prismq_worker_sdk.taskmanager.export import sync_folder

PART = ".part"


def back_up(url: str, target: Path) -> int:
    """Copies the database as it is at one moment, looks whether the copy is whole, and puts it in place then.

    Nobody waits for it: a server goes on writing meanwhile. What was at the target stays until the copy is whole.

    Returns:
        How many tasks it holds.

    Raises:
        SettingsError: It is no SQLite file of a TaskManager, or it is the target itself.
        PrismqError: The copy cannot be written, or is damaged.
    """
    source = sqlite_file(url)
    if target.resolve() == source.resolve():
        raise SettingsError(f"{target} is the database itself; name another file for its copy")
    part = target.with_name(target.name + PART)
    try:
        part.unlink(missing_ok=True)
        tasks = _copied(source, part)
        _sync(part)
        part.replace(target)
    except sqlite3.Error as error:
        part.unlink(missing_ok=True)
        raise PrismqError(f"{source} cannot be copied to {target}: {error}") from None
    except OSError as error:
        part.unlink(missing_ok=True)
        raise PrismqError(f"{target} cannot be written: {error.strerror or error}") from None
    sync_folder(target.parent)
    return tasks


def sqlite_file(url: str) -> Path:
    """The file of a database.

    Raises:
        SettingsError: It is on a server, in memory, or not there.
    """
    found = sa.make_url(url)
    if found.get_backend_name() != "sqlite":
        raise SettingsError(
            f"backup copies SQLite files; a server has its own tool: "
            f"mariadb-dump --single-transaction --databases {found.database} > FILE (mysqldump for MySQL)"
        )
    path = Path(found.database or ":memory:")
    if not path.is_file():
        raise SettingsError(f"there is no database {path}; name it with --database")
    return path


def _copied(source: Path, part: Path) -> int:
    address = f"file:{quote(str(source.resolve()))}?mode=rw"
    part.touch(mode=0o600)
    with closing(sqlite3.connect(address, uri=True)) as db, closing(sqlite3.connect(part)) as copy:
        db.backup(copy)  # in one step: of several, each commit of the server would begin it anew
        copy.execute("PRAGMA journal_mode = DELETE")  # one file is all of it
        if (found := copy.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise PrismqError(f"the copy of {source} is damaged ({found}); look at the disk")
        return int(copy.execute("SELECT count(*) FROM tasks").fetchone()[0])


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
