"""What is done to many tasks at once, in slices that hold up no claim.

The set is frozen when it is asked for: tasks that come or end later are not of it. A slice is found by a look that
locks nothing, and done in a transaction that also notes how far the job has come: any process may do it, each is done
once, and a job that is cut off goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import uuid4

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import audit, steering
from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.chores import Chore
from prismq_worker_sdk.taskmanager.db.service_tables import bulk_jobs
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.db.tables import tasks
from prismq_worker_sdk.taskmanager.deleting import delete, those_to_delete
from prismq_worker_sdk.taskmanager.filters import Condition, in_status, matching, nearby, searching, walks
from prismq_worker_sdk.taskmanager.http import Problem, read
from prismq_worker_sdk.taskmanager.messages import Priority, StrictMessage, TaskSet
from prismq_worker_sdk.taskmanager.retention import next_size

SLICE, FIRST_SLICE = 200, 50
"""Tasks of one transaction at most, and of the first one."""
SPAN = 20_000
"""Tasks that are looked through for a slice where no index finds them."""
LOOK_EVERY = 0.5
"""Seconds between two looks for jobs."""
MOST_LISTED = 100

STATUSES = {"retry": ("failed",), "cancel": ("pending", "processing"), "priority": ("pending",)}
"""Of the tasks to which something can be done; any can be deleted that does not run."""
_LOOKED_AT = [tasks.c[name] for name in ("seq", "id", "type", "status", "parent_id", "dedupe_key")]

_OPEN = Statement("SELECT id FROM bulk_jobs WHERE ended_at IS NULL")
_JOB = {
    lock: Statement("SELECT * FROM bulk_jobs WHERE id = :id", lock=lock) for lock in (Lock.NONE, Lock.WAIT)
}
_ADVANCE = Statement(
    "UPDATE bulk_jobs SET at_seq = :at_seq, done = :done, passed_over = :passed_over, ended_at = :ended_at"
    " WHERE id = :id"
)
_END = Statement("UPDATE bulk_jobs SET ended_at = :now, cancelled = 1 WHERE id = :id")
_PRIORITY = Statement("UPDATE tasks SET priority = :priority WHERE seq = :seq")


class BulkRequest(StrictMessage):
    """`POST /tasks/bulk`."""

    action: Literal["retry", "cancel", "delete", "priority"]
    filter: TaskSet
    priority: Priority | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """A set of tasks, frozen.

    Attributes:
        last_seq: Of the latest task that there was.
        at: When it was looked at, seconds since 1970.
    """

    number: int
    last_seq: int
    at: float


@dataclass(frozen=True, slots=True)
class Slice:
    """The next tasks of a job.

    Attributes:
        at_seq: How far the job had come.
        reached: How far it has come with these.
        is_last: Whether there are no more.
    """

    at_seq: int
    seqs: Sequence[int]
    reached: int
    is_last: bool


def check(asked: BulkRequest) -> None:
    """Raises Problem 422 where an action cannot be done to such tasks, or lacks what it needs."""
    if (asked.priority is not None) != (asked.action == "priority"):
        raise Problem(
            422, "priority is what the action priority sets, from -1000000 to 1000000; send both or neither"
        )
    fit, status = STATUSES.get(asked.action), asked.filter.status
    if fit is not None and status is not None and status not in fit:
        raise Problem(
            422, f"the action {asked.action} is for tasks that are {' or '.join(fit)}, not for {status} ones"
        )


def count(db: sa.Connection, asked: BulkRequest, now: float) -> Counted:
    """How many tasks are meant now.

    Raises:
        Problem: 422 there is too much to look through.
    """
    last_seq = db.scalar(sa.select(sa.func.max(tasks.c.seq))) or 0
    those = _meant(db, asked, last_seq, now)
    with searching(db, asked.filter):
        near = nearby(db, asked.filter)
        number = db.scalar(sa.select(sa.func.count()).select_from(tasks).where(*those, *near))
    return Counted(number or 0, last_seq, now)


def begin(db: sa.Connection, asked: BulkRequest, who: str, counted: Counted) -> Any:
    """Makes a job of it; its row."""
    wanted = asked.filter.model_dump(exclude_none=True)
    about = {"filter": wanted, "found": counted.number}
    if asked.priority is not None:
        about["priority"] = asked.priority
    job_id = str(uuid4())
    db.execute(
        bulk_jobs.insert(),
        {
            "id": job_id,
            "action": asked.action,
            "filter": json.dumps(wanted),
            "priority": asked.priority,
            "last_seq": counted.last_seq,
            "at_seq": 0,
            "found": counted.number,
            "done": 0,
            "passed_over": 0,
            "cancelled": 0,
            "asked_by": who,
            "created_at": counted.at,
        },
    )
    audit.note(db, who, asked.action, "bulk", job_id, about, counted.at)
    return job_named(db, job_id)


def job_named(db: sa.Connection, job_id: str, lock: Lock = Lock.NONE) -> Any:
    """A job.

    Raises:
        Problem: 404 there is none.
    """
    row = _JOB[lock].first(db, id=job_id)
    if row is None:
        raise Problem(404, f"there is no bulk job {job_id}")
    return row


def listed(db: sa.Connection) -> Sequence[Any]:
    """The latest jobs, newest first."""
    latest = sa.select(bulk_jobs).order_by(bulk_jobs.c.created_at.desc(), bulk_jobs.c.id)
    return db.execute(latest.limit(MOST_LISTED)).all()


def stop(db: sa.Connection, job_id: str, now: float) -> Any:
    """Ends a job where it is; what it has done stays.

    Raises:
        Problem: 404 no such job, 409 it is over.
    """
    if job_named(db, job_id, Lock.WAIT).ended_at is not None:
        raise Problem(409, f"bulk job {job_id} is over already")
    _END.run(db, [(now, job_id)])
    return job_named(db, job_id)


async def go_on(state: AppState) -> None:
    """Does all jobs, one after the other, slice by slice."""
    for job_id in await state.reader.run(lambda db, _now: sorted(row.id for row in _OPEN.rows(db))):
        size = FIRST_SLICE
        while (found := await state.reader.run(partial(next_slice, job_id, size))) is not None:
            freed, seconds = await state.run(partial(do_slice, job_id, found))
            state.waiting.notify(freed)
            size = min(SLICE, next_size(size, seconds))
            await asyncio.sleep(seconds)  # half of the time is left to claims


GO_ON = Chore("the jobs of tasks/bulk", LOOK_EVERY, go_on)


def _meant(db: sa.Connection, asked: BulkRequest, last_seq: int, at: float) -> list[Condition]:
    """What a task must meet to be of the set that was frozen at a time."""
    found = [*matching(db, asked.filter), tasks.c.seq <= last_seq]
    fit = STATUSES.get(asked.action)
    if fit is not None and asked.filter.status is None:
        found.append(sa.or_(*map(in_status, fit)))
    found.append(sa.or_(tasks.c.completed_at.is_(None), tasks.c.completed_at + 0 <= at))
    return found


def _asked(job: Any) -> BulkRequest:
    wanted = {"action": job.action, "filter": json.loads(job.filter), "priority": job.priority}
    return read(BulkRequest, wanted)


def next_slice(job_id: str, size: int, db: sa.Connection, _now: float) -> Slice | None:
    """At most so many tasks of a job that come next; None once it is over."""
    job = _JOB[Lock.NONE].first(db, id=job_id)
    if job is None or job.ended_at is not None:
        return None
    asked = _asked(job)
    until = min(job.last_seq, job.at_seq + SPAN) if walks(asked.filter) else job.last_seq
    those = _meant(db, asked, until, job.created_at)
    query = sa.select(tasks.c.seq).where(*those, tasks.c.seq > job.at_seq).order_by(tasks.c.seq).limit(size)
    seqs = list(db.scalars(query))
    reached = until if len(seqs) < size else seqs[-1]
    return Slice(job.at_seq, seqs, reached, is_last=len(seqs) < size and until == job.last_seq)


def do_slice(job_id: str, found: Slice, db: sa.Connection, now: float) -> tuple[Counter[str], float]:
    """Does a slice, unless another process has done it.

    Returns:
        How many tasks of which type can be had now, and how many seconds it took.
    """
    begun = time.perf_counter()
    job = _JOB[Lock.WAIT].first(db, id=job_id)
    if job is None or job.ended_at is not None or job.at_seq != found.at_seq:
        return Counter(), 0.0
    those = _meant(db, _asked(job), job.last_seq, job.created_at)
    query = (
        sa.select(*_LOOKED_AT)
        .where(tasks.c.seq.in_(found.seqs), *those)
        .order_by(tasks.c.seq)
        .with_for_update()
    )
    done, freed = _act(db, job, db.execute(query).all(), now)
    if job.action != "delete":
        said = {row.id: {"bulk": job_id} for row in done}
        audit.note_many(db, job.asked_by, job.action, "task", said, now)
    number = job.done + len(done)
    passed_over = job.passed_over + len(found.seqs) - len(done)
    if found.is_last:  # what left the set before its slice came
        passed_over = max(passed_over, job.found - number)
    _ADVANCE.run(db, [(found.reached, number, passed_over, now if found.is_last else None, job_id)])
    return freed, time.perf_counter() - begun


def _act(db: sa.Connection, job: Any, rows: Sequence[Any], now: float) -> tuple[Sequence[Any], Counter[str]]:
    """Does to each what can be done to it; those that it was done to, and how many tasks can be had now."""
    if job.action == "retry":
        done = steering.retry_many(db, rows, now)
        return done, Counter(row.type for row in done)
    if job.action == "cancel":
        return rows, steering.cancel_many(db, rows, now)
    if job.action == "priority":
        _PRIORITY.run(db, [(job.priority, row.seq) for row in rows])
        return rows, Counter()
    going = those_to_delete(db, [row for row in rows if row.status != "processing"])
    return going, delete(db, going, now)
