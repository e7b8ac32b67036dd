"""Every change and every question to the outbox, as functions of a connection inside a transaction.

Instants are seconds since 1970, UTC (R5). Nothing here begins, commits or waits: see `transactions`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import TypeAlias

from prismq_worker_sdk.model.claim import Claim, Identity, TaskKey
from prismq_worker_sdk.model.outcome import Child, Completed, Outcome, Released
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.outbox.bounds import prune_recent
from prismq_worker_sdk.outbox.claim_ends import Commit
from prismq_worker_sdk.outbox.rows import (
    IDENTITY_COLUMNS,
    REPORT_COLUMNS,
    TASK_COLUMNS,
    children_text,
    encode,
    identity_of,
    identity_row,
    report_of,
    task_row,
)

FOREVER = 3600.0
"""A next try further away than this comes from a clock that was set back: it is due."""

_IDENTITY_IS = " AND ".join(f"{column} = ?" for column in IDENTITY_COLUMNS.split(", "))
_TASK_IS = " AND ".join(f"{column} = ?" for column in TASK_COLUMNS.split(", "))
_SERVER_IS = "(? IS NULL OR server = ?)"
_MARKS = ", ".join("?" for _ in IDENTITY_COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class Held:
    """The claim is in the outbox: run the task.

    Attributes:
        superseded: Stored failures of this task that its new claim made pointless (R25).
        checkpoint: What the last attempt here stored, JSON text.
        lapses: How often this task was given back here, at once or by letting its claim lapse.
    """

    superseded: int = 0
    checkpoint: str | None = None
    lapses: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """A completed outcome of this very task was still here: it is bound to the new claim (R25).

    Attributes:
        superseded: Reports under earlier claims that were withdrawn for it.
    """

    completed: Completed
    superseded: int = 0


HoldResult: TypeAlias = Held | Answered


def hold(db: Connection, claim: Claim, now: float) -> HoldResult:
    """Writes a claim down before anything is done about it, or answers it from what is here (R25)."""
    key = task_row(claim.identity.task_key)
    waiting = f"FROM outcomes WHERE {_TASK_IS} AND state = 'waiting'"
    found = db.execute(
        f"SELECT body, children, passed {waiting} AND kind = 'completed' ORDER BY number DESC LIMIT 1", key
    ).fetchone()
    if found is None:
        found = db.execute(f"SELECT result, children, 0 FROM recent WHERE {_TASK_IS}", key).fetchone()
    superseded = db.execute(f"DELETE {waiting}", key).rowcount
    if found is not None:
        completed = Completed(found[0])
        number = insert_outcome(db, claim.identity, completed, found[1], claim.task.attempt, now)
        if (
            superseded
        ):  # a report of it may be on its way (R26), and the same result did not pass before (R23)
            take_over(db, number, maybe_seen=True, passed=found[2])
        db.execute(f"DELETE FROM recent WHERE {_TASK_IS}", key)
        return Answered(completed, superseded)
    db.execute(
        f"INSERT OR REPLACE INTO holds ({IDENTITY_COLUMNS}, attempt, held_at) VALUES ({_MARKS}, ?, ?)",
        (*identity_row(claim.identity), claim.task.attempt, now),
    )
    lapsed = db.execute(f"SELECT times FROM lapses WHERE {_TASK_IS}", key).fetchone()
    lapses = 0 if lapsed is None else int(lapsed[0])
    return Held(superseded, last_checkpoint(db, claim.identity.task_key), lapses)


def known_tasks(db: Connection, server: str, task_ids: Sequence[str]) -> set[str]:
    """Those of these tasks of which a report, a kept result, a checkpoint or a lapse is here."""
    ids = json.dumps(task_ids)
    some = "SELECT task_id FROM {} WHERE server = ?1 AND task_id IN (SELECT value FROM json_each(?2))"
    asked = " UNION ".join(some.format(table) for table in ("outcomes", "recent", "checkpoints", "lapses"))
    return {name for (name,) in db.execute(asked, (server, ids))}


def keeps_counts(db: Connection) -> bool:
    """Whether there is a checkpoint, a crash or a lapse of any task."""
    some = " OR ".join(f"EXISTS (SELECT 1 FROM {table})" for table in ("checkpoints", "crashes", "lapses"))
    (found,) = db.execute(f"SELECT {some}").fetchone()
    return bool(found)


def rehold(db: Connection, old: Identity, new: Claim, now: float) -> bool:
    """Binds a running attempt to its new claim; False when it has ended meanwhile (R9)."""
    if not drop_hold(db, old):
        return False
    db.execute(
        f"INSERT OR REPLACE INTO holds ({IDENTITY_COLUMNS}, attempt, held_at) VALUES ({_MARKS}, ?, ?)",
        (*identity_row(new.identity), new.task.attempt, now),
    )
    return True


def drop_hold(db: Connection, identity: Identity) -> bool:
    """Ends a hold without an outcome; False when it was not there any more."""
    return db.execute(f"DELETE FROM holds WHERE {_IDENTITY_IS}", identity_row(identity)).rowcount == 1


def lapse(db: Connection, identity: Identity, now: float) -> bool:
    """Ends a hold whose claim is left to lapse, and counts that; False when it was not there any more."""
    if not drop_hold(db, identity):
        return False
    _count(db, "lapses", identity.task_key, now)
    return True


def commit(db: Connection, commit: Commit, now: float) -> int | None:
    """The commit point: the hold goes, the outcome comes; its place in the line, None where an end was first (R10)."""
    identity, outcome = commit.identity, commit.outcome
    if not drop_hold(db, identity):
        return None
    children = children_text(commit.children)
    number = insert_outcome(db, identity, outcome, children, commit.attempt, now, wait=commit.wait)
    take_over(db, number, maybe_seen=commit.maybe_seen)
    if isinstance(outcome, Released):
        _count(db, "lapses", identity.task_key, now)
    return number


def insert_outcome(
    db: Connection,
    identity: Identity,
    outcome: Outcome,
    children: str,
    attempt: int | None,
    now: float,
    *,
    wait: float = 0.0,
) -> int:
    """Puts an outcome at the end of the line; its place there."""
    kind, body = encode(outcome)
    inserted = db.execute(
        f"INSERT INTO outcomes (uid, {IDENTITY_COLUMNS}, attempt, kind, body, children, committed_at, next_try)"
        f" VALUES (?, {_MARKS}, ?, ?, ?, ?, ?, ?)",
        (secrets.token_hex(16), *identity_row(identity), attempt, kind, body, children, now, now + wait),
    )
    return inserted.lastrowid or 0


def take_over(db: Connection, number: int, *, maybe_seen: bool, passed: int = 0) -> None:
    """What is known of an earlier report goes on with the one that takes its place."""
    if maybe_seen or passed:
        db.execute(
            "UPDATE outcomes SET maybe_seen = ?, passed = ? WHERE number = ?", (maybe_seen, passed, number)
        )


def due(db: Connection, server: str | None, now: float, limit: int) -> list[Report]:
    """The waiting reports whose next try has come, oldest first.

    Args:
        server: Only those that go there (R1), here and below; None for all.
    """
    rows = db.execute(
        f"SELECT {REPORT_COLUMNS} FROM outcomes WHERE state = 'waiting' AND {_SERVER_IS}"
        f" AND (next_try <= ? OR next_try > ? + {FOREVER}) ORDER BY number LIMIT ?",
        (server, server, now, now, limit),
    )
    return [with_checkpoint(db, report_of(row)) for row in rows]


def after(db: Connection, server: str | None, number: int, limit: int) -> list[Report]:
    """The waiting reports behind a place in the line, whatever their next try, oldest first."""
    rows = db.execute(
        f"SELECT {REPORT_COLUMNS} FROM outcomes WHERE state = 'waiting' AND {_SERVER_IS} AND number > ?"
        " ORDER BY number LIMIT ?",
        (server, server, number, limit),
    )
    return [with_checkpoint(db, report_of(row)) for row in rows]


def claims_waiting(db: Connection, server: str | None, limit: int) -> list[Identity]:
    """The claims of waiting reports that a token proves, oldest first."""
    rows = db.execute(
        f"SELECT {IDENTITY_COLUMNS} FROM outcomes WHERE state = 'waiting' AND token <> '' AND {_SERVER_IS}"
        " ORDER BY number LIMIT ?",
        (server, server, limit),
    )
    return [identity_of(row) for row in rows]


def with_checkpoint(db: Connection, report: Report) -> Report:
    """The report as it travels: what did not complete takes its last checkpoint along (R30)."""
    if isinstance(report.outcome, Completed) or report.identity.token is None:
        return report
    return replace(report, checkpoint=last_checkpoint(db, report.identity.task_key))


def next_due(db: Connection, server: str | None) -> float | None:
    """The instant of the earliest next try, None when nothing waits."""
    (earliest,) = db.execute(
        f"SELECT min(next_try) FROM outcomes WHERE state = 'waiting' AND {_SERVER_IS}", (server, server)
    ).fetchone()
    return None if earliest is None else float(earliest)


def again(db: Connection, report: Report, next_try: float) -> None:
    """Stores that a report was sent without a verdict."""
    db.execute(
        "UPDATE outcomes SET next_try = ?, tries = ?, maybe_seen = ?, passed = ? WHERE number = ?",
        (next_try, report.tries, report.maybe_seen, report.passed, report.number),
    )


def remove(db: Connection, number: int) -> bool:
    """Takes a settled report out of the line."""
    return db.execute("DELETE FROM outcomes WHERE number = ?", (number,)).rowcount == 1


def keep_recent(
    db: Connection, key: TaskKey, completed: Completed, children: tuple[Child, ...], now: float
) -> None:
    """Keeps a result whose fate is uncertain, should its task come again (R25)."""
    db.execute(
        f"INSERT OR REPLACE INTO recent ({TASK_COLUMNS}, result, children, kept_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*task_row(key), completed.result, children_text(children), now),
    )
    prune_recent(db, now)


def recover_waiting(db: Connection, server: str | None, now: float) -> int:
    """Makes every stored report due, and counts them; each may have been sent by the process that died (R26).

    Rows that say so already are left alone: SQLite writes a whole row anew, its result with it.
    """
    db.execute(
        f"UPDATE outcomes SET next_try = ?, maybe_seen = 1 WHERE state = 'waiting' AND {_SERVER_IS}"
        " AND (maybe_seen = 0 OR next_try > ?)",
        (now, server, server, now),
    )
    return count(db, server, "waiting")


def holds(db: Connection, server: str | None) -> list[tuple[Identity, int | None]]:
    """Every claim without an outcome, with its attempt."""
    rows = db.execute(
        f"SELECT {IDENTITY_COLUMNS}, attempt FROM holds WHERE {_SERVER_IS} ORDER BY held_at", (server, server)
    ).fetchall()
    return [(identity_of(row[:7]), row[7]) for row in rows]


def crashed(db: Connection, key: TaskKey, now: float) -> int:
    """Counts one more crash of this task here, and how many that makes (R27)."""
    return _count(db, "crashes", key, now)


def _count(db: Connection, table: str, key: TaskKey, now: float) -> int:
    """Counts one more of a task's crashes or lapses, and how many that makes."""
    row = db.execute(
        f"INSERT INTO {table} ({TASK_COLUMNS}, times, last_at) VALUES (?, ?, ?, ?, 1, ?)"
        f" ON CONFLICT ({TASK_COLUMNS}) DO UPDATE SET times = times + 1, last_at = excluded.last_at"
        " RETURNING times",
        (*task_row(key), now),
    ).fetchone()
    return int(row[0])


def store_checkpoint(db: Connection, key: TaskKey, value: str, now: float) -> None:
    """Stores the last checkpoint of a task, JSON text (R30)."""
    db.execute(
        f"INSERT OR REPLACE INTO checkpoints ({TASK_COLUMNS}, value, stored_at) VALUES (?, ?, ?, ?, ?, ?)",
        (*task_row(key), value, now),
    )


def last_checkpoint(db: Connection, key: TaskKey) -> str | None:
    """What the last attempt here stored, JSON text."""
    row = db.execute(f"SELECT value FROM checkpoints WHERE {_TASK_IS}", task_row(key)).fetchone()
    return None if row is None else str(row[0])


def clear_checkpoint(db: Connection, key: TaskKey) -> None:
    """Forgets checkpoints, crashes and lapses of a task that is done."""
    for table in ("checkpoints", "crashes", "lapses"):
        db.execute(f"DELETE FROM {table} WHERE {_TASK_IS}", task_row(key))


def pause(db: Connection, task_type: str, seconds: float, reason: str, now: float) -> None:
    """Stores that a type is not to be claimed for a while (R18)."""
    db.execute(
        "INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?)", (task_type, now + seconds, reason, seconds)
    )


def resume(db: Connection, task_type: str) -> None:
    """Ends a pause."""
    db.execute("DELETE FROM pauses WHERE task_type = ?", (task_type,))


def pauses(db: Connection, now: float) -> dict[str, tuple[float, str]]:
    """Every pause that still lasts: type → (seconds left, reason)."""
    rows = db.execute(
        "SELECT task_type, min(until - ?, seconds), reason FROM pauses WHERE until > ?", (now, now)
    )
    return {name: (left, reason) for name, left, reason in rows}


def count(db: Connection, server: str | None, state: str) -> int:
    """How many reports are `waiting` or `parked`."""
    (number,) = db.execute(
        f"SELECT count(*) FROM outcomes WHERE state = ? AND {_SERVER_IS}", (state, server, server)
    ).fetchone()
    return int(number)


def elsewhere(db: Connection, server: str) -> dict[str, int]:
    """Waiting reports that go to other servers: server → how many (R1)."""
    rows = db.execute(
        "SELECT server, count(*) FROM outcomes WHERE state = 'waiting' AND server <> ? GROUP BY server",
        (server,),
    )
    return dict(rows.fetchall())
