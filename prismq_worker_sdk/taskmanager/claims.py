"""Handing out tasks: which come next, and one row for each claim (R28), inside the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import candidates, fan_in, pauses, rooms, views
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement, insert
from prismq_worker_sdk.taskmanager.db.tables import claims
from prismq_worker_sdk.taskmanager.http import size_of
from prismq_worker_sdk.taskmanager.ids import new_tokens
from prismq_worker_sdk.taskmanager.rooms import Rooms
from prismq_worker_sdk.taskmanager.rules import MAX_REQUEST_BYTES, UNCONFIRMED_FREE, expired_error

CANCELLED = ("cancelled on request", "cancelled")
"""Error and error type of a task that was cancelled."""
EXPIRED = "expired"
ENVELOPE_BYTES = 64 * 1024
"""Of an answer, for all that is not tasks."""

_EXPIRED_LANES = Statement(
    "SELECT type, lane FROM tasks WHERE status = 'processing' AND claim_expires_at <= :now"
)
_HEAD = Statement(
    "SELECT 1 AS one FROM tasks WHERE status = 'pending' AND postponed = 0 AND type = :type LIMIT 1"
)
_TYPES_WAITING = Statement("SELECT DISTINCT type FROM tasks WHERE status = 'pending' AND postponed = 0")
_DUE = Statement(
    "SELECT seq FROM tasks WHERE status = 'pending' AND postponed = 1 AND not_before <= :now"
    " ORDER BY not_before LIMIT 1000",
    lock=Lock.SKIP,
)
_QUEUE = Statement("UPDATE tasks SET postponed = 0 WHERE seq = :seq")
_STANDING = Statement(
    "SELECT (SELECT min(not_before) FROM tasks WHERE status = 'pending' AND postponed = 1) AS first_due,"
    " (SELECT min(claim_expires_at) FROM tasks WHERE status = 'processing') AS first_expiry,"
    " (SELECT count(*) FROM type_pauses) AS pauses, EXISTS (SELECT 1 FROM type_uses) AS limited"
)
_OF_THOSE_OVER = (
    "FROM tasks WHERE status = 'processing' AND claim_expires_at <= :now"
    " AND (cancel_asked = 1 OR attempts >= max_attempts)"
)
_OVER = Statement(f"SELECT * {_OF_THOSE_OVER}", lock=Lock.SKIP)
_SOME_OVER = Statement(f"SELECT 1 AS one {_OF_THOSE_OVER} LIMIT 1")
_STILL_HELD = Statement(
    "SELECT tasks.*, token, attempt FROM claims JOIN tasks ON tasks.id = claims.task_id AND tasks.claim = claims.id"
    " WHERE request_id = :request_id AND claims.worker_id = :worker_id"
    " AND status = 'processing' AND claim_expires_at > :now ORDER BY claims.id"
)
_NEW_CLAIM = insert(
    claims, ("task_id", "worker_id", "attempt", "token", "request_id", "claimed_at", "confirmed")
)
_TAKE = Statement(
    "UPDATE tasks SET status = 'processing', claim = (SELECT max(id) FROM claims WHERE task_id = tasks.id),"
    " progress = NULL, message = NULL, attempts = :attempts, unconfirmed = :unconfirmed, leased = :leased,"
    " claimed_at = :now, claim_expires_at = :until, worker_id = :worker_id WHERE seq = :seq"
)
_GIVE_UP = Statement(
    "UPDATE tasks SET status = 'failed', error = :error, error_type = :error_type, completed_at = :now WHERE seq = :seq"
)
CLOSE_CLAIM = Statement(
    "UPDATE claims SET verdict = :verdict, error = :error, ended_at = :now"
    " WHERE id = :claim AND (verdict IS NULL OR verdict = 'expired')"
)
"""Notes how a claim ended, unless something other than its expiry was noted before."""
_EXTEND = sa.text(
    "UPDATE tasks SET claim_expires_at = :until"
    " WHERE status = 'processing' AND leased = 1 AND claim_expires_at < :until"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Who wants tasks, of which types, and for how long.

    Attributes:
        leased: Whether each is proved by a token; on the base protocol the worker id does it.
        request_id: Which request is answered with them (R6).
    """

    worker_id: str
    types: Sequence[str]
    seconds: float
    most: int = 1
    leased: bool = False
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What is handed out.

    Attributes:
        tasks: Each as JSON text.
        waits: The type of each, and for how many seconds it could be had.
    """

    tasks: list[str] = field(default_factory=list)
    waits: list[tuple[str, float]] = field(default_factory=list)


def take(db: sa.Connection, wanted: Wanted, now: float) -> Taken:
    """Hands out tasks, the highest priority first, then the oldest; no more bytes than an answer may have.

    An expired claim counts as an attempt; a task whose attempts are used up, or that somebody cancelled, fails.
    """
    left = _look(db, wanted, now)
    worker_id, leased, at, until = wanted.worker_id, wanted.leased, left.now, left.now + wanted.seconds
    held = {
        "status": "processing",
        "claimed_at": at,
        "worker_id": worker_id,
        "progress": None,
        "message": None,
    }
    tokens = new_tokens(wanted.most) if leased else [None] * wanted.most
    room = MAX_REQUEST_BYTES - ENVELOPE_BYTES
    texts: list[str] = []
    new_claims, taken, closed, lanes, waits = [], [], [], [], []
    with closing(candidates.of(db, left, wanted.most, now)) as rows:
        for row, token in zip(rows, tokens, strict=False):
            attempts, unconfirmed = _counted(row)
            text = _text({**row._asdict(), **held, "attempts": attempts + 1}, token, wanted.seconds)
            room -= size_of(text)
            if room < 0 and texts:
                break
            texts.append(text)
            lanes.append(row.lane)
            waits.append((row.type, max(0.0, at - _had_since(row))))
            new_claims.append(
                (row.id, worker_id, attempts + 1, token, wanted.request_id, at, int(not leased))
            )
            counted = attempts if leased else attempts + 1
            taken.append((counted, unconfirmed, int(leased), at, until, worker_id, row.seq))
            if row.status == "processing":
                closed.append((EXPIRED, None, at, row.claim))
    _NEW_CLAIM.run(db, new_claims)
    _TAKE.run(db, taken)
    CLOSE_CLAIM.run(db, closed)
    left.book(db, lanes)
    return Taken(texts, waits)


def still_held(db: sa.Connection, worker_id: str, request_id: str, now: float) -> list[str]:
    """What an earlier sending of this request was given and still holds, with the seconds that remain (R6)."""
    rows = _STILL_HELD.rows(db, request_id=request_id, worker_id=worker_id, now=now)
    return [
        _text({**row._asdict(), "attempts": row.attempt}, row.token, row.claim_expires_at - now)
        for row in rows
    ]


def some_are_over(db: sa.Connection, now: float) -> bool:
    """Whether `expire_claims` has something to do."""
    return _SOME_OVER.first(db, now=now) is not None


def expire_claims(db: sa.Connection, now: float) -> Counter[str]:
    """Fails the tasks whose claim ran out and that nobody may have again: cancelled (R29), or attempts used up.

    Returns:
        How many tasks of which type can be had now.
    """
    over = list(_OVER.rows(db, now=now))
    why = [CANCELLED if row.cancel_asked else (expired_error(row.attempts), EXPIRED) for row in over]
    _GIVE_UP.run(db, [(*said, now, row.seq) for said, row in zip(why, over, strict=True)])
    CLOSE_CLAIM.run(db, [(EXPIRED, None, now, row.claim) for row in over])
    return fan_in.follow(db, [row.parent_id for row in over if row.parent_id is not None], now)


def types_to_have(db: sa.Connection, types: Sequence[str], now: float) -> tuple[list[str], float | None]:
    """Of which of these types there may be tasks, without a lock; and when a limit may leave room for more."""
    standing = _STANDING.first(db)
    if standing.pauses:
        types = pauses.not_paused(db, types, now)
    expiring = _is_past(standing.first_expiry, now)
    if _is_past(standing.first_due, now) or (expiring and some_are_over(db, now)):
        return list(types), None
    expired = _expired_lanes(db, types, now) if expiring else []
    left = rooms.look(db, types, now, expired, claiming=False)
    waiting = types_waiting(db, [one for one in types if one not in left.limited])
    waiting |= {lane.type for lane in left.lanes if lane.type in left.limited}
    waiting |= {lane.type for lane in left.again}
    return [one for one in types if one in waiting], left.opens_at()


def types_waiting(db: sa.Connection, types: Sequence[str]) -> set[str]:
    """Those of the types of which a task stands in its queue, whether limits and pauses let it go or not."""
    if db.dialect.name == "sqlite":
        return {one for one in types if _HEAD.first(db, type=one) is not None}
    return {row.type for row in _TYPES_WAITING.rows(db)}.intersection(types)


def queue_due(db: sa.Connection, now: float) -> None:
    """Puts tasks into their queue whose time has come."""
    while due := list(_DUE.rows(db, now=now)):
        _QUEUE.run(db, [(row.seq,) for row in due])


def extend_leases_after_restart(db: sa.Connection, until: float) -> None:
    """Lets every claim under a token live until then, so that a restart of the server takes none away (R8)."""
    db.execute(_EXTEND, {"until": until})


def _look(db: sa.Connection, wanted: Wanted, now: float) -> Rooms:
    """What may be handed out, once what time has changed is written down."""
    standing = _STANDING.first(db)
    if _is_past(standing.first_due, now):
        queue_due(db, now)
    types = list(dict.fromkeys(wanted.types))
    if standing.pauses:
        types = pauses.not_paused(db, types, now)
    expired: list[tuple[str, int]] = []
    if _is_past(standing.first_expiry, now):
        expired = _expired_lanes(db, types, now)
        expire_claims(db, now)
    if not standing.limited:
        return rooms.unlimited(types, now, expired)
    return rooms.look(db, types, now, expired, claiming=True)


def _is_past(at: float | None, now: float) -> bool:
    return at is not None and at <= now


def _expired_lanes(db: sa.Connection, types: Sequence[str], now: float) -> list[tuple[str, int]]:
    """Type and lane of the tasks whose claim ran out."""
    known = set(types)
    found = dict.fromkeys((row.type, row.lane) for row in _EXPIRED_LANES.rows(db, now=now))
    return [one for one in found if one[0] in known]


def _had_since(row: Any) -> float:
    """Since when a task could be had, seconds since 1970."""
    since = row.claim_expires_at if row.status == "processing" else row.not_before
    return float(row.created_at if since is None else since)


def _counted(row: Any) -> tuple[int, int]:
    """Attempts made, and claims in a row that expired unconfirmed, now that the claim of this row is over (R7)."""
    if row.status != "processing" or not row.leased or row.confirmed:
        return row.attempts, row.unconfirmed
    if row.unconfirmed < UNCONFIRMED_FREE:
        return row.attempts, row.unconfirmed + 1
    return row.attempts + 1, row.unconfirmed


def _text(task: dict[str, Any], token: str | None, seconds: float) -> str:
    more = "" if token is None else f',"lease_token":"{token}","lease_seconds":{seconds}'
    return views.task(task, more)
