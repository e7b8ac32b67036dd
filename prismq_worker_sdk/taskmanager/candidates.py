"""Tasks that a claim may hand out, first those that come first: of every lane with room, read only as far as needed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable
from heapq import merge
from itertools import islice
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.rooms import Rooms

_WAITS = "status = 'pending' AND postponed = 0 AND type = {0}type AND lane = {0}lane"
_HERE = f"FROM tasks /*!FORCE INDEX (tasks_waiting)*/ WHERE {_WAITS.format(':')}"
_PENDING = Statement(f"SELECT * {_HERE} ORDER BY priority DESC, seq LIMIT :most", lock=Lock.SKIP)
_HEADS = Statement(f"SELECT type, lane, priority, seq {_HERE} ORDER BY priority DESC, seq LIMIT :most")
_FIRST = "{} ORDER BY priority DESC, seq LIMIT :bound"
_FIRST_LOCKED = (
    f"SELECT tasks.* FROM ({_FIRST}) AS head STRAIGHT_JOIN tasks ON tasks.seq = head.seq"
    f" WHERE tasks.status = 'pending' AND tasks.postponed = 0{Lock.SKIP.value}"
)
_NEXT = f"SELECT seq FROM tasks WHERE {_WAITS.format('line.')}"
_MERGED = Statement(
    "WITH RECURSIVE asked (type, lane, most) AS (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),"
    " json_extract(value, '$[2]') FROM json_each(:lanes)), line (seq, priority, type, lane, most) AS ("
    " SELECT tasks.seq, priority, line.type, line.lane, most FROM asked AS line CROSS JOIN tasks"
    f" WHERE tasks.seq = ({_NEXT} ORDER BY priority DESC, seq LIMIT 1)"
    " UNION ALL SELECT tasks.seq, tasks.priority, line.type, line.lane, most - 1 FROM line CROSS JOIN tasks"
    f" WHERE most > 1 AND tasks.seq = coalesce(({_NEXT} AND priority = line.priority AND seq > line.seq"
    f" ORDER BY seq LIMIT 1), ({_NEXT} AND priority < line.priority ORDER BY priority DESC, seq LIMIT 1))"
    " ORDER BY 2 DESC, 1 LIMIT -1)"
    " SELECT tasks.* FROM line CROSS JOIN tasks ON tasks.seq = line.seq"
)
"""For SQLite, which would sort all that wait: the task that is read brings the next of its lane into the line."""
_EXPIRED = Statement(
    "SELECT tasks.*, confirmed FROM tasks JOIN claims ON claims.id = tasks.claim"
    " WHERE status = 'processing' AND claim_expires_at <= :now AND type = :type AND lane = :lane"
    " ORDER BY priority DESC, seq LIMIT :most",
    lock=Lock.SKIP,
)


def of(db: sa.Connection, left: Rooms, most: int, now: float) -> Generator[Any, None, None]:
    """Rows of tasks, at most so many; each has taken its room."""
    streams = [_EXPIRED.rows(db, type=one.type, lane=one.id, now=now, most=most) for one in left.again]
    streams.insert(0, _waiting(db, left, most))
    merged: Iterable[Any] = streams[0] if len(streams) == 1 else merge(*streams, key=_place)
    fit = (row for row in merged if left.take(row.lane, again=row.status == "processing"))
    try:
        yield from islice(fit, most)
    finally:
        for stream in streams:
            stream.close()


def _waiting(db: sa.Connection, left: Rooms, most: int) -> Generator[Any, None, None]:
    shares = [(one.type, one.id, min(most, left.of(one.id))) for one in left.lanes]
    if len(shares) == 1:
        ((task_type, lane, share),) = shares
        yield from _PENDING.rows(db, type=task_type, lane=lane, most=share)
    elif shares and db.dialect.name == "sqlite":
        yield from _MERGED.rows(db, lanes=json.dumps(shares))
    elif shares:
        yield from _locked(db, left, shares, most)


def _locked(db: sa.Connection, left: Rooms, lanes: list[tuple[str, int, int]], most: int) -> list[Any]:
    """Rows that are locked, in their order; where nobody else claims from these lanes, they are known to be free."""
    if all(left.counts(lane) for _type, lane, _most in lanes):
        trial = left.copy()
        rows = sorted(_HEADS.rows_of_each(db, lanes, _FIRST_LOCKED, bound=most), key=_place)
        if sum(trial.take(row.lane) for row in rows) == most:
            return rows
    found = _shares(db, left, lanes, most)
    return sorted(_PENDING.rows_of_each(db, found), key=_place) if found else []


def _shares(
    db: sa.Connection, left: Rooms, lanes: list[tuple[str, int, int]], most: int
) -> list[tuple[str, int, int]]:
    """How many of the tasks that come first are of each lane; where rows are locked, no others are to be.

    Looked at without locks: what others take meanwhile is passed over by the locking look.
    """
    fit: list[tuple[str, int]] = []
    for bound in (
        most,
        most * len(lanes),
    ):  # the second where lanes share a limit that leaves room for some of them
        heads = _HEADS.rows_of_each(db, lanes, _FIRST, bound=bound)
        trial = left.copy()
        fit = [(row.type, row.lane) for row in heads if trial.take(row.lane)][:most]
        if len(fit) == most or len(heads) < bound:
            break
    return [(*lane, share) for lane, share in Counter(fit).items()]


def _place(row: Any) -> tuple[int, int]:
    return -row.priority, row.seq
