"""What steers all tasks: schedules, limits and keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from prismq_worker_sdk.taskmanager import firing, keys, lanes, limits, queries, schedules
from prismq_worker_sdk.taskmanager.config import Scope
from prismq_worker_sdk.taskmanager.http import Problem, read
from prismq_worker_sdk.taskmanager.limits import LimitFilter
from prismq_worker_sdk.taskmanager.pages import words
from prismq_worker_sdk.taskmanager.pages.site import PageRoute, page
from prismq_worker_sdk.taskmanager.pages.viewers import Viewer

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/schedules")
async def of_schedules(request: Request, viewer: Viewer) -> Response:
    """Schedules in words, with their next times."""
    viewer.must_see_all()
    changed = request.query_params.get("change")

    def look(db: sa.Connection, now: float) -> Mapping[str, Any]:
        rows = schedules.listed(db)
        return {
            "schedules": [(row, _said(row), schedules.times_of(row, now)) for row in rows],
            "changed": next((row for row in rows if row.name == changed), None),
            "types": [row.name for row in queries.types(db)],
        }

    return await page(request, viewer, "schedules.html", look)


@router.get("/limits")
async def of_limits(request: Request, viewer: Viewer) -> Response:
    """Limits: what they allow, what is used, until when they are paused, and which types use them."""
    viewer.must_see_all()
    wanted = read(LimitFilter, {key: one for key, one in request.query_params.items() if one})

    def look(db: sa.Connection, now: float) -> Mapping[str, Any]:
        found, cursor = limits.listed(db, wanted, now)
        uses = lanes.all_uses(db)
        users: dict[str, list[str]] = {}
        for task_type, used in sorted(uses.items()):
            for one in used:
                users.setdefault(one.get("key") or "", []).append(task_type)
        return {
            "limits": found,
            "cursor": cursor,
            "prefix": wanted.prefix or "",
            "users": users,
        }

    return await page(request, viewer, "limits.html", look)


@router.get("/keys")
async def of_keys(request: Request, viewer: Viewer) -> Response:
    """Keys that there are or were."""
    if not viewer.acts:
        raise Problem(403, "this API key shows no keys; that takes one of scope admin")

    def look(db: sa.Connection, now: float) -> Mapping[str, Any]:
        shown = [
            (row, keys.view(row), row.expires_at is not None and row.expires_at <= now)
            for row in keys.listed(db)
        ]
        return {"keys": shown, "scopes": [one.value for one in Scope]}

    return await page(request, viewer, "keys.html", look)


def _said(row: Any) -> str:
    """When a schedule fires, in words."""
    if row.every is not None:
        return f"every {words.span(row.every)}"
    return f"{firing.explained(row.cron)}, {row.zone}"
