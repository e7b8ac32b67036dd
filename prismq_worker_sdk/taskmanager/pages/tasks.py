"""The tasks of a filter, page by page, and what can be done to all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from prismq_worker_sdk.taskmanager import filters, queries, stats, views
from prismq_worker_sdk.taskmanager.app_state import state_of
from prismq_worker_sdk.taskmanager.db.statements import Statement
from prismq_worker_sdk.taskmanager.db.tables import workers
from prismq_worker_sdk.taskmanager.http import Problem, read
from prismq_worker_sdk.taskmanager.messages import TaskFilter
from prismq_worker_sdk.taskmanager.pages.site import Look, PageRoute, is_live, page
from prismq_worker_sdk.taskmanager.pages.viewers import Viewer

router = APIRouter(route_class=PageRoute, include_in_schema=False)
STATUSES = ("pending", "processing", "completed", "failed")
SPANS = {"5m": 300, "1h": 3600, "24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400}
"""What a filter offers as ages, in seconds."""
AGES = ("created", "ended")
TEXTS = ("type", "status", "q", "error_type", "error", "worker_id", "parent_id")
WALKED = ("q", "error", "error_type", "worker_id", *AGES)
"""Fields by which tasks are looked through one by one."""
MOST_OFFERED = 50
"""Values that are offered to complete a field with."""

_NEXT_ERROR = Statement("SELECT min(error_type) AS error_type FROM tasks WHERE error_type > :after")


@router.get("/tasks")
async def tasks(request: Request, viewer: Viewer) -> Response:
    """Tasks, newest first."""
    state, asked = state_of(request), dict(request.query_params)
    whole = not is_live(request)

    async def prepared() -> Look:
        found = (await state.stats.get(lambda: state.look_at_tasks(stats.look))).types if whole else {}
        return partial(look, [name for name in sorted(found) if viewer.caller.may_use(name)])

    def look(names: list[str], db: sa.Connection, now: float) -> Mapping[str, Any]:
        rows: list[Any] = []
        cursor, problem, wanted = None, None, {}
        try:
            wanted = filter_of(asked, now)
            limits = {"limit": 50, "cursor": asked.get("cursor") or None}
            those = read(TaskFilter, {**wanted, **limits})
            filters.must_be_seen(those, viewer.caller)
            rows, cursor = queries.listed(db, those, viewer.caller.types)
        except Problem as refused:
            problem = refused
        return {
            "asked": {**dict.fromkeys((*TEXTS, *AGES), ""), **asked},
            "tasks": [views.columns(row, viewer.caller) for row in rows],
            "older": cursor and "/tasks?" + urlencode({**asked, "cursor": cursor}),
            "newest": asked.get("cursor") and "/tasks?" + urlencode(_without(asked, "cursor")),
            "problem": problem,
            "wanted": json.dumps(wanted),
            "types": names,
            "statuses": STATUSES,
            "spans": tuple(SPANS),
            "error_types": _error_types(db) if whole and viewer.sees_all else [],
            "worker_ids": _worker_ids(db) if whole and viewer.sees_all else [],
        }

    return await page(request, viewer, "tasks.html", prepared, searches=any(map(asked.get, WALKED)))


def filter_of(asked: Mapping[str, str], now: float) -> dict[str, Any]:
    """The filter as the API takes it; a page says ages where the API says times.

    Raises:
        Problem: 422 an age is none of those that are offered.
    """
    found: dict[str, Any] = {name: asked[name] for name in TEXTS if asked.get(name)}
    for name in AGES:
        if span := asked.get(name):
            if span not in SPANS:
                raise Problem(422, f"{name} is one of {', '.join(SPANS)}, not {span[:100]!r}")
            found[f"{name}_after"] = views.instant(now - SPANS[span])
    return found


def _without(asked: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in asked.items() if key != name}


def _error_types(db: sa.Connection) -> list[str]:
    """The first of them, each found by one look into an index."""
    found: list[str] = []
    while len(found) < MOST_OFFERED:
        row = _NEXT_ERROR.first(db, after=found[-1] if found else "")
        if row is None or row.error_type is None:
            break
        found.append(row.error_type)
    return found


def _worker_ids(db: sa.Connection) -> list[str]:
    latest = sa.select(workers.c.worker_id).order_by(workers.c.last_seen.desc()).limit(MOST_OFFERED)
    return list(db.scalars(latest))
