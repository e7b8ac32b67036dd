"""Numbers for each task type, without a walk through what has ended.

What is unfinished, and what has failed, is counted in indexes. What ends is counted once (`counting.py`); only the ends
of the last minutes are counted anew each time.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import pauses
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.db.tables import meta, workers

Numbers = dict[str, Any]
MINUTE, HOUR = 60.0, 3600.0
MINUTES = 60
"""Of the last hour, that charts show."""
EVER = 0
"""The minute in which all ends are summed up."""
WORKER_SEEN = 120.0
"""Seconds since its last exchange for which a worker counts as seen."""
SLOW, REST, LONGEST_REST = 0.5, 10, 15.0
"""A look that takes longer than the first, in seconds, is shown again for so many times as long, at most the third."""
SUMS = ("queued", "running", "postponed", "pending", "processing", "completed", "failed")
LAST_HOUR = ("completed_last_hour", "failed_last_hour")

QUEUED = Statement(
    "SELECT type, count(*) AS number, min(coalesce(not_before, created_at)) AS since FROM tasks"
    " WHERE status = 'pending' AND postponed = 0 GROUP BY type"
)
_BY_TYPE = "SELECT max(type) AS type, count(*) AS number FROM tasks WHERE {} GROUP BY coalesce(type, '')"
"""By an expression: for the type itself SQLite would walk through the index of all tasks by type."""
_POSTPONED = Statement(_BY_TYPE.format("status = 'pending' AND postponed = 1 AND not_before > 0"))
_RUNNING = Statement(_BY_TYPE.format("status = 'processing' AND claim_expires_at > 0"))
_FAILED = Statement(_BY_TYPE.format("status = 'failed' AND completed_at > 0"))
ENDED = Statement(
    "SELECT type, count(*) AS number FROM tasks"
    " WHERE status = :status AND completed_at >= :since AND completed_at < :until GROUP BY type"
)
_BY_MINUTE = Statement(
    "SELECT type, sum(completed) AS completed, sum(failed) AS failed FROM ended_counts"
    " WHERE minute >= :minute GROUP BY type"
)
_EACH_MINUTE = Statement("SELECT minute, type, completed, failed FROM ended_counts WHERE minute >= :minute")
EVER_BY_TYPE = Statement(f"SELECT type, completed, failed FROM ended_counts WHERE minute = {EVER}")
COUNTED = {
    lock: Statement("SELECT value FROM meta WHERE name = 'ends_counted'", lock=lock)
    for lock in (Lock.NONE, Lock.WAIT)
}
_LATEST = Statement("SELECT (SELECT max(seq) FROM tasks) AS created, (SELECT max(id) FROM claims) AS claims")
HIGHEST = ("highest_task_deleted", "highest_claim_deleted")
"""In `meta`: numbers of tasks and claims that are gone, so that what was ever made never becomes less."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The numbers at a time, seconds since 1970.

    Attributes:
        created: Tasks that were ever created.
        claims: Claims that were ever made.
        workers: Those that exchanged in the last two minutes.
    """

    at: float
    types: Mapping[str, Numbers]
    created: int
    claims: int
    workers: int


def look(db: sa.Connection, now: float) -> Stats:
    """Numbers for each type: what waits, since when, what runs, what ended, ever and in the last hour."""
    types: dict[str, Numbers] = {}

    def put(name: str, key: str, number: Any) -> None:
        types.setdefault(name, zeros())[key] += number

    for row in QUEUED.rows(db):
        put(row.type, "queued", row.number)
        put(row.type, "oldest_pending_seconds", max(0.0, now - row.since))
    for statement, key in ((_POSTPONED, "postponed"), (_RUNNING, "running"), (_FAILED, "failed")):
        for row in statement.rows(db):
            put(row.type, key, row.number)
    for name, ends in ended(db, now, now - HOUR).items():
        put(name, "completed_last_hour", ends["completed"])
        put(name, "failed_last_hour", ends["failed"])
    for name, number in _completed_ever(db, now).items():
        put(name, "completed", number)
    for name in pauses.standing(db, now):
        put(name, "paused", 1)
    for one in types.values():
        one["pending"], one["processing"] = one["queued"] + one["postponed"], one["running"]
    created, claimed = _made_ever(db)
    seen = sa.select(sa.func.count()).where(workers.c.last_seen >= now - WORKER_SEEN)
    return Stats(now, types, created, claimed, db.scalar(seen) or 0)


def zeros() -> Numbers:
    """Of a type that never had a task."""
    return {**dict.fromkeys((*SUMS, *LAST_HOUR, "paused"), 0), "oldest_pending_seconds": 0.0}


def total(numbers: Iterable[Numbers]) -> Numbers:
    """The sum over types; `backlog` is what workers are needed for now: what runs, and waits in no pause."""
    found: Numbers = {**dict.fromkeys((*SUMS, *LAST_HOUR, "backlog"), 0), "oldest_pending_seconds": 0.0}
    for one in numbers:
        for key in (*SUMS, *LAST_HOUR):
            found[key] += one[key]
        found["backlog"] += one["running"] + (0 if one["paused"] else one["queued"])
        found["oldest_pending_seconds"] = max(found["oldest_pending_seconds"], one["oldest_pending_seconds"])
    return found


def ended(db: sa.Connection, now: float, since: float) -> dict[str, Counter[str]]:
    """How many tasks of each type have completed and failed since a time, to the minute where that is long ago.

    Args:
        since: Seconds since 1970, a day ago at most.
    """
    found: dict[str, Counter[str]] = {}
    counted = _counted(db)
    if since < counted * MINUTE:
        for row in _BY_MINUTE.rows(db, minute=max(1, int(since // MINUTE) + 1)):
            found[row.type] = Counter({"completed": int(row.completed), "failed": int(row.failed)})
    for status in ("completed", "failed"):
        later = max(since, counted * MINUTE)
        for row in ENDED.rows(db, status=status, since=later, until=now + MINUTE):
            found.setdefault(row.type, Counter())[status] += row.number
    return found


def ends_by_minute(db: sa.Connection, now: float) -> dict[str, dict[str, list[int]]]:
    """How many tasks of each type completed and failed in each minute of the last hour, the latest at the end."""
    last = int(now // MINUTE)
    first = last - MINUTES + 1
    found: dict[str, dict[str, list[int]]] = {}

    def put(name: str, status: str, minute: int, number: int) -> None:
        one = found.setdefault(name, {"completed": [0] * MINUTES, "failed": [0] * MINUTES})
        one[status][minute - first] += number

    for row in _EACH_MINUTE.rows(db, minute=first):
        put(row.type, "completed", row.minute, row.completed)
        put(row.type, "failed", row.minute, row.failed)
    for minute in range(max(first, _counted(db)), last + 1):
        span = {"since": minute * MINUTE, "until": (minute + 1) * MINUTE}
        for status in ("completed", "failed"):
            for row in ENDED.rows(db, status=status, **span):
                put(row.type, status, minute, row.number)
    return found


@dataclass(slots=True)
class Recent:
    """The latest look; where looks take long it is shown for a while, so that they cost little however many ask."""

    _found: Stats | None = None
    _until: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, look_now: Callable[[], Awaitable[Stats]]) -> Stats:
        """What is shown now."""
        async with self._lock:
            begun = time.monotonic()
            if self._found is None or begun >= self._until:
                self._found = await look_now()
                took = time.monotonic() - begun
                self._until = begun + took + (min(LONGEST_REST, REST * took) if took > SLOW else 0.0)
            return self._found


def _completed_ever(db: sa.Connection, now: float) -> Counter[str]:
    found = Counter({row.type: row.completed for row in EVER_BY_TYPE.rows(db)})
    since = _counted(db) * MINUTE
    for row in ENDED.rows(db, status="completed", since=since, until=now + MINUTE):
        found[row.type] += row.number
    return found


def _made_ever(db: sa.Connection) -> tuple[int, int]:
    """Tasks and claims."""
    latest = _LATEST.first(db)
    rows = db.execute(sa.select(meta).where(meta.c.name.in_(HIGHEST)))
    gone = {row.name: row.value for row in rows}
    created, claimed = (int(gone.get(name, 0)) for name in HIGHEST)
    return max(latest.created or 0, created), max(latest.claims or 0, claimed)


def _counted(db: sa.Connection) -> int:
    """The first minute whose ends are not counted yet."""
    row = COUNTED[Lock.NONE].first(db)
    return 0 if row is None else int(row.value)
