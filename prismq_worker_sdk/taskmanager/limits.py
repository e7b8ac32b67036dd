"""Limits of the whole fleet, as operators and handlers set them, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from prismq_worker_sdk.compat import Self
from prismq_worker_sdk.taskmanager import audit, lanes, rooms
from prismq_worker_sdk.taskmanager.callers import Caller
from prismq_worker_sdk.taskmanager.db.service_tables import limit_uses, limits
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.messages import LimitUse, PauseItem, StrictMessage, Uses
from prismq_worker_sdk.taskmanager.views import instant

FOR_EVER = 253402300799.0
"""The end of the year 9999: a pause that somebody must end."""
LONGEST_PERIOD = 366 * 86400

_ONE = Statement("SELECT * FROM limits WHERE name = :name", lock=Lock.WAIT)


class NewLimit(StrictMessage):
    """`PUT /limits/{name}`: a number of units in each stretch of a period, tasks at the same time, or both."""

    units: int | None = Field(None, ge=1, le=1_000_000_000)
    period: float | None = Field(None, ge=0.1, le=LONGEST_PERIOD)
    at_once: int | None = Field(None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.units is None) != (self.period is None):
            raise ValueError("units are counted in a period: give both, or none of them")
        return self


class LimitFilter(BaseModel):
    """The query of `GET /limits`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prefix: str | None = Field(None, max_length=255)
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=255)


class TypeLimits(StrictMessage):
    """`PUT /task-types/{name}/limits`."""

    limits: Uses


def set_limit(db: sa.Connection, name: str, new: NewLimit, who: str, now: float) -> dict[str, Any]:
    """Makes a limit, or changes it: what was used in the last period still counts."""
    before = _ONE.first(db, name=name)
    values = new.model_dump() | {"updated_at": now}
    if before is None:
        db.execute(limits.insert().values(name=name, **values))
    else:
        db.execute(limits.update().where(limits.c.name == name).values(values))
        if new.period is not None:
            _fit_slices(db, name, rooms.slice_at(now, new.period))
    audit.note(db, who, "set", "limit", name, new.model_dump(), now)
    return shown(db, name, now)


def delete(db: sa.Connection, name: str, who: str, now: float) -> dict[str, Any]:
    """Takes a limit away: its tasks are held up by it no more; as it was.

    Raises:
        Problem: 404 there is none.
    """
    _ONE.first(db, name=name)
    before = shown(db, name, now)
    db.execute(limit_uses.delete().where(limit_uses.c.name == name))
    db.execute(limits.delete().where(limits.c.name == name))
    audit.note(db, who, "delete", "limit", name, None, now)
    return before


def pause(
    db: sa.Connection, name: str, until: float | None, reason: str | None, who: str, now: float
) -> dict[str, Any]:
    """Lets no task begin that uses this limit, whether anything else was said of it or not.

    Args:
        until: Seconds since 1970; None for until it is resumed.
    """
    _pause(db, name, FOR_EVER if until is None else min(until, FOR_EVER), reason, now)
    audit.note(db, who, "pause", "limit", name, {"until": instant(until), "reason": reason}, now)
    return shown(db, name, now)


def pause_for_worker(
    db: sa.Connection,
    worker_id: str,
    items: Sequence[PauseItem],
    now: float,
    types: Collection[str] | None = None,
) -> None:
    """What handlers of a worker have learnt of outside services; never ends a longer pause.

    Args:
        types: Limits that none of these uses are passed over, and that is written down; None for none of that.
    """
    uses = [] if types is None or not items else lanes.uses_of(db, types)
    for one in sorted(items, key=lambda item: item.name):
        if types is not None and not any(use.may_name(one.name) for use in uses):
            audit.note(db, worker_id, "pause refused", "limit", one.name, {"task_types": sorted(types)}, now)
            continue
        before = _ONE.first(db, name=one.name)
        until = now + one.seconds
        if before is None or (before.paused_until or 0.0) < until:
            _pause(db, one.name, until, one.reason, now)
            detail = {"seconds": one.seconds, "reason": one.reason}
            audit.note(db, worker_id, "pause", "limit", one.name, detail, now)


def resume(db: sa.Connection, name: str, who: str, now: float) -> dict[str, Any]:
    """Ends a pause.

    Raises:
        Problem: 404 there is no such limit.
    """
    _known(db, name)
    db.execute(limits.update().where(limits.c.name == name).values(paused_until=None, pause_reason=None))
    audit.note(db, who, "resume", "limit", name, None, now)
    return shown(db, name, now)


def must_share_with_none(db: sa.Connection, task_type: str, new: Sequence[LimitUse], caller: Caller) -> None:
    """Lets a key that is bound to types say of none of them that it uses a limit of a type of others.

    Raises:
        Problem: 403 it would. What was said of the type before may be said again.
    """
    if caller.types is None:
        return
    before = lanes.uses_of(db, [task_type])
    fresh = [use for use in new if use not in before]
    for name in sorted(lanes.all_uses(db).keys() - caller.types) if fresh else ():
        if any(use.overlaps(other) for use in fresh for other in lanes.uses_of(db, [name])):
            raise Problem(
                403,
                f"this API key is bound to task types, and {name} uses a limit that {task_type} would use too; "
                f"an admin says so with PUT /task-types/{task_type}/limits",
            )


def set_type(db: sa.Connection, task_type: str, new: TypeLimits, who: str, now: float) -> dict[str, Any]:
    """Says what tasks of a type use."""
    if lanes.set_uses(db, task_type, new.limits):
        detail = {"limits": lanes.uses_of_type(db, task_type)}
        audit.note(db, who, "set limits", "type", task_type, detail, now)
    return {"limits": lanes.uses_of_type(db, task_type)}


def shown(db: sa.Connection, name: str, now: float) -> dict[str, Any]:
    """A limit.

    Raises:
        Problem: 404 there is none.
    """
    (found,) = _shown(db, [_known(db, name)], now)
    return found


def listed(db: sa.Connection, wanted: LimitFilter, now: float) -> tuple[list[dict[str, Any]], str | None]:
    """Limits by name, and the cursor of the next page."""
    query = sa.select(limits).order_by(limits.c.name).limit(wanted.limit + 1)
    if wanted.prefix:
        query = query.where(limits.c.name.startswith(wanted.prefix, autoescape=True))
    if wanted.cursor is not None:
        query = query.where(limits.c.name > wanted.cursor)
    rows = list(db.execute(query))
    more = len(rows) > wanted.limit
    rows = rows[: wanted.limit]
    return _shown(db, rows, now), rows[-1].name if more else None


def _shown(db: sa.Connection, rows: Sequence[Any], now: float) -> list[dict[str, Any]]:
    used = {row.name: row.used for row in rooms.rows_of(db, [row.name for row in rows], now)}
    running = rooms.running(db) if rows else {}
    return [
        {
            "name": row.name,
            "units": row.units,
            "period": row.period,
            "at_once": row.at_once,
            "paused_until": instant(row.paused_until) if (row.paused_until or 0.0) > now else None,
            "pause_reason": row.pause_reason if (row.paused_until or 0.0) > now else None,
            "used": int(used.get(row.name) or 0) if row.units is not None else None,
            "running": running.get(row.name, 0),
            "updated_at": instant(row.updated_at),
        }
        for row in rows
    ]


def _known(db: sa.Connection, name: str) -> Any:
    row = db.execute(sa.select(limits).where(limits.c.name == name)).first()
    if row is None:
        raise Problem(404, f"there is no limit {name}")
    return row


def _pause(db: sa.Connection, name: str, until: float, reason: str | None, now: float) -> None:
    values = {"paused_until": until, "pause_reason": reason}
    if _ONE.first(db, name=name) is None:
        db.execute(limits.insert().values(name=name, updated_at=now, **values))
    else:
        db.execute(limits.update().where(limits.c.name == name).values(values))


def _fit_slices(db: sa.Connection, name: str, last: int) -> None:
    """Slices of a longer period that end later than the present one of the new: they hold nothing later than now."""
    later = (limit_uses.c.name == name) & (limit_uses.c.slice > last)
    units = db.scalar(sa.select(sa.func.sum(limit_uses.c.units)).where(later))
    if units:
        db.execute(limit_uses.delete().where(later))
        rooms.book_units(db, [(name, last, int(units))])
