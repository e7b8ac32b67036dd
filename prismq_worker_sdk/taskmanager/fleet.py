"""Who works here: last contact, what runs, and what is wanted of each worker."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import statements
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.tables import tasks, workers

__all__ = ["RUN", "listed", "steer", "touch", "wanted"]

Row = sa.Row[Any]
RUN = "run"


def touch(db: sa.Connection, worker_id: str, now: float) -> str:
    """Notes that a worker was heard of; what is wanted of it: `run`, `quiet` or `terminate`."""
    order = db.scalar(statements.WANTED_OF, {"the_worker": worker_id})
    if order is None:
        seen = {"worker_id": worker_id, "first_seen": now, "last_seen": now, "wanted": RUN}
        db.execute(statements.NEW_WORKER, seen)
    else:
        db.execute(statements.WORKER_SEEN, {"the_worker": worker_id, "last_seen": now})
    return str(order or RUN)


def wanted(db: sa.Connection, worker_id: str) -> str:
    """What is wanted of a worker, without noting that it was heard of."""
    return str(db.scalar(statements.WANTED_OF, {"the_worker": worker_id}) or RUN)


def listed(db: sa.Connection) -> list[tuple[Row, list[str]]]:
    """Every worker, the one heard of last first, with the tasks it holds."""
    running: dict[str, list[str]] = {}
    held = (
        sa.select(tasks.c.worker_id, tasks.c.id).where(tasks.c.status == "processing").order_by(tasks.c.seq)
    )
    for worker_id, task_id in db.execute(held):
        running.setdefault(worker_id, []).append(task_id)
    found = db.execute(sa.select(workers).order_by(workers.c.last_seen.desc(), workers.c.worker_id))
    return [(row, running.get(row.worker_id, [])) for row in found]


def steer(db: sa.Connection, worker_id: str, order: str) -> tuple[Row, list[str]]:
    """Sets what is wanted of a worker; it hears of it at its next exchange.

    Raises:
        Problem: 404 there is no such worker.
    """
    db.execute(workers.update().where(workers.c.worker_id == worker_id).values(wanted=order))
    found = next((one for one in listed(db) if one[0].worker_id == worker_id), None)
    if found is None:
        raise Problem(404, f"there is no worker {worker_id}")
    return found
