"""One exchange: reports and renewals first, then a claim, inside the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.claims import Taken, Wanted, still_held, take
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.service_tables import waits
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement, insert
from prismq_worker_sdk.taskmanager.db.tables import workers
from prismq_worker_sdk.taskmanager.ends import renew, report
from prismq_worker_sdk.taskmanager.http import json_text
from prismq_worker_sdk.taskmanager.limits import pause_for_worker
from prismq_worker_sdk.taskmanager.messages import ExchangeRequest
from prismq_worker_sdk.taskmanager.rules import MAX_TASKS

RUN = "run"
_COMMAND = Statement("SELECT wanted FROM workers WHERE worker_id = :worker_id")
_TO_TELL = Statement("SELECT worker_id FROM workers WHERE wanted IN ('quiet', 'terminate')")
_SEEN = Statement("UPDATE workers SET last_seen = :now WHERE worker_id = :worker_id")
_NEW = insert(workers, ("worker_id", "first_seen", "last_seen", "wanted"))
_WAIT = Statement(
    "SELECT wait_id FROM waits WHERE worker_id = :worker_id AND request_id = :request_id", lock=Lock.WAIT
)
_STANDS = Statement("SELECT wait_id FROM waits WHERE wait_id = :wait_id")
_NEW_WAIT = insert(waits, ("worker_id", "request_id", "wait_id", "since"))
_AGAIN = Statement(
    "UPDATE waits SET wait_id = :wait_id, since = :since WHERE worker_id = :worker_id AND request_id = :request_id"
)
_FORGET_WAIT = Statement("DELETE FROM waits WHERE wait_id = :wait_id")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an exchange is answered with.

    Attributes:
        tasks: Each as JSON text.
        command: What is wanted of the worker.
        freed: Not on the wire: how many tasks of which type can be had now by what was reported.
        waits: Not on the wire either: how long tasks had waited that are handed out here.
    """

    reports: list[dict[str, Any]] = field(default_factory=list)
    leases: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    command: str = RUN
    freed: Counter[str] = field(default_factory=Counter)
    waits: list[tuple[str, float]] = field(default_factory=list)

    def text(self) -> str:
        """The answer on the wire."""
        verdicts = f'"reports":{json_text(self.reports)},"leases":{json_text(self.leases)}'
        return f'{{{verdicts},"tasks":[{",".join(self.tasks)}],"worker":"{self.command}"}}'


def exchange(
    db: sa.Connection,
    config: TaskManagerConfig,
    asked: ExchangeRequest,
    now: float,
    wait_id: str | None = None,
    types: Collection[str] | None = None,
) -> Answer:
    """Applies everything, in this order.

    Args:
        types: Those that the caller is bound to, None for every one.
        wait_id: Of the wait that begins where nothing is found, and other processes may be sent its repeat.
    """
    command = _command(db, asked.worker_id)
    if command is None:
        _NEW.run(db, [(asked.worker_id, now, now, RUN)])
    else:
        _SEEN.run(db, [(now, asked.worker_id)])
    verdicts, freed = report(db, config, asked.reports, now)
    leases = renew(db, config, asked.leases, now)
    pause_for_worker(db, asked.worker_id, asked.pauses, now, types)
    command = command or RUN
    found = _claim(db, config, asked, command, now)
    if config.is_shared and asked.claim is not None and asked.request_id is not None:
        waits_on = not found.tasks and command == RUN
        _begin_wait(db, asked.worker_id, asked.request_id, (waits_on and wait_id) or "", now)
    return Answer(verdicts, leases, found.tasks, command, freed, found.waits)


def claim_only(
    db: sa.Connection, config: TaskManagerConfig, asked: ExchangeRequest, now: float, wait_id: str | None
) -> Answer | None:
    """The claim alone, None when there is still nothing to say; an empty answer where it was sent again (R6)."""
    if wait_id is not None:
        row = _WAIT.first(db, worker_id=asked.worker_id, request_id=asked.request_id)
        if row is None or row.wait_id != wait_id:
            return Answer()
    command = _command(db, asked.worker_id) or RUN
    found = _claim(db, config, asked, command, now)
    if not found.tasks and command == RUN:
        return None
    if wait_id is not None:
        forget_wait(db, wait_id)
    return Answer(tasks=found.tasks, command=command, waits=found.waits)


def forget_wait(db: sa.Connection, wait_id: str) -> None:
    """A wait is over."""
    _FORGET_WAIT.run(db, [(wait_id,)])


def waits_over(db: sa.Connection, wait_ids: Sequence[str]) -> list[str]:
    """Which of these waits no longer are those of their requests (R6)."""
    found = _STANDS.first_of_each(db, "wait_id", wait_ids) if wait_ids else []
    return [one for one, row in zip(wait_ids, found, strict=True) if row is None]


def workers_to_tell(db: sa.Connection) -> list[str]:
    """Workers that are to do something else than to run."""
    return [row.worker_id for row in _TO_TELL.rows(db)]


def _begin_wait(db: sa.Connection, worker_id: str, request_id: str, wait_id: str, now: float) -> None:
    """From now on only this sending of a request may wait for its answer; "" is none."""
    if _WAIT.first(db, worker_id=worker_id, request_id=request_id) is not None:
        _AGAIN.run(db, [(wait_id, now, worker_id, request_id)])
    elif wait_id:
        _NEW_WAIT.run(db, [(worker_id, request_id, wait_id, now)])


def _command(db: sa.Connection, worker_id: str) -> str | None:
    """What is wanted of a worker, None where it was never heard of: `run`, `quiet` or `terminate`."""
    found = _COMMAND.first(db, worker_id=worker_id)
    return None if found is None else str(found.wanted)


def _claim(
    db: sa.Connection, config: TaskManagerConfig, asked: ExchangeRequest, command: str, now: float
) -> Taken:
    if asked.claim is None or command != RUN:
        return Taken()
    held = still_held(db, asked.worker_id, asked.request_id, now) if asked.request_id is not None else []
    wanted = Wanted(
        worker_id=asked.worker_id,
        types=asked.claim.task_types,
        seconds=config.lease_seconds,
        most=min(asked.claim.max_tasks, MAX_TASKS),
        leased=True,
        request_id=asked.request_id,
    )
    return Taken(held) if held else take(db, wanted, now)
