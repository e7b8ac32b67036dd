"""Counts what has ended, minute by minute, once for all processes, so that nobody need walk through it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.chores import Chore
from prismq_worker_sdk.taskmanager.db.service_tables import ended_counts
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement, insert
from prismq_worker_sdk.taskmanager.db.tables import claims, meta, tasks
from prismq_worker_sdk.taskmanager.stats import COUNTED, ENDED, EVER, EVER_BY_TYPE, HIGHEST, MINUTE

LAG = 60.0
"""Seconds after which no transaction brings an end into a minute that is over."""
KEPT_MINUTES = 25 * 60
AT_ONCE = 60
"""Minutes with ends that are counted in one transaction."""

_FIRST_END = Statement(
    "SELECT min(completed_at) AS at FROM tasks WHERE status = :status AND completed_at >= :since"
)
_NEW_META = insert(meta, ("name", "value"))
_SET_META = Statement("UPDATE meta SET value = :value WHERE name = :name")
_NEW = insert(ended_counts, ("minute", "type", "completed", "failed"))
_ADD = Statement(
    "UPDATE ended_counts SET completed = completed + :completed, failed = failed + :failed"
    f" WHERE minute = {EVER} AND type = :type"
)
_FORGET = Statement(f"DELETE FROM ended_counts WHERE minute > {EVER} AND minute < :minute")


def count_ends(db: sa.Connection, now: float) -> bool:
    """Counts the ends of minutes that are over, once for all processes; whether there are more."""
    until = int((now - LAG) // MINUTE)
    row = COUNTED[Lock.WAIT].first(db)
    if row is None:
        _NEW_META.run(db, [("ends_counted", "1")])
    place = 1 if row is None else int(row.value)
    sums: dict[str, Counter[str]] = {}
    for _ in range(AT_ONCE):
        first = _first_end(db, place * MINUTE)
        place = until if first is None else max(place, int(first // MINUTE))
        if place >= until:
            break
        minute = _ends_of(db, place)
        kept = place > until - KEPT_MINUTES
        _NEW.run(db, [(place, name, one["completed"], one["failed"]) for name, one in minute.items() if kept])
        for name, one in minute.items():
            sums.setdefault(name, Counter()).update(one)
        place += 1
    _add(db, sums)
    _SET_META.run(db, [(str(max(place, 1)), "ends_counted")])
    _FORGET.run(db, [(until - KEPT_MINUTES,)])
    return place < until


def count_before_deletion(db: sa.Connection, task_ids: Sequence[str]) -> None:
    """Counts what no look will find any more once these tasks are deleted, in the transaction that does it."""
    row = COUNTED[Lock.WAIT].first(db)
    since = 0.0 if row is None else int(row.value) * MINUTE
    uncounted = tasks.c.id.in_(task_ids) & tasks.c.status.in_(("completed", "failed"))
    ends = sa.select(tasks.c.type, tasks.c.status).where(uncounted, tasks.c.completed_at >= since)
    sums: dict[str, Counter[str]] = {}
    for name, status in db.execute(ends):
        sums.setdefault(name, Counter())[status] += 1
    _add(db, sums)
    last = sa.select(sa.func.max(claims.c.id)).where(claims.c.task_id.in_(task_ids))
    found = sa.select(sa.func.max(tasks.c.seq)).where(tasks.c.id.in_(task_ids))
    for name, at in zip(HIGHEST, (db.scalar(found), db.scalar(last)), strict=True):
        before = db.scalar(sa.select(meta.c.value).where(meta.c.name == name).with_for_update())
        if before is None:
            _NEW_META.run(db, [(name, str(at or 0))])
        elif int(before) < (at or 0):
            _SET_META.run(db, [(str(at), name)])


async def keep_counting(state: AppState) -> None:
    """Counts the ends up to a minute ago."""
    more = True
    while more:
        more = await state.run(count_ends)


COUNT_ENDS = Chore("count what has ended", MINUTE / 2, keep_counting)


def _first_end(db: sa.Connection, since: float) -> float | None:
    found = [_FIRST_END.first(db, status=status, since=since).at for status in ("completed", "failed")]
    return min((at for at in found if at is not None), default=None)


def _ends_of(db: sa.Connection, minute: int) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    span = {"since": minute * MINUTE, "until": (minute + 1) * MINUTE}
    for status in ("completed", "failed"):
        for row in ENDED.rows(db, status=status, **span):
            found.setdefault(row.type, Counter())[status] = row.number
    return found


def _add(db: sa.Connection, sums: Mapping[str, Counter[str]]) -> None:
    known = {row.type for row in EVER_BY_TYPE.rows(db)} if sums else set()
    _NEW.run(db, [(EVER, name, 0, 0) for name in sums if name not in known])
    _ADD.run(db, [(one["completed"], one["failed"], name) for name, one in sums.items()])
