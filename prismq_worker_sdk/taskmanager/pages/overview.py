"""The first page: what each task type does now, and whether all is well."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from prismq_worker_sdk.taskmanager import alerts, lanes, limits, pauses, stats
from prismq_worker_sdk.taskmanager.app_state import state_of
from prismq_worker_sdk.taskmanager.limits import LimitFilter
from prismq_worker_sdk.taskmanager.pages.site import Look, PageRoute, page
from prismq_worker_sdk.taskmanager.pages.viewers import Viewer

router = APIRouter(route_class=PageRoute, include_in_schema=False)
RULES = {"failures": "too many fail", "oldest": "waits too long", "no_worker": "no worker claims it"}
"""What each rule of an alert says."""


@router.get("/")
async def overview(request: Request, viewer: Viewer) -> Response:
    """Types with what waits and runs, what ended in the last hour, pauses, limits, alerts that hold."""
    state = state_of(request)

    async def numbers() -> Look:
        return partial(look, await state.stats.get(lambda: state.look_at_tasks(stats.look)))

    def look(found: stats.Stats, db: sa.Connection, now: float) -> Mapping[str, Any]:
        paused, uses = pauses.standing(db, now), lanes.all_uses(db)
        types = {name: one for name, one in sorted(found.types.items()) if viewer.caller.may_use(name)}
        ends = stats.ends_by_minute(db, now)
        standing = limits.listed(db, LimitFilter(limit=1000), now)[0] if viewer.sees_all else []
        firing = [one for one in alerts.listed(db) if _fires(one)] if viewer.sees_all else []
        return {
            "at": found.at,
            "types": types,
            "total": stats.total(types.values()),
            "most": max((one["queued"] + one["running"] for one in types.values()), default=0),
            "workers": found.workers,
            "paused": paused,
            "ends": ends,
            "uses": uses,
            "limits": {one["name"]: one for one in standing},
            "alerts": firing,
            "rules": RULES,
        }

    return await page(request, viewer, "overview.html", numbers)


def _fires(alert: Mapping[str, Any]) -> bool:
    return any(one["state"] == "firing" for one in alert["states"])
