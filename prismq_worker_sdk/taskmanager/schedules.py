"""Schedules: tasks that are made again and again, each firing by one replica, once.

In one transaction `next_at` moves on and the tasks are made: a crash leaves both or none. `next_at` never moves back,
so a clock that is set back makes no firing come twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import Field

from prismq_worker_sdk.taskmanager import producing, views
from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.chores import Chore
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.service_tables import schedules
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.db.tables import tasks
from prismq_worker_sdk.taskmanager.firing import Timing, latest, next_times, timing_of, to_make
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.messages import NewTask, Priority, StrictMessage, TaskTypeName

_LOG = logging.getLogger("prismq.taskmanager")
SHOWN = 5
"""Next times that are shown."""
MOST_OF_A_REASON = 2000
"""Characters."""
UNFINISHED = ("pending", "processing")

_ONE = {lock: Statement("SELECT * FROM schedules WHERE name = :name", lock=lock) for lock in Lock}
_DUE = Statement(
    "SELECT name FROM schedules WHERE paused = 0 AND next_at <= :now ORDER BY next_at LIMIT 1000"
)


class NewSchedule(StrictMessage):
    """`PUT /schedules/{name}`."""

    type: TaskTypeName
    params: dict[str, Any] = Field(default_factory=dict)
    priority: Priority = 0
    max_attempts: int | None = Field(None, ge=1, le=1000)
    cron: str | None = Field(None, min_length=1, max_length=255)
    timezone: str = Field("UTC", min_length=1, max_length=64)
    every_seconds: float | None = Field(None, ge=1, le=366 * 86400)
    missed: Literal["skip", "once", "all"] = "once"
    overlap: Literal["allow", "skip"] = "skip"

    def timing(self, base: float) -> Timing:
        """When it fires.

        Raises:
            Problem: 422 it says no time, or one that cannot be.
        """
        try:
            return timing_of(self.cron, self.timezone, self.every_seconds, base)
        except ValueError as error:
            raise Problem(422, str(error)) from None


def find(db: sa.Connection, name: str, lock: Lock = Lock.NONE) -> Any:
    """A schedule, locked where it is about to be changed.

    Raises:
        Problem: 404 there is none.
    """
    row = _ONE[lock].first(db, name=name)
    if row is None:
        raise Problem(404, f"there is no schedule {name}")
    return row


def listed(db: sa.Connection) -> list[sa.Row[Any]]:
    """The schedules, by name."""
    return list(db.execute(sa.select(schedules).order_by(schedules.c.name)))


def times_of(row: Any, now: float) -> list[float]:
    """Its next times; those of a paused one are as if it were resumed now."""
    try:
        timing = _timing(row, now)
    except ValueError:  # this machine does not know its time zone
        return []
    if row.paused or row.next_at is None:
        return next_times(timing, now, SHOWN)
    return [row.next_at, *next_times(timing, max(now, row.next_at), SHOWN - 1)]


def put(db: sa.Connection, name: str, new: NewSchedule, now: float) -> tuple[Any, bool]:
    """Makes a schedule, or changes one, which goes on as it was unless its times change; and whether it is new.

    Raises:
        Problem: 413, 422 its params cannot be those of a task of its type.
        LongChecks: Checks that are not to be made in a transaction.
    """
    producing.check(db, NewTask(type=new.type, params=new.params))
    before = _ONE[Lock.WAIT].first(db, name=name)
    values = {
        "type": new.type,
        "params": json.dumps(new.params, ensure_ascii=False),
        "priority": new.priority,
        "max_attempts": new.max_attempts,
        "cron": new.cron,
        "zone": new.timezone,
        "every": new.every_seconds,
        "missed": new.missed,
        "overlap": new.overlap,
        "updated_at": now,
    }
    if before is None or any(values[part] != getattr(before, part) for part in ("cron", "zone", "every")):
        values["next_at"] = next(new.timing(now).after(now), None)
    if before is None:
        db.execute(schedules.insert().values(name=name, paused=0, created_at=now, **values))
    else:
        _change(db, name, **values)
    return find(db, name), before is None


def delete(db: sa.Connection, name: str, _now: float) -> Any:
    """Takes a schedule away; its tasks stay."""
    row = find(db, name, Lock.WAIT)
    db.execute(schedules.delete().where(schedules.c.name == name))
    return row


def pause(db: sa.Connection, name: str, now: float) -> Any:
    """Lets it fire no more."""
    _change(db, find(db, name, Lock.WAIT).name, paused=1, updated_at=now)
    return find(db, name)


def resume(db: sa.Connection, name: str, now: float) -> Any:
    """Lets a paused one fire again, from its next time on: what came while it was paused is not missed.

    Raises:
        Problem: 409 its time zone is not known here.
    """
    row = find(db, name, Lock.WAIT)
    if row.paused:
        try:
            next_at = next(_timing(row, now).after(now), None)
        except ValueError as error:
            raise Problem(409, str(error)) from None
        _change(db, name, paused=0, next_at=next_at, updated_at=now)
    return find(db, name)


def run_now(db: sa.Connection, config: TaskManagerConfig, name: str, now: float) -> Mapping[str, Any]:
    """Makes a task of it now, paused or not; its next time stays. The task's columns.

    Raises:
        Problem: 409 its last task is not finished and it may not overlap, 413, 422 its params fit no longer.
    """
    row = find(db, name, Lock.WAIT)
    if reason := _overlaps(db, row):
        raise Problem(409, f"{reason}; wait for its end, or cancel it")
    (made,) = producing.create(db, config, [_task_of(row, None)], now)
    if isinstance(made, Problem):
        raise made
    _change(db, name, last_at=now, last_task=made.task["id"], last_error=None)
    return made.task


def fire(name: str, config: TaskManagerConfig, db: sa.Connection, now: float) -> Counter[str]:
    """Makes the tasks of a schedule that is due, unless another replica does; how many new ones of which type.

    A firing that cannot be made leaves its reason on the schedule.
    """
    row = _ONE[Lock.SKIP].first(db, name=name)
    if row is None or row.paused or row.next_at is None or row.next_at > now:
        return Counter()
    try:
        timing = _timing(row, now)
    except ValueError as error:  # another replica may know its time zone
        if row.last_error != str(error):
            _change(db, name, last_error=str(error))
        return Counter()
    (last_at,) = latest(timing, row.next_at, now, 1)
    moved = {"next_at": next(timing.after(now), None), "last_at": last_at}
    if not _change(db, name, schedules.c.next_at == row.next_at, **moved):
        return Counter()
    made, reason = _made(db, config, row, to_make(timing, row.next_at, row.missed, now), now)
    said: dict[str, Any] = {"last_error": reason}
    if made:
        said["last_task"] = made[-1].task["id"]
    if reason and reason != row.last_error:
        _LOG.warning("schedule %s made no task for %s: %s", name, views.instant(last_at), reason)
    _change(db, name, **said)
    return Counter(one.task["type"] for one in made if one.is_new)


async def fire_due(state: AppState) -> None:
    """Fires the schedules whose time has come."""
    due = await state.reader.run(lambda db, now: [row.name for row in _DUE.rows(db, now=now)])
    firing = (state.run(partial(fire, name, state.config)) for name in due)
    for fired in await asyncio.gather(*firing, return_exceptions=True):
        if isinstance(fired, BaseException):
            raise fired
        state.waiting.notify(fired)


FIRE_SCHEDULES = Chore("fire schedules", 1.0, fire_due)


def _made(
    db: sa.Connection, config: TaskManagerConfig, row: Any, times: list[float], now: float
) -> tuple[list[producing.Created], str | None]:
    """The tasks of these firings, and why there is none for the last one."""
    if not times:
        return [], "no server was there in time, and what is missed is skipped"
    if row.overlap == "skip":
        times = times[-1:]
    if reason := _overlaps(db, row):
        return [], reason
    answers = producing.create(db, config, [_task_of(row, at) for at in times], now)
    problems = [one for one in answers if isinstance(one, Problem)]
    reason = "; ".join([problems[-1].detail, *map(str, problems[-1].faults)]) if problems else ""
    made = [one for one in answers if isinstance(one, producing.Created)]
    return made, reason[:MOST_OF_A_REASON] or None


def _overlaps(db: sa.Connection, row: Any) -> str | None:
    """Why it may make no task now: the last one is not finished."""
    if row.overlap == "allow" or row.last_task is None:
        return None
    status = db.scalar(sa.select(tasks.c.status).where(tasks.c.id == row.last_task))
    return f"its last task {row.last_task} is {status}" if status in UNFINISHED else None


def _task_of(row: Any, at: float | None) -> NewTask:
    """The task of a firing; while it is unfinished, none is made for the same firing."""
    return NewTask(
        type=row.type,
        params=json.loads(row.params),
        priority=row.priority,
        max_attempts=row.max_attempts,
        dedupe_key=None if at is None else f"schedule:{row.name}:{views.instant(at)}",
    )


def _timing(row: Any, now: float) -> Timing:
    return timing_of(row.cron, row.zone, row.every, now if row.next_at is None else row.next_at)


def _change(db: sa.Connection, name: str, *only: sa.ColumnElement[bool], **values: Any) -> bool:
    """Whether there was one to change."""
    return bool(db.execute(schedules.update().where(schedules.c.name == name, *only).values(values)).rowcount)
