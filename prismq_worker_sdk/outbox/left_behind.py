"""What earlier workers left behind: taken over, made readable, ended, and made due (R27, R39)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection, Error

from prismq_worker_sdk.decide.crashes import orphaned
from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.outcome import Outcome
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.outbox.bounds import prune
from prismq_worker_sdk.outbox.folder import Instance
from prismq_worker_sdk.outbox.rows import REPORT_COLUMNS, identity_of, report_of
from prismq_worker_sdk.outbox.schema import IDENTITY_COLUMNS, TABLES, open_database
from prismq_worker_sdk.outbox.store import (
    OF_SERVER,
    Commit,
    Drop,
    count_one,
    end_claims,
    park,
)

SUMMED = "times = times + excluded.times, last_at = max(last_at, excluded.last_at) WHERE excluded.last_at <> last_at"
"""At the same instant it is the same row, copied before a crash."""
BOTH_KNOW = {
    "crashes": SUMMED,
    "lapses": SUMMED,
    "checkpoints": "value = excluded.value, stored_at = excluded.stored_at WHERE excluded.stored_at > stored_at",
    "pauses": "until = excluded.until, reason = excluded.reason, seconds = excluded.seconds"
    " WHERE excluded.until > until",
}
"""What becomes of a row that both outboxes have; in any other table the own one stays."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stored report that was parked because it cannot be read."""

    number: int
    task_id: str
    detail: str


def inherit(own: Connection, sibling: Instance) -> None:
    """Moves everything of a free instance into the own outbox.

    It is copied and committed here before it is deleted there: a crash in between leaves two copies of an
    outcome with one `uid`, of which the second is ignored.

    Args:
        own: The connection of this worker's outbox, not in use by anybody else yet.
        sibling: Locked by the caller.

    Raises:
        StateFolderError: The sibling's file cannot be read, or the own one not written.
    """
    other = open_database(sibling.database)
    try:
        own.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            _take_over(own, other, table)
        own.execute("COMMIT")
        other.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            other.execute(f"DELETE FROM {table}")
        other.execute("COMMIT")
    except Error as error:
        if own.in_transaction:
            own.execute("ROLLBACK")
        raise StateFolderError(
            f"the outbox {sibling.database} of an earlier worker cannot be taken over ({error}); "
            "free disk space, or move its folder aside and keep it"
        ) from error
    finally:
        other.close()


def _take_over(own: Connection, other: Connection, table: str) -> None:
    columns = [row[1] for row in other.execute(f"PRAGMA table_info({table})")]
    kept = ", ".join(column for column in columns if column != "number")
    marks = ", ".join("?" for column in columns if column != "number")
    order = " ORDER BY number" if "number" in columns else ""
    known = f" ON CONFLICT DO UPDATE SET {BOTH_KNOW[table]}" if table in BOTH_KNOW else ""
    own.executemany(
        f"INSERT OR IGNORE INTO {table} ({kept}) VALUES ({marks}){known}",
        other.execute(f"SELECT {kept} FROM {table}{order}"),
    )


def park_unreadable(db: Connection, server: str | None, now: float) -> list[Unreadable]:
    """Parks every waiting report whose row makes no report, so that it does not stop the others."""
    numbers = db.execute(
        "SELECT number FROM outcomes WHERE state = 'waiting' AND (? IS NULL OR server = ?) ORDER BY number",
        (server, server),
    ).fetchall()
    found = []
    for (number,) in numbers:
        fault = _fault(db, number)
        if fault is not None:
            detail = f"the stored report cannot be read: {fault}"
            park(db, number, detail, now)
            (task,) = db.execute(
                "SELECT CAST(task_id AS BLOB) FROM outcomes WHERE number = ?", (number,)
            ).fetchone()
            found.append(Unreadable(number, bytes(task).decode(errors="replace"), detail))
    return found


def _fault(db: Connection, number: int) -> str | None:
    """Why a row makes no report, None when it does."""
    try:
        row = db.execute(f"SELECT {REPORT_COLUMNS}, kind, body FROM outcomes WHERE number = ?", (number,))
        *columns, kind, body = row.fetchone()
        report_of(tuple(columns))
        if kind == "completed":
            json.loads(body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    except Error as error:
        if "decode" not in str(error).lower():  # anything but a text that is none is the disk's trouble
            raise
        return str(error)
    return None


def drop_unreadable_claims(db: Connection) -> int:
    """Deletes held claims whose text is none: they could not be proved to any server; how many that were."""
    names = IDENTITY_COLUMNS.split(", ")
    as_bytes = [f"CAST({name} AS BLOB)" for name in names]
    dropped = 0
    for row in db.execute(f"SELECT {', '.join(as_bytes)} FROM holds").fetchall():
        try:
            for value in row:
                bytes(value).decode()
        except UnicodeDecodeError:
            same = " AND ".join(f"{name} = ?" for name in as_bytes)
            dropped += db.execute(f"DELETE FROM holds WHERE {same}", row).rowcount
    return dropped


def make_due(db: Connection, server: str | None, now: float) -> int:
    """Makes every stored report due, and counts them; each may have been sent by the process that died (R26).

    Rows that say so already are left alone: SQLite writes a whole row anew, its result with it.
    """
    prune(db, now)
    waiting = f"{OF_SERVER} AND state = 'waiting'"
    db.execute(
        f"UPDATE outcomes SET next_try = ?2, maybe_seen = 1 WHERE {waiting} AND (maybe_seen = 0 OR next_try > ?2)",
        (server, now),
    )
    return int(db.execute(f"SELECT count(*) FROM outcomes WHERE {waiting}", (server,)).fetchone()[0])


def resolve_orphans(
    db: Connection, server: str | None, retried: Callable[[int | None], bool], now: float
) -> list[tuple[Identity, Outcome | None]]:
    """Ends every claim that a crash left without an outcome: reported, or left to lapse (None)."""
    ended: list[tuple[Identity, Outcome | None]] = []
    for identity, attempt, trace in holds(db, server):
        crashes = count_one(db, "crashes", identity.task_key, now)
        outcome = orphaned(crashes=crashes, retried=retried(attempt))
        end = Drop(identity) if outcome is None else Commit(identity, outcome, attempt=attempt, trace=trace)
        end_claims(db, (end,), now)
        ended.append((identity, outcome))
    return ended


def holds(db: Connection, server: str | None) -> list[tuple[Identity, int | None, TraceContext | None]]:
    """Every claim without an outcome, with its attempt and the span of its task; of one server, or of all."""
    rows = db.execute(
        f"SELECT {IDENTITY_COLUMNS}, attempt, trace FROM holds WHERE {OF_SERVER} ORDER BY held_at",
        (server,),
    ).fetchall()
    return [(identity_of(row[:7]), row[7], TraceContext.parse(row[8])) for row in rows]
