"""Keeps an outbox file small: what is past its time goes, and free pages go back to the disk."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from sqlite3 import Connection, Error, connect

from prismq_worker_sdk.outbox.schema import JOURNAL_BYTES
from prismq_worker_sdk.processes import users_of

RECENT_ROWS = 2_000
RECENT_SECONDS = 24 * 3600.0
RECENT_BYTES = 256 * 1024 * 1024
CHECKPOINT_ROWS = 10_000
CHECKPOINT_SECONDS = 7 * 24 * 3600.0
CRASH_ROWS = 10_000
CRASH_SECONDS = 7 * 24 * 3600.0

FREE_PAGES = 1_024
"""Free pages that stay in the file for the next reports."""

_SAME_TASK = "server = checkpoints.server AND task_id = checkpoints.task_id AND digest = checkpoints.digest"
_NOT_NEEDED = (
    f"AND NOT EXISTS (SELECT 1 FROM holds WHERE {_SAME_TASK})"
    f" AND NOT EXISTS (SELECT 1 FROM outcomes WHERE {_SAME_TASK})"
)
"""A clock that jumps takes no checkpoint that a handler still works on or a report takes along (R30)."""

PAGES_AT_ONCE = 1_024
"""Free pages given back in one transaction: a few milliseconds."""


def prune(db: Connection, now: float) -> None:
    """Forgets what is past its time, and bounds what is kept (R25, R30)."""
    prune_recent(db, now)
    db.execute(f"DELETE FROM checkpoints WHERE stored_at < ? {_NOT_NEEDED}", (now - CHECKPOINT_SECONDS,))
    _bound(db, "checkpoints", "stored_at", CHECKPOINT_ROWS)
    for counts in ("crashes", "lapses"):
        db.execute(f"DELETE FROM {counts} WHERE last_at < ?", (now - CRASH_SECONDS,))
        _bound(db, counts, "last_at", CRASH_ROWS)


def prune_recent(db: Connection, now: float) -> None:
    """Forgets results that were kept for their day, and the oldest beyond their number and size (R25)."""
    db.execute("DELETE FROM recent WHERE kept_at < ?", (now - RECENT_SECONDS,))
    db.execute(
        "DELETE FROM recent WHERE rowid IN (SELECT rowid FROM (SELECT rowid,"
        " row_number() OVER newest AS place, sum(length(result) + length(children)) OVER newest AS bytes FROM recent"
        " WINDOW newest AS (ORDER BY kept_at DESC, rowid DESC)) WHERE place > ? OR bytes > ?)",
        (RECENT_ROWS, RECENT_BYTES),
    )


def _bound(db: Connection, table: str, instant: str, most: int) -> None:
    """Deletes the oldest rows beyond a number."""
    limit = db.execute(
        f"SELECT {instant} FROM {table} ORDER BY {instant} DESC LIMIT 1 OFFSET ?", (most,)
    ).fetchone()
    if limit is not None:
        db.execute(f"DELETE FROM {table} WHERE {instant} <= ?", limit)


def shrink(db: Connection) -> bool:
    """Gives some free pages back to the disk; whether more are left to give."""
    free = _free_pages(db)
    if free <= FREE_PAGES:
        return False
    for _ in range(min(PAGES_AT_ONCE, free - FREE_PAGES)):
        db.execute(
            "PRAGMA incremental_vacuum(1)"
        )  # Python's sqlite3 takes one step of it, whatever it is asked for
    return FREE_PAGES < _free_pages(db) < free


def empty_log(path: Path) -> str | None:
    """Moves a write-ahead log into its outbox file and cuts it; why it stays large, None where it does not.

    A reader that does not end keeps all that was written since in the log; once it ends, somebody has to say this.
    """
    address = f"{path.absolute().as_uri()}?mode=rw"  # a file that somebody took away is not made anew beside its log
    with suppress(Error), closing(connect(address, uri=True, timeout=0.0, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    log = path.with_name(f"{path.name}-wal")
    try:
        left = log.stat().st_size
    except OSError:
        return None
    if left <= JOURNAL_BYTES:
        return None
    users = users_of(path)
    by = f" (process {', '.join(users)})" if users else ""
    return (
        f"{left // 2**20} MiB are the log {log.name}, which cannot be emptied while another program{by} "
        "reads the outbox; end it"
    )


def used_bytes(db: Connection) -> int:
    """Bytes of the file that hold something."""
    (pages,), (size,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return int((pages - _free_pages(db)) * size)


def _free_pages(db: Connection) -> int:
    return int(db.execute("PRAGMA freelist_count").fetchone()[0])
