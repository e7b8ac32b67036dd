"""Who works here: what each worker holds, what it says of itself, and why it takes nothing more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import idle, lanes, pauses, rooms
from prismq_worker_sdk.taskmanager.claims import types_waiting
from prismq_worker_sdk.taskmanager.db.service_tables import limits, worker_statuses, worker_types
from prismq_worker_sdk.taskmanager.db.statements import Statement
from prismq_worker_sdk.taskmanager.db.tables import workers
from prismq_worker_sdk.taskmanager.http import Problem, json_text
from prismq_worker_sdk.taskmanager.idle import Queue, Reason, why_idle
from prismq_worker_sdk.taskmanager.limits import FOR_EVER
from prismq_worker_sdk.taskmanager.messages import WorkerStatusItem
from prismq_worker_sdk.taskmanager.views import instant

HIDDEN_REASON = "hidden from this key"

_RUNNING = Statement(
    "SELECT seq, id, type, worker_id, claimed_at, progress, message, status FROM tasks WHERE status = 'processing'"
)
_INSERT = "INSERT INTO worker_statuses (worker_id, status, at) VALUES (:worker_id, :status, :at)"
_PUT = {
    True: Statement(
        f"{_INSERT} ON CONFLICT (worker_id) DO UPDATE SET status = excluded.status, at = excluded.at"
    ),
    False: Statement(f"{_INSERT} ON DUPLICATE KEY UPDATE status = VALUES(status), at = VALUES(at)"),
}
"""For SQLite, and for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker.

    Attributes:
        first_seen: None for one that only claims by the base protocol, which tells nothing of workers.
        types: Of the tasks that it claims.
        status: What it says of itself, None where it says nothing.
        running: The tasks that it holds, the oldest first.
        idle: Why it takes no task now; none where it has no slot free.
    """

    worker_id: str
    first_seen: float | None
    last_seen: float
    wanted: str
    types: Sequence[str]
    status: Mapping[str, Any] | None
    running: Sequence[Any]
    idle: tuple[Reason, ...]


def note_status(db: sa.Connection, worker_id: str, status: WorkerStatusItem, now: float) -> None:
    """Keeps what a worker says of itself, with the times at which its pauses end."""
    said = status.model_dump() | {"started_at": status.started_at}
    for one in said["closed"]:
        seconds = one.pop("seconds")
        one["until"] = None if seconds is None else now + seconds
    _PUT[db.dialect.name == "sqlite"].run(db, [(worker_id, json_text(said), now)])


def listed(
    db: sa.Connection,
    now: float,
    most: int | None = None,
    *,
    part: str = "",
    only: str | None = None,
    reasons: bool = True,
) -> list[Worker]:
    """Workers, the one heard of last first.

    Args:
        most: As many as that.
        part: Of their ids.
        only: The id of the only one.
        reasons: Whether the words by which handlers are not ready or paused are shown: they may tell of payloads.
    """
    rows = sorted(_rows(db, most, part, only), key=lambda row: (-row.last_seen, row.worker_id))[:most]
    said = [(row, None if row.status is None else _said(row.status, reasons=reasons)) for row in rows]
    types = {row.worker_id: _types(row, status) for row, status in said}
    running: dict[str, list[Any]] = {}
    for task in sorted(_RUNNING.rows(db)):
        running.setdefault(task.worker_id, []).append(task)
    queue = _queue(db, sorted({name for one in types.values() for name in one}), now, reasons=reasons)
    return [_worker(row, status, types[row.worker_id], running, queue, now) for row, status in said]


def number(db: sa.Connection) -> int:
    """How many there are."""
    by_claims = sa.select(sa.func.count()).select_from(worker_types).where(_ONLY_CLAIMS)
    return (db.scalar(sa.select(sa.func.count()).select_from(workers)) or 0) + (db.scalar(by_claims) or 0)


def steer(db: sa.Connection, worker_id: str, command: str) -> None:
    """Sets what is wanted of a worker; it hears of it at its next exchange.

    Raises:
        Problem: 404 there is no such worker.
    """
    of_it = workers.update().where(workers.c.worker_id == worker_id)
    if not db.execute(of_it.values(wanted=command)).rowcount:
        raise Problem(404, f"there is no worker {worker_id}")


def view(worker: Worker) -> dict[str, Any]:
    """A worker as the wire shows it, with the ids of the tasks it holds."""
    said = worker.status and {
        **worker.status,
        "started_at": instant(worker.status["started_at"]),
        "closed": [{**one, "until": instant(one["until"])} for one in worker.status["closed"]],
    }
    return {
        "worker_id": worker.worker_id,
        "first_seen": instant(worker.first_seen),
        "last_seen": instant(worker.last_seen),
        "wanted": worker.wanted,
        "running": [task.id for task in worker.running],
        "task_types": worker.types,
        "status": said,
        "why_idle": "; ".join(
            one.text if one.at is None else f"{one.text} {instant(one.at)}" for one in worker.idle
        )
        or None,
    }


_ONLY_CLAIMS = ~sa.exists().where(workers.c.worker_id == worker_types.c.worker_id)


def _rows(db: sa.Connection, most: int | None, part: str, only: str | None) -> list[Any]:
    def is_meant(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        return sa.func.instr(column, part) > 0 if only is None else column == only

    claimed = workers.outerjoin(worker_types, worker_types.c.worker_id == workers.c.worker_id)
    told = claimed.outerjoin(worker_statuses, worker_statuses.c.worker_id == workers.c.worker_id)
    exchanging = (
        sa.select(workers, worker_types.c.types, worker_statuses.c.status)
        .select_from(told)
        .where(is_meant(workers.c.worker_id))
        .order_by(workers.c.last_seen.desc())
    )
    claiming = (
        sa.select(
            worker_types.c.worker_id,
            sa.null().label("first_seen"),
            worker_types.c.seen_at.label("last_seen"),
            sa.literal("run").label("wanted"),
            worker_types.c.types,
            sa.null().label("status"),
        )
        .where(_ONLY_CLAIMS, is_meant(worker_types.c.worker_id))
        .order_by(worker_types.c.seen_at.desc())
    )
    return [row for query in (exchanging, claiming) for row in db.execute(query.limit(most))]


def _said(stored: str, *, reasons: bool) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(stored)
    if not reasons:
        said["closed"] = [{**one, "reason": HIDDEN_REASON} for one in said["closed"]]
    return said


def _types(row: Any, status: Mapping[str, Any] | None) -> list[str]:
    """Those that it says, or those that it claimed last: of types that are paused it claims none."""
    if status is not None:
        return list(status["task_types"])
    return [] if row.types is None else list(json.loads(row.types))


def _worker(
    row: Any,
    status: Mapping[str, Any] | None,
    types: Sequence[str],
    running: Mapping[str, Sequence[Any]],
    queue: Queue,
    now: float,
) -> Worker:
    held, said = running.get(row.worker_id, ()), status or {}
    known = idle.Worker(
        last_seen=row.last_seen,
        wanted=row.wanted,
        state=said.get("state", ""),
        slots=said.get("slots"),
        running=len(held),
        types=types,
        trouble=said.get("trouble") or "",
        closed=_closed(said.get("closed", ()), now),
    )
    return Worker(
        worker_id=row.worker_id,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        wanted=row.wanted,
        types=types,
        status=status,
        running=held,
        idle=why_idle(known, queue, now),
    )


def _closed(closed: Sequence[Mapping[str, Any]], now: float) -> dict[str, Reason]:
    """Why a worker claims nothing of its types, as far as that is not over."""
    found = {}
    for one in closed:
        if one["until"] is None:
            found[one["type"]] = Reason(f"not ready: {one['reason']}")
        elif one["until"] > now:
            found[one["type"]] = Reason(f"paused by the worker ({one['reason']}); ends", one["until"])
    return found


def _queue(db: sa.Connection, types: Sequence[str], now: float, *, reasons: bool) -> Queue:
    """Of which of the types tasks wait, and which are held up for everybody."""
    paused = pauses.standing(db, now)
    held = {
        name: _paused("paused for the whole fleet", one.until, one.reason) for name, one in paused.items()
    }
    waiting = types_waiting(db, types)
    may = [name for name in types if name in waiting and name not in held]
    room = rooms.look(db, may, now, claiming=False)
    full = room.limited.intersection(may) - {lane.type for lane in room.lanes}
    if full:
        uses, standing = lanes.all_uses(db), _paused_limits(db, now, reasons=reasons)
        for name in full:
            names = [one.get("key") for one in uses.get(name, ())]
            pausing = (standing[one] for one in names if one in standing)
            held[name] = next(pausing, Reason("its limits leave no room now"))
    return Queue(waiting, held)


def _paused_limits(db: sa.Connection, now: float, *, reasons: bool) -> dict[str | None, Reason]:
    found = db.execute(sa.select(limits).where(limits.c.paused_until > now))
    return {
        row.name: _paused(
            f"limit {row.name} is paused",
            None if row.paused_until >= FOR_EVER else row.paused_until,
            row.pause_reason if reasons else None,
        )
        for row in found
    }


def _paused(what: str, until: float | None, reason: str | None) -> Reason:
    said = f"{what} ({reason})" if reason else what
    return Reason(f"{said} until it is resumed") if until is None else Reason(f"{said}; ends", until)
