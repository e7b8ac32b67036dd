"""The same as in `store`, for a whole batch: few statements for what goes as expected, row by row for the rest."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from sqlite3 import Connection
from typing import TypeVar

from prismq_worker_sdk.decide.delivery import Again, Judgement, Park, Settle
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.outcome import Completed, Released
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.outbox import parked as shelf
from prismq_worker_sdk.outbox import store
from prismq_worker_sdk.outbox.claim_ends import ClaimEnd, Commit, Drop, GiveBack, Lapse
from prismq_worker_sdk.outbox.rows import (
    IDENTITY_COLUMNS,
    children_text,
    encode,
    identity_row,
)

T = TypeVar("T")

_MARKS = ", ".join("?" for _ in IDENTITY_COLUMNS.split(", "))
_IDENTITY_IS = " AND ".join(f"{column} = ?" for column in IDENTITY_COLUMNS.split(", "))


def end_claims(db: Connection, ends: Sequence[ClaimEnd], now: float) -> list[Report | bool]:
    """Ends claims; for each the report that waits now, True where none does, False where it had an end before (R10)."""
    if len(ends) > 1 and all(
        isinstance(end, Commit) and not isinstance(end.outcome, Released) for end in ends
    ):
        commits = [end for end in ends if isinstance(end, Commit)]
        if (numbers := _as_one(db, lambda: _commit_all(db, commits, now))) is not None:
            return [_report(db, end, number) for end, number in zip(commits, numbers, strict=True)]
    return [_end(db, end, now) for end in ends]


def _commit_all(db: Connection, commits: Sequence[Commit], now: float) -> range | None:
    """The places of their reports; None where one of the claims had an end before."""
    identities = [identity_row(commit.identity) for commit in commits]
    if db.executemany(f"DELETE FROM holds WHERE {_IDENTITY_IS}", identities).rowcount != len(commits):
        return None
    db.executemany(
        f"INSERT INTO outcomes (uid, {IDENTITY_COLUMNS}, attempt, kind, body, children, committed_at, next_try,"
        f" maybe_seen) VALUES (?, {_MARKS}, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                secrets.token_hex(16),
                *identity,
                commit.attempt,
                *encode(commit.outcome),
                children_text(commit.children),
                now,
                now + commit.wait,
                commit.maybe_seen,
            )
            for commit, identity in zip(commits, identities, strict=True)
        ],
    )
    (last,) = db.execute("SELECT last_insert_rowid()").fetchone()
    return range(last - len(commits) + 1, last + 1)


def _end(db: Connection, end: ClaimEnd, now: float) -> Report | bool:
    match end:
        case Commit():
            number = store.commit(db, end, now)
            return False if number is None else _report(db, end, number)
        case Drop(identity=identity):
            return store.drop_hold(db, identity)
        case Lapse(identity=identity):
            return store.lapse(db, identity, now)
        case GiveBack(claim=claim, released=released):
            number = store.insert_outcome(db, claim.identity, released, "[]", claim.task.attempt, now)
            return _report(db, Commit(claim.identity, released, attempt=claim.task.attempt), number)


def _report(db: Connection, commit: Commit, number: int) -> Report:
    report = Report(
        number,
        commit.identity,
        commit.outcome,
        children=commit.children,
        attempt=commit.attempt,
        maybe_seen=commit.maybe_seen,
    )
    return store.with_checkpoint(db, report)


def hold_all(db: Connection, claims: Sequence[Claim], now: float) -> list[store.HoldResult]:
    """Holds claims, in order; what nothing is known of in a few statements (R25)."""
    if len(claims) == 1:
        return [store.hold(db, claims[0], now)]
    known = store.known_tasks(db, claims[0].identity.server, [claim.task.id for claim in claims])
    db.executemany(
        f"INSERT OR REPLACE INTO holds ({IDENTITY_COLUMNS}, attempt, held_at) VALUES ({_MARKS}, ?, ?)",
        [
            (*identity_row(claim.identity), claim.task.attempt, now)
            for claim in claims
            if claim.task.id not in known
        ],
    )
    new = store.Held()
    return [store.hold(db, claim, now) if claim.task.id in known else new for claim in claims]


def settle_all(db: Connection, judged: Sequence[tuple[Report, Judgement, float]], now: float) -> list[bool]:
    """Stores what became of reports; False for each that was not in the line any more.

    Args:
        judged: Stored reports, counted as sent, each with the seconds to its next try where that is Again.
    """
    if all(_is_plain(judgement) for _, judgement, _ in judged) and len(judged) > 1:
        removed = remove_all(db, [report.number or 0 for report, _, _ in judged])
        if store.keeps_counts(db):
            for (report, _, _), done in zip(judged, removed, strict=True):
                if done and isinstance(report.outcome, Completed):
                    store.clear_checkpoint(db, report.identity.task_key)
        return removed
    return [settle(db, report, judgement, now, retry_in) for report, judgement, retry_in in judged]


def _is_plain(judgement: Judgement) -> bool:
    """Whether a report just leaves the line, as nearly all do."""
    return (
        isinstance(judgement, Settle) and judgement.settlement is Settlement.ACCEPTED and not judgement.keep
    )


def settle(db: Connection, report: Report, judgement: Judgement, now: float, retry_in: float) -> bool:
    """Stores what became of one report."""
    number = report.number
    if number is None:
        raise ValueError("only a stored report can be settled in the outbox")
    match judgement:
        case Again(maybe_seen=maybe_seen):
            seen = report.maybe_seen or maybe_seen
            store.again(db, replace(report, maybe_seen=seen), now + retry_in)
            return True
        case Park(detail=detail, replacement=replacement, maybe_seen=maybe_seen):
            done = shelf.park(db, number, detail, now)
            if done and replacement is not None:
                own = store.insert_outcome(db, report.identity, replacement, "[]", report.attempt, now)
                store.take_over(db, own, maybe_seen=maybe_seen)
                shelf.replace_parked(db, number, own)
            return done
        case Settle():
            return _leave(db, report, judgement, now)


def _leave(db: Connection, report: Report, judgement: Settle, now: float) -> bool:
    if report.number is None or not store.remove(db, report.number):
        return False
    key = report.identity.task_key
    if isinstance(report.outcome, Completed):
        if judgement.keep:
            store.keep_recent(db, key, report.outcome, report.children, now)
        if judgement.settlement is Settlement.ACCEPTED:
            store.clear_checkpoint(db, key)
    return True


def remove_all(db: Connection, numbers: Sequence[int]) -> list[bool]:
    """Takes settled reports out of the line; whether each was still in it."""

    def remove() -> bool | None:
        done = db.executemany("DELETE FROM outcomes WHERE number = ?", [(number,) for number in numbers])
        return True if done.rowcount == len(numbers) else None

    if _as_one(db, remove):
        return [True] * len(numbers)
    return [store.remove(db, number) for number in numbers]


def _as_one(db: Connection, do: Callable[[], T | None]) -> T | None:
    """Does it whole; nothing of it where it says None."""
    db.execute("SAVEPOINT bulk")
    done = do()
    if done is None:
        db.execute("ROLLBACK TO bulk")
    db.execute("RELEASE bulk")
    return done
