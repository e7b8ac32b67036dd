"""What is written of claims and reports: a whole batch at a time, in the transaction of a connection.

Instants are seconds since 1970, UTC (R5). Nothing here begins, commits or waits: see `transactions`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import TypeAlias

from prismq_worker_sdk.decide.delivery import Again, Judgement, Park, Settle
from prismq_worker_sdk.model.claim import Claim, Identity, TaskKey
from prismq_worker_sdk.model.log import LogPart
from prismq_worker_sdk.model.outcome import Child, Completed, Outcome, Released
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.outbox.bounds import prune_recent
from prismq_worker_sdk.outbox.rows import children_text, encoded, identity_row
from prismq_worker_sdk.outbox.schema import IDENTITY_COLUMNS, TASK_COLUMNS

OF_SERVER = "(?1 IS NULL OR server = ?1)"
"""Only what goes to one server (R1), or all."""

LONGEST_DETAIL = 2_000

_TASK_IS = " AND ".join(f"{column} = ?" for column in TASK_COLUMNS.split(", "))
_IDENTITY_IS = " AND ".join(f"{column} = ?" for column in IDENTITY_COLUMNS.split(", "))
_KNOWN = " UNION ".join(
    f"SELECT task_id FROM {table} WHERE server = ?1 AND task_id IN (SELECT value FROM json_each(?2))"
    for table in ("outcomes", "recent", "checkpoints", "lapses")
)
_COUNTS = ("checkpoints", "crashes", "lapses")
_HAS_COUNTS = "SELECT " + " OR ".join(f"EXISTS (SELECT 1 FROM {table})" for table in _COUNTS)


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


@dataclass(frozen=True, slots=True)
class Commit:
    """A claim ends with an outcome that is reported (R10).

    Attributes:
        maybe_seen: Whether the server may have it already, reported from memory (R12, R26).
        wait: Seconds before it is due for the first time.
        held: Whether the claim was written down; one that was not is given back, and its first end is this.
        log: The last lines that its handler logged.
        trace: The span that it is reported in.
    """

    identity: Identity
    outcome: Outcome
    children: tuple[Child, ...] = ()
    attempt: int | None = None
    maybe_seen: bool = False
    wait: float = 0.0
    held: bool = True
    log: LogPart | None = None
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """A held claim ends with nothing to report."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class Lapse:
    """A held claim is given back by letting it lapse, and that is counted (R18)."""

    identity: Identity


ClaimEnd: TypeAlias = Commit | Drop | Lapse

Judged: TypeAlias = tuple[Report, Judgement, float]
"""A stored report that was sent, counted as sent; what that came to; the seconds to its next try."""


def settle_and_hold(
    db: Connection, judged: Sequence[Judged], claims: Sequence[Claim], now: float
) -> tuple[list[bool], list[HoldResult]]:
    """Stores what became of reports, and then holds claims: their results may answer them (R25)."""
    return (settle(db, judged, now) if judged else [], hold(db, claims, now) if claims else [])


def hold(db: Connection, claims: Sequence[Claim], now: float) -> list[HoldResult]:
    """Writes claims down before anything is done about them, or answers them from what is here (R25)."""
    ids = json.dumps([claim.task.id for claim in claims])
    known = {name for (name,) in db.execute(_KNOWN, (claims[0].identity.server, ids))}
    _write_down(db, [claim for claim in claims if claim.task.id not in known], now)
    new = Held()
    return [_hold_known(db, claim, now) if claim.task.id in known else new for claim in claims]


def _hold_known(db: Connection, claim: Claim, now: float) -> HoldResult:
    """Holds a claim of a task that something is known of."""
    key = claim.identity.task_key
    waiting = f"FROM outcomes WHERE {_TASK_IS} AND state = 'waiting'"
    found = db.execute(
        f"SELECT body, children, passed {waiting} AND kind = 'completed' ORDER BY number DESC LIMIT 1", key
    ).fetchone()
    if found is None:
        found = db.execute(f"SELECT result, children, 0 FROM recent WHERE {_TASK_IS}", key).fetchone()
    superseded = db.execute(f"DELETE {waiting}", key).rowcount
    if found is not None:
        completed = Completed(found[0])
        task = claim.task
        (report,) = _insert(
            db, [Commit(claim.identity, completed, attempt=task.attempt, trace=task.trace)], now
        )
        # a report of it may be on its way (R26), and the same result may not have passed before (R23)
        known = (found[1], superseded > 0, found[2], report.number)
        db.execute("UPDATE outcomes SET children = ?, maybe_seen = ?, passed = ? WHERE number = ?", known)
        db.execute(f"DELETE FROM recent WHERE {_TASK_IS}", key)
        return Answered(completed, superseded)
    _write_down(db, [claim], now)
    lapsed = db.execute(f"SELECT times FROM lapses WHERE {_TASK_IS}", key).fetchone()
    lapses = 0 if lapsed is None else int(lapsed[0])
    return Held(superseded, last_checkpoint(db, claim.identity.task_key), lapses)


def _write_down(db: Connection, claims: Iterable[Claim], now: float) -> None:
    db.executemany(
        f"INSERT OR REPLACE INTO holds ({IDENTITY_COLUMNS}, attempt, held_at, trace)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *identity_row(one.identity),
                one.task.attempt,
                now,
                "" if one.task.trace is None else one.task.trace.text(),
            )
            for one in claims
        ],
    )


def rehold(db: Connection, old: Identity, new: Claim, now: float) -> bool:
    """Binds a running attempt to its new claim; False when it has ended meanwhile (R9)."""
    if not drop_hold(db, old):
        return False
    _write_down(db, [new], now)
    return True


def drop_hold(db: Connection, identity: Identity) -> bool:
    """Ends a hold without an outcome; False when it was not there any more."""
    return db.execute(f"DELETE FROM holds WHERE {_IDENTITY_IS}", identity_row(identity)).rowcount == 1


def end_claims(db: Connection, ends: Sequence[ClaimEnd], now: float) -> list[Report | bool]:
    """The commit point: holds go, outcomes come; a second end of a claim is dropped (R10).

    For each end the report that waits now, True where none does, False where the claim had an end before.
    """
    first = [(isinstance(end, Commit) and not end.held) or drop_hold(db, end.identity) for end in ends]
    found: list[Report | bool] = [*first]
    commits = [(at, end) for at, end in enumerate(ends) if first[at] and isinstance(end, Commit)]
    for (at, _), report in zip(commits, _insert(db, [end for _, end in commits], now), strict=True):
        found[at] = with_checkpoint(db, report)
    for end, is_first in zip(ends, first, strict=True):
        released = isinstance(end, Commit) and isinstance(end.outcome, Released) and end.held
        if is_first and (released or isinstance(end, Lapse)):
            count_one(db, "lapses", end.identity.task_key, now)
    return found


def _insert(db: Connection, commits: Sequence[Commit], now: float) -> list[Report]:
    """Puts outcomes at the end of the line."""
    if not commits:
        return []
    db.executemany(
        f"INSERT INTO outcomes (uid, {IDENTITY_COLUMNS}, attempt, kind, body, children, committed_at, next_try,"
        " maybe_seen, log, trace) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                secrets.token_hex(16),
                *identity_row(one.identity),
                one.attempt,
                *encoded(one.outcome),
                children_text(one.children),
                now,
                now + one.wait,
                one.maybe_seen,
                "" if one.log is None else one.log.text(),
                "" if one.trace is None else one.trace.text(),
            )
            for one in commits
        ],
    )
    (last,) = db.execute("SELECT last_insert_rowid()").fetchone()
    return [
        Report(
            number,
            one.identity,
            one.outcome,
            one.children,
            one.attempt,
            maybe_seen=one.maybe_seen,
            log=one.log,
            trace=one.trace,
        )
        for number, one in enumerate(commits, last - len(commits) + 1)
    ]


def settle(db: Connection, judged: Sequence[Judged], now: float) -> list[bool]:
    """Stores what became of reports; False for each that was not in the line any more."""
    done = [_settle(db, *one, now) for one in judged]
    accepted = [
        report.identity.task_key
        for (report, judgement, _), is_done in zip(judged, done, strict=True)
        if is_done
        and isinstance(report.outcome, Completed)
        and isinstance(judgement, Settle)
        and judgement.settlement is Settlement.ACCEPTED
    ]
    if accepted and db.execute(_HAS_COUNTS).fetchone()[0]:  # nothing of a task that is done is needed again
        for table in _COUNTS:
            db.executemany(f"DELETE FROM {table} WHERE {_TASK_IS}", accepted)
    return done


def _settle(db: Connection, report: Report, judgement: Judgement, retry_in: float, now: float) -> bool:
    number = report.number
    if number is None:
        raise ValueError("only a stored report can be settled in the outbox")
    match judgement:
        case Settle(keep=keep):
            done = db.execute("DELETE FROM outcomes WHERE number = ?", (number,)).rowcount == 1
            if done and keep and isinstance(report.outcome, Completed):
                _keep(db, report, report.outcome, now)
            return done
        case Again(maybe_seen=maybe_seen):
            db.execute(
                "UPDATE outcomes SET next_try = ?, tries = ?, maybe_seen = ?, passed = ? WHERE number = ?",
                (now + retry_in, report.tries, report.maybe_seen or maybe_seen, report.passed, number),
            )
            return True
        case Park(detail=detail, replacement=failure, maybe_seen=seen):
            done = park(db, number, detail, now)
            if done and failure is not None:
                instead = Commit(
                    report.identity,
                    failure,
                    attempt=report.attempt,
                    maybe_seen=seen,
                    log=report.log,
                    trace=report.trace,
                )
                (own,) = _insert(db, [instead], now)
                db.execute(
                    "UPDATE outcomes SET replacement = (SELECT uid FROM outcomes WHERE number = ?) WHERE number = ?",
                    (own.number, number),
                )
            return done


def park(db: Connection, number: int, detail: str, now: float) -> bool:
    """Takes a report out of the line and keeps it, to be shown."""
    changed = db.execute(
        "UPDATE outcomes SET state = 'parked', detail = ?, parked_at = ? WHERE number = ? AND state = 'waiting'",
        (detail[:LONGEST_DETAIL], now, number),
    )
    return changed.rowcount == 1


def _keep(db: Connection, report: Report, completed: Completed, now: float) -> None:
    """Keeps a result whose fate is uncertain, should its task come again (R25)."""
    db.execute(
        f"INSERT OR REPLACE INTO recent ({TASK_COLUMNS}, result, children, kept_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*report.identity.task_key, completed.result, children_text(report.children), now),
    )
    prune_recent(db, now)


def with_checkpoint(db: Connection, report: Report) -> Report:
    """The report as it travels: what did not complete takes its last checkpoint along (R30)."""
    if isinstance(report.outcome, Completed) or report.identity.token is None:
        return report
    return replace(report, checkpoint=last_checkpoint(db, report.identity.task_key))


def store_checkpoint(db: Connection, key: TaskKey, value: str, now: float) -> None:
    """Stores the last checkpoint of a task, JSON text (R30)."""
    db.execute(
        f"INSERT OR REPLACE INTO checkpoints ({TASK_COLUMNS}, value, stored_at) VALUES (?, ?, ?, ?, ?, ?)",
        (*key, value, now),
    )


def last_checkpoint(db: Connection, key: TaskKey) -> str | None:
    """What the last attempt here stored, JSON text."""
    row = db.execute(f"SELECT value FROM checkpoints WHERE {_TASK_IS}", key).fetchone()
    return None if row is None else str(row[0])


def count_one(db: Connection, table: str, key: TaskKey, now: float) -> int:
    """Counts one more of a task's `crashes` (R27) or `lapses`, and how many that makes."""
    row = db.execute(
        f"INSERT INTO {table} ({TASK_COLUMNS}, times, last_at) VALUES (?, ?, ?, ?, 1, ?)"
        f" ON CONFLICT ({TASK_COLUMNS}) DO UPDATE SET times = times + 1, last_at = excluded.last_at"
        " RETURNING times",
        (*key, now),
    ).fetchone()
    return int(row[0])
