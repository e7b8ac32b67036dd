"""What a task uses of which limits: said of its type, found out when it is created, and kept as its lane.

Tasks of a lane use the same units of the same limits, so that a claim asks once for all of them whether one may begin.
When the uses of a type change, its lanes are stale: a claim that comes upon one moves its tasks first.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import randint
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.model.json import canonical
from prismq_worker_sdk.taskmanager.db.service_tables import lanes, type_uses
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement, insert
from prismq_worker_sdk.taskmanager.http import json_text
from prismq_worker_sdk.taskmanager.messages import LimitUse
from prismq_worker_sdk.taskmanager.rules import LONGEST_LIMIT_NAME

MOST_LANES = 50
"""Lanes of a type that a claim looks at, from the first on; of those behind, as many more, at a random place."""
LOOKED_AT = 2 * MOST_LANES
"""Lanes of which one statement finds out whether tasks wait in them."""
MOVED_AT_ONCE = 500
"""Tasks of stale lanes that one claim moves."""

_WAITING = (
    "FROM tasks /*!FORCE INDEX (tasks_waiting)*/ WHERE status = 'pending' AND postponed = 0 AND type = :type"
)
"""With a hint that only MySQL reads: it might walk through all that waits in a lane."""
_WITH_TASKS = Statement(
    f"SELECT id, config, uses, (SELECT max(lane) {_WAITING}) AS last FROM"
    " (SELECT 0 AS id, NULL AS config, NULL AS uses FROM type_uses WHERE type = :type AND :after < 0"
    " UNION ALL SELECT * FROM (SELECT id, config, uses FROM lanes WHERE type = :type"
    f" AND id >= (SELECT min(lane) {_WAITING} AND lane > :after) ORDER BY id LIMIT {LOOKED_AT}) AS next) AS known"
    f" WHERE (SELECT 1 {_WAITING} AND lane = known.id LIMIT 1) IS NOT NULL"
)
"""By one step into the index for each lane: what waits in one is not walked through."""
_OF_LANE = Statement(
    f"SELECT seq, params {_WAITING} AND lane = :lane ORDER BY priority DESC, seq LIMIT :most", lock=Lock.SKIP
)
_MOVE = Statement("UPDATE tasks SET lane = :lane WHERE seq = :seq")
_TYPES = Statement("SELECT type FROM type_uses")
_USES = Statement("SELECT type, uses, config FROM type_uses WHERE type = :type")
_LANE_OF = Statement("SELECT id, digest FROM lanes WHERE digest = :digest")
_LANE = Statement("SELECT id, config, uses FROM lanes WHERE id = :id")
_NEW_LANE = insert(lanes, ("type", "config", "digest", "uses"))


@dataclass(frozen=True, slots=True)
class TypeUses:
    """What tasks of a type use.

    Attributes:
        config: Digest of the uses; lanes of another one are stale.
    """

    type: str
    uses: tuple[LimitUse, ...]
    config: str

    def of(self, params: Any) -> list[tuple[str, int]]:
        """The units that a task with these params uses of each limit."""
        units: Counter[str] = Counter()
        for one in self.uses:
            if (name := _name_in(one, params)) is not None:
                units[name] += one.units
        return sorted(units.items())


@dataclass(frozen=True, slots=True)
class Lane:
    """Waiting tasks of a type that use the same of the same limits; 0 is the lane of those that use none."""

    type: str
    id: int = 0
    uses: tuple[tuple[str, int], ...] = ()


def limited_types(db: sa.Connection, types: Iterable[str]) -> list[TypeUses]:
    """Those of the types that use limits, or did."""
    wanted = list(dict.fromkeys(types))
    if db.dialect.name == "sqlite" and len(wanted) > 1:
        known = {row.type for row in _TYPES.rows(db)}
        wanted = [one for one in wanted if one in known]
    return [uses for uses in map(_read, _USES.first_of_each(db, "type", wanted)) if uses is not None]


def uses_of_type(db: sa.Connection, task_type: str) -> list[dict[str, Any]]:
    """What is said of a type, as it was said."""
    row = _USES.first(db, type=task_type)
    return [] if row is None else list(json.loads(row.uses))


def uses_of(db: sa.Connection, types: Iterable[str]) -> list[LimitUse]:
    """What tasks of these types use, together."""
    return [use for one in limited_types(db, types) for use in one.uses]


def all_uses(db: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """The same of every type that uses limits."""
    return {row.type: json.loads(row.uses) for row in db.execute(sa.select(type_uses))}


def set_uses(db: sa.Connection, task_type: str, uses: Sequence[LimitUse]) -> bool:
    """Says what tasks of a type use from now on, those that wait included; whether that is new."""
    text = json_text([one.model_dump(exclude_defaults=True) for one in uses])
    before = _USES.first(db, type=task_type)
    if text == ("[]" if before is None else before.uses):
        return False
    values = {"uses": text, "config": _digest(text)}
    if before is None:
        db.execute(type_uses.insert().values(type=task_type, **values))
    else:
        db.execute(type_uses.update().where(type_uses.c.type == task_type).values(values))
    return True


def lanes_of(db: sa.Connection, tasks: Sequence[tuple[str, Any]]) -> list[int]:
    """The lane of each new task, given its type and params."""
    limited = {one.type: one for one in limited_types(db, {task_type for task_type, _ in tasks})}
    if not limited:
        return [0] * len(tasks)
    return _ids(db, [_row_of(limited.get(task_type), params) for task_type, params in tasks])


def lanes_by_id(db: sa.Connection, found: Iterable[tuple[str, int]]) -> list[Lane]:
    """Lanes by type and id, whether stale or not; one that is not known uses nothing."""
    wanted = list(found)
    rows = _LANE.first_of_each(db, "id", [lane for _, lane in wanted])
    return [
        _lane(task_type, lane, None if row is None else row.uses)
        for (task_type, lane), row in zip(wanted, rows, strict=True)
    ]


def waiting_lanes(db: sa.Connection, limited: TypeUses, *, moving: bool) -> list[Lane]:
    """The lanes of a type that have waiting tasks, some of them where they are many.

    Args:
        moving: Whether tasks of stale lanes are moved first; else a stale one is given as one that uses nothing.
    """
    found, stale = _split(db, limited)
    if not stale or not moving:
        return found + [Lane(limited.type, one) for one in stale]
    left = MOVED_AT_ONCE
    for one in stale:
        if left > 0:
            left -= _move(db, limited, one, left)
    return _split(db, limited)[0]


def _split(db: sa.Connection, limited: TypeUses) -> tuple[list[Lane], list[int]]:
    """Lanes with waiting tasks: those that hold, and the ids of those that are stale."""
    holds, stale = [], []
    for row in _waiting(db, limited.type):
        current = not limited.uses if row.id == 0 else bool(limited.uses) and row.config == limited.config
        if current:
            holds.append(_lane(limited.type, row.id, row.uses))
        else:
            stale.append(row.id)
    return holds, stale


def _waiting(db: sa.Connection, task_type: str) -> list[Any]:
    """Id, config and uses of the lanes in which tasks wait, the last of them; some where they are many."""
    found = _from(db, task_type, -1)
    if found and found[-1].id < found[-1].last:
        found += _from(db, task_type, randint(found[-1].id, found[-1].last - 1))  # noqa: S311 - spreads claims over lanes
    return found


def _from(db: sa.Connection, task_type: str, after: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < MOST_LANES:
        rows = sorted(_WITH_TASKS.rows(db, type=task_type, after=after), key=lambda row: int(row.id))
        found += rows
        if not rows or rows[-1].id >= rows[-1].last:
            break
        after = rows[-1].id
    return found[:MOST_LANES]


def _move(db: sa.Connection, limited: TypeUses, lane: int, most: int) -> int:
    """Moves the tasks of a stale lane that come first to where they belong now; how many."""
    rows = list(_OF_LANE.rows(db, type=limited.type, lane=lane, most=most))
    ids = _ids(db, [_row_of(limited, json.loads(row.params)) for row in rows])
    _MOVE.run(db, [(one, row.seq) for one, row in zip(ids, rows, strict=True)])
    return len(rows)


def _row_of(limited: TypeUses | None, params: Any) -> tuple[str, str, str, str] | None:
    """The row of the lane of a task, None for lane 0."""
    if limited is None or not limited.uses:
        return None
    uses = json_text(limited.of(params))
    return limited.type, limited.config, _digest(json_text([limited.type, limited.config, uses])), uses


def _ids(db: sa.Connection, rows: Sequence[tuple[str, str, str, str] | None]) -> list[int]:
    """The id of each lane, made where there is none."""
    wanted = dict(sorted((row[2], row) for row in rows if row is not None))
    known = _known(db, list(wanted))
    if new := [row for digest, row in wanted.items() if digest not in known]:
        _NEW_LANE.run(db, new)
        known |= _known(db, [row[2] for row in new])
    return [0 if row is None else known[row[2]] for row in rows]


def _known(db: sa.Connection, digests: list[str]) -> dict[str, int]:
    return {row.digest: row.id for row in _LANE_OF.first_of_each(db, "digest", digests) if row is not None}


def _name_in(use: LimitUse, params: Any) -> str | None:
    """The limit that a task with these params uses, None for none."""
    if use.path is None:
        return use.key
    found = params
    for step in use.path.split("/")[1:]:
        found = _inside(found, step.replace("~1", "/").replace("~0", "~"))
    if found is None or found == "":
        return None
    name = (use.prefix or "") + (found if isinstance(found, str) else canonical(found))
    return name if len(name) <= LONGEST_LIMIT_NAME else _digest(name)


def _inside(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(row: Any) -> TypeUses | None:
    return None if row is None else TypeUses(row.type, _parsed(row.uses), row.config)


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[LimitUse, ...]:
    return tuple(LimitUse.model_validate(one) for one in json.loads(text))


@lru_cache(maxsize=4096)
def _lane(task_type: str, lane: int, uses: str | None) -> Lane:
    return Lane(task_type, lane, tuple((name, units) for name, units in json.loads(uses or "[]")))
