"""What limits leave: which waiting tasks may begin now, and the units that those use that do.

A use counts for a whole period from the end of its slice on, of which a period has 128: so never more than allowed is
used in any stretch of one period, whenever it begins. Whoever hands out tasks locks the rows of their limits first, in
the order of their names; what it reads after that holds until it commits.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.lanes import Lane, lanes_by_id, limited_types, waiting_lanes

SLICES = 128
"""Of a period: its uses are kept by slice, and freed together."""
AHEAD = 60.0
"""Seconds: uses that end later are of a clock that was set back since, and count no more."""
MICRO = 1_000_000

_COUNTS = f"slice > (:now - period) * 1000000 AND slice <= (:now + period / {SLICES}.0 + {AHEAD}) * 1000000"
_LOOK_TEXT = (
    "SELECT limits.name AS name, max(limits.units) AS units, max(period) AS period, max(at_once) AS at_once,"
    f" max(paused_until) AS paused_until, sum(CASE WHEN {_COUNTS} THEN limit_uses.units END) AS used,"
    f" min(CASE WHEN {_COUNTS} THEN slice END) AS first_slice, min(slice) AS oldest"
    " FROM limits LEFT JOIN limit_uses ON limit_uses.name = limits.name WHERE limits.name "
)
_LOOK = {
    lock: Statement(f"{_LOOK_TEXT}= :name GROUP BY limits.name", lock=lock) for lock in (Lock.NONE, Lock.WAIT)
}
"""Locked, it reads what was committed while it waited."""
_LOOK_AT_MANY = Statement(f"{_LOOK_TEXT}IN (SELECT value FROM json_each(:names)) GROUP BY limits.name")
"""For SQLite."""
_RUNNING = Statement(
    "SELECT lane, count(*) AS running FROM tasks WHERE status = 'processing' AND lane > 0 GROUP BY lane"
)
_BOOK = {
    True: Statement(
        "INSERT INTO limit_uses (name, slice, units) VALUES (:name, :slice, :units)"
        " ON CONFLICT (name, slice) DO UPDATE SET units = units + excluded.units"
    ),
    False: Statement(
        "INSERT INTO limit_uses (name, slice, units) VALUES (:name, :slice, :units)"
        " ON DUPLICATE KEY UPDATE units = limit_uses.units + VALUES(units)"
    ),
}
"""For SQLite, and for the others."""
_FORGET = Statement("DELETE FROM limit_uses WHERE name = :name AND slice <= :before")


@dataclass(slots=True)
class Left:
    """What is left of a limit.

    Attributes:
        units: That may be used now; infinity where nothing counts them.
        tasks: That may begin beside those that run; infinity likewise.
        period: Seconds, None where no units are counted.
        opens_at: When there is more, as far as time brings it; None where only the end of a task does.
        outdated: Whether uses are kept that count no more.
    """

    units: float
    tasks: float
    period: float | None
    opens_at: float | None
    outdated: bool = False


class Rooms:
    """How many tasks of which lanes may begin at one moment.

    Attributes:
        lanes: Those with room for a task at least.
        limited: The types that have limits at all.
        now: That moment; of one who waited for the limits, once they were locked: of two who use a limit, the second
            is the later one, so that none counts too few.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        again: Sequence[Lane],
        limited: set[str],
        left: dict[str, Left],
        now: float,
    ) -> None:
        self.now = now
        self._left = left
        self._uses = {one.id: one.uses for one in (*again, *lanes)}
        self._counted = {
            lane: [(left[name], units) for name, units in uses if name in left]
            for lane, uses in self._uses.items()
        }
        self.lanes = [one for one in lanes if self.of(one.id)]
        self._closed = [one for one in lanes if not self.of(one.id)]
        self.again = [one for one in again if self.of(one.id, again=True)]
        self.limited = limited

    def of(self, lane: int, *, again: bool = False) -> int:
        """How many tasks of a lane may begin.

        Args:
            again: For tasks that were handed out before and still count as running.
        """
        room = MICRO
        for left, units in self._counted.get(lane, ()):
            if left.units < room * units:
                room = int(left.units // units)
            if left.tasks < room and not again:
                room = int(left.tasks)
        return room

    def counts(self, lane: int) -> bool:
        """Whether there is a limit that tasks of this lane use: who claims has it for itself then."""
        return bool(self._counted.get(lane))

    def take(self, lane: int, *, again: bool = False) -> bool:
        """Lets a task of a lane begin, where it may."""
        counted = self._counted.get(lane, ())
        if any(left.units < units or (left.tasks < 1 and not again) for left, units in counted):
            return False
        for left, units in counted:
            left.units -= units
            left.tasks -= not again
        return True

    def copy(self) -> Rooms:
        """The same, to try something out."""
        left = {name: replace(one) for name, one in self._left.items()}
        return Rooms(self.lanes, self.again, self.limited, left, self.now)

    def book(self, db: sa.Connection, taken: Iterable[int]) -> None:
        """Writes down what tasks use that begin, given the lane of each."""
        units: Counter[str] = Counter()
        for lane in taken:
            for name, number in self._uses.get(lane, ()):
                if name in self._left and self._left[name].period is not None:
                    units[name] += number
        booked, outdated = [], []
        for name, number in sorted(units.items()):
            period = self._left[name].period or 1.0
            booked.append((name, slice_at(self.now, period), number))
            if self._left[name].outdated:
                outdated.append((name, int((self.now - period) * MICRO)))
        book_units(db, booked)
        _FORGET.run(db, outdated)

    def opens_at(self) -> float | None:
        """When there may be room in a lane that has none now, None for nobody knows."""
        names = {name for lane in self._closed for name, _ in lane.uses}
        known = (self._left[name].opens_at for name in names if name in self._left)
        return min((at for at in known if at is not None), default=None)


def unlimited(types: Sequence[str], now: float, expired: Sequence[tuple[str, int]] = ()) -> Rooms:
    """What there is room for where no type has limits."""
    return Rooms([Lane(one) for one in types], [Lane(*one) for one in expired], set(), {}, now)


def look(
    db: sa.Connection,
    types: Sequence[str],
    now: float,
    expired: Sequence[tuple[str, int]] = (),
    *,
    claiming: bool,
) -> Rooms:
    """What there is room for now.

    Args:
        expired: Type and lane of tasks whose claim ran out.
        claiming: Whether tasks are handed out: locks the limits, and moves tasks of stale lanes.
    """
    limited = limited_types(db, types)
    names = {one.type for one in limited}
    lanes = [Lane(one) for one in types if one not in names]
    if not limited:
        return unlimited(types, now, expired)
    lanes += [lane for one in limited for lane in waiting_lanes(db, one, moving=claiming)]
    again = lanes_by_id(db, expired)
    left = _left(db, (*lanes, *again), now, Lock.WAIT if claiming else Lock.NONE)
    if claiming and left and (later := db.info.get("later")) is not None:
        now = later(db, now)
    return Rooms(lanes, again, names, left, now)


def book_units(db: sa.Connection, booked: Sequence[tuple[str, int, int]]) -> None:
    """Adds units to slices, given name, slice and units of each."""
    _BOOK[db.dialect.name == "sqlite"].run(db, booked)


def slice_at(now: float, period: float) -> int:
    """The end of the slice of a moment, microseconds since 1970."""
    width = period / SLICES
    return math.ceil((now // width + 1) * width * MICRO) + 1


def left_of(row: Any, running: int, now: float) -> Left:
    """What is left of a limit.

    Args:
        row: As it was found, with what of it is used.
        running: Tasks that use it and run.
    """
    paused = row.paused_until is not None and row.paused_until > now
    units = math.inf if row.units is None else float(row.units - (row.used or 0))
    opens_at = row.paused_until if paused else None
    if not paused and row.first_slice is not None:
        opens_at = row.first_slice / MICRO + row.period
    return Left(
        units=0.0 if paused else max(0.0, units),
        tasks=math.inf if row.at_once is None else max(0.0, row.at_once - running),
        period=None if row.units is None else row.period,
        opens_at=opens_at,
        outdated=row.oldest is not None and row.oldest != row.first_slice,
    )


def rows_of(db: sa.Connection, names: Sequence[str], now: float, lock: Lock = Lock.NONE) -> list[Any]:
    """The limits of these names that there are, with what is used of each now."""
    if db.dialect.name == "sqlite" and len(names) > 1:
        return list(_LOOK_AT_MANY.rows(db, names=json.dumps(names), now=now))
    return [row for row in _LOOK[lock].first_of_each(db, "name", names, now=now) if row is not None]


def running(db: sa.Connection) -> Counter[str]:
    """How many tasks run that use each limit."""
    found = list(_RUNNING.rows(db))
    lanes = lanes_by_id(db, [("", row.lane) for row in found])
    counted: Counter[str] = Counter()
    for row, lane in zip(found, lanes, strict=True):
        for name, _units in lane.uses:
            counted[name] += row.running
    return counted


def _left(db: sa.Connection, lanes: Iterable[Lane], now: float, lock: Lock) -> dict[str, Left]:
    rows = rows_of(db, sorted({name for lane in lanes for name, _ in lane.uses}), now, lock)
    counted = running(db) if any(row.at_once is not None for row in rows) else Counter[str]()
    return {row.name: left_of(row, counted[row.name], now) for row in rows}
