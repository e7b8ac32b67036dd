"""Who works here: last contact, what runs, and what is wanted of each worker."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.statements import Statement, insert, literal, update
from prismq_worker_sdk.taskmanager.tables import tasks, workers

Row = sa.Row[Any]
RUN = "run"
_COMMAND = Statement(sa.select(workers.c.wanted).where(workers.c.worker_id == bindparam("worker_id")))
_SEEN = update(workers, ("last_seen",), by=("worker_id",))
_NEW = insert(workers, ("worker_id", "first_seen", "last_seen", "wanted"))


def seen(db: sa.Connection, worker_id: str, now: float) -> str:
    """Notes that a worker was heard of; what is wanted of it: `run`, `quiet` or `terminate`."""
    if (found := _COMMAND.first(db, worker_id=worker_id)) is None:
        _NEW.run(db, [(worker_id, now, now, RUN)])
        return RUN
    _SEEN.run(db, [(now, worker_id)])
    return str(found.wanted)


def command_for(db: sa.Connection, worker_id: str) -> str:
    """What is wanted of a worker, without noting that it was heard of."""
    found = _COMMAND.first(db, worker_id=worker_id)
    return RUN if found is None else str(found.wanted)


def listed(db: sa.Connection) -> list[tuple[Row, list[str]]]:
    """Every worker, the one heard of last first, with the tasks it holds."""
    running: dict[str, list[str]] = {}
    held = (
        sa.select(tasks.c.worker_id, tasks.c.id)
        .where(tasks.c.status == literal("processing"))
        .order_by(tasks.c.seq)
    )
    for worker_id, task_id in db.execute(held):
        running.setdefault(worker_id, []).append(task_id)
    found = db.execute(sa.select(workers).order_by(workers.c.last_seen.desc(), workers.c.worker_id))
    return [(row, running.get(row.worker_id, [])) for row in found]


def steer(db: sa.Connection, worker_id: str, command: str) -> tuple[Row, list[str]]:
    """Sets what is wanted of a worker; it hears of it at its next exchange.

    Raises:
        Problem: 404 there is no such worker.
    """
    db.execute(workers.update().where(workers.c.worker_id == worker_id).values(wanted=command))
    found = next((one for one in listed(db) if one[0].worker_id == worker_id), None)
    if found is None:
        raise Problem(404, f"there is no worker {worker_id}")
    return found
