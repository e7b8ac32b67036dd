"""One task: what it is, how its attempts went, what its handlers logged, its children, and who did what to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from prismq_worker_sdk.taskmanager import audit, fan_in, queries, views
from prismq_worker_sdk.taskmanager.messages import TaskFilter
from prismq_worker_sdk.taskmanager.pages.site import PageRoute, page
from prismq_worker_sdk.taskmanager.pages.viewers import Viewer

router = APIRouter(route_class=PageRoute, include_in_schema=False)
LEVELS, CHILDREN = 3, 25
"""Of the tree of children that is shown, and those of one task."""
MOST_ATTEMPTS = 50
"""That are shown, the latest ones."""
MOST_SHOWN = 50_000
"""Characters of params, a result or a checkpoint: more would make a page of many MB."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claim of the task.

    Attributes:
        begin: Its place in the time of all attempts, from 0 to 1; so is `end`.
    """

    claim: Any
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Family:
    """The children of a task: how many there are, and the newest with their own."""

    counts: Mapping[str, int]
    children: Sequence[tuple[Any, Family | None]]

    @property
    def number(self) -> int:
        """Of all children."""
        return sum(self.counts.values())


@router.get("/tasks/{task_id}")
async def task(request: Request, viewer: Viewer, task_id: str) -> Response:
    """A task with everything that is known of it."""
    types = viewer.caller.types

    def look(db: sa.Connection, now: float) -> Mapping[str, Any]:
        row = queries.find(db, task_id, types=types)
        claims = queries.history(db, task_id)
        counts, unfinished, then = fan_in.looked_at(db, task_id)
        return {
            "task": views.columns(row, viewer.caller),
            "most_shown": MOST_SHOWN,
            "attempts": timeline(claims[-MOST_ATTEMPTS:], now),
            "attempts_before": max(0, len(claims) - MOST_ATTEMPTS),
            "family": _family(db, task_id, types, counts),
            "unfinished": unfinished,
            "then": then,
            "acts": audit.of_task(db, task_id),
        }

    return await page(request, viewer, "task.html", look)


def timeline(claims: Sequence[Any], now: float) -> list[Attempt]:
    """The claims with their places in the time from the first to the last, or to now; the latest first."""
    if not claims:
        return []
    first = claims[0].claimed_at
    whole = max((one.ended_at or now for one in claims), default=now) - first or 1.0
    return [
        Attempt(one, (one.claimed_at - first) / whole, ((one.ended_at or now) - first) / whole)
        for one in reversed(claims)
    ]


def _family(
    db: sa.Connection, task_id: str, types: Collection[str] | None, counts: Mapping[str, int], level: int = 1
) -> Family | None:
    if not any(counts.values()):
        return None
    rows, _cursor = queries.listed(db, TaskFilter(parent_id=task_id, limit=CHILDREN), types)
    return Family(
        counts,
        [
            (
                row,
                _family(db, row.id, types, fan_in.by_status(db, row.id), level + 1)
                if level < LEVELS
                else None,
            )
            for row in rows
        ],
    )
