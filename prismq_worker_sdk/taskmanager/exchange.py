"""One exchange: reports and renewals first, then a claim, inside the caller's transaction (PROTOCOL, exchange)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import ends, workers
from prismq_worker_sdk.taskmanager.claims import Wanted, still_held, take
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.messages import ExchangeRequest
from prismq_worker_sdk.taskmanager.reading import json_text
from prismq_worker_sdk.taskmanager.rules import MAX_TASKS


@dataclass(frozen=True, slots=True)
class Answer:
    """What an exchange is answered with.

    Attributes:
        tasks: Each as JSON text.
        command: What is wanted of the worker.
        freed: Not on the wire: how many tasks of which type can be had now by what was reported.
    """

    reports: list[dict[str, Any]] = field(default_factory=list)
    leases: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    command: str = workers.RUN
    freed: Counter[str] = field(default_factory=Counter)

    def text(self) -> str:
        """The answer on the wire."""
        return (
            f'{{"reports":{json_text(self.reports)},"leases":{json_text(self.leases)}'
            f',"tasks":[{",".join(self.tasks)}],"worker":"{self.command}"}}'
        )


def exchange(db: sa.Connection, config: TaskManagerConfig, asked: ExchangeRequest, now: float) -> Answer:
    """Applies everything, in this order."""
    command = workers.seen(db, asked.worker_id, now)
    verdicts, freed = ends.report(db, config, asked.reports, now)
    leases = ends.renew(db, config, asked.leases, now)
    return Answer(verdicts, leases, _claim(db, config, asked, command, now), command, freed)


def claim_only(
    db: sa.Connection, config: TaskManagerConfig, asked: ExchangeRequest, now: float
) -> Answer | None:
    """The claim alone, None when there is still nothing to say."""
    command = workers.command_for(db, asked.worker_id)
    tasks = _claim(db, config, asked, command, now)
    return None if not tasks and command == workers.RUN else Answer(tasks=tasks, command=command)


def _claim(
    db: sa.Connection, config: TaskManagerConfig, asked: ExchangeRequest, command: str, now: float
) -> list[str]:
    if asked.claim is None or command != workers.RUN:
        return []
    if asked.request_id is not None and (held := still_held(db, asked.worker_id, asked.request_id, now)):
        return held
    wanted = Wanted(
        worker_id=asked.worker_id,
        types=asked.claim.task_types,
        seconds=config.lease_seconds,
        most=min(asked.claim.max_tasks, MAX_TASKS),
        leased=True,
        request_id=asked.request_id,
    )
    return take(db, wanted, now)
