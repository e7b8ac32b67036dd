"""Reports that left the line without a verdict: kept, shown, and put back or deleted by an operator (R23, R24)."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from prismq_worker_sdk.errors import UsageError

KEPT_SECONDS = 90 * 24 * 3600.0
KEPT_REPORTS = 10_000
"""Parked reports are kept so long, and so many of them; a start deletes older ones and says so."""


@dataclass(frozen=True, slots=True)
class Parked:
    """How many reports to a server are parked for one reason."""

    server: str
    detail: str
    reports: int


def reasons(db: Connection) -> list[Parked]:
    """What is parked, of every server, most first."""
    rows = db.execute(
        "SELECT server, detail, count(*) FROM outcomes WHERE state = 'parked' GROUP BY server, detail"
        " ORDER BY count(*) DESC, server, detail"
    )
    return [Parked(*row) for row in rows]


def forget(db: Connection, now: float) -> int:
    """Deletes parked reports beyond their time or their number; how many that were."""
    return db.execute(
        "DELETE FROM outcomes WHERE state = 'parked' AND (parked_at < ? OR number NOT IN ("
        "SELECT number FROM outcomes WHERE state = 'parked' ORDER BY number DESC LIMIT ?))",
        (now - KEPT_SECONDS, KEPT_REPORTS),
    ).rowcount


def retry(db: Connection, number: int, now: float) -> bool:
    """Puts a parked report back into the line; whether the failure that stood in for it was withdrawn.

    Raises:
        UsageError: It is not parked, or its claim has another end already.
    """
    row = db.execute("SELECT state, replacement FROM outcomes WHERE number = ?", (number,)).fetchone()
    if row is None or row[0] != "parked":
        raise UsageError("there is no such report" if row is None else "it waits already; it needs no retry")
    withdrawn = _withdraw(db, row[1])
    db.execute(
        "UPDATE outcomes SET state = 'waiting', next_try = ?, passed = 0, detail = '', replacement = '',"
        " parked_at = NULL WHERE number = ?",
        (now, number),
    )
    return withdrawn


def _withdraw(db: Connection, uid: str) -> bool:
    """Takes a replacement out of the line, so that a claim never has two reports on their way."""
    if not uid:
        return False
    found = db.execute("SELECT state FROM outcomes WHERE uid = ?", (uid,)).fetchone()
    if found is None:
        raise UsageError(
            "the failure that was reported in its place has reached the server, so this claim is over: "
            "retry the task on the server, then drop this report"
        )
    return db.execute("DELETE FROM outcomes WHERE uid = ? AND state = 'waiting'", (uid,)).rowcount == 1


def delete(db: Connection, number: int) -> dict[str, Any]:
    """Deletes a report; what it was, column by column.

    Raises:
        UsageError: There is none.
    """
    cursor = db.execute("SELECT * FROM outcomes WHERE number = ?", (number,))
    row = cursor.fetchone()
    if row is None:
        raise UsageError("there is no such report")
    db.execute("DELETE FROM outcomes WHERE number = ?", (number,))
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
