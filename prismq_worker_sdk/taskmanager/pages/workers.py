"""Who works: what each worker runs, what it says of itself, and why it takes nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from prismq_worker_sdk.taskmanager import workers
from prismq_worker_sdk.taskmanager.idle import SILENT
from prismq_worker_sdk.taskmanager.pages.site import PageRoute, page
from prismq_worker_sdk.taskmanager.pages.viewers import Viewer

router = APIRouter(route_class=PageRoute, include_in_schema=False)
MOST_SHOWN = 50
"""Workers of a page, those heard of last."""
MOST_TASKS, MOST_TYPES = 10, 20
"""Of a worker, that are shown."""


@router.get("/workers")
async def of_workers(request: Request, viewer: Viewer) -> Response:
    """Those that are here by their ids, so that none moves; then those that are not, the one heard of last first."""
    viewer.must_see_all()
    part = request.query_params.get("id", "")

    def look(db: sa.Connection, now: float) -> Mapping[str, Any]:
        found = workers.listed(db, now, MOST_SHOWN, part=part, reasons=viewer.caller.sees_payloads)
        here = [one for one in found if now - one.last_seen <= SILENT]
        return {
            "workers": [*sorted(here, key=lambda one: one.worker_id), *found[len(here) :]],
            "here": len(here),
            "number": workers.number(db),
            "part": part,
            "most_tasks": MOST_TASKS,
            "most_types": MOST_TYPES,
        }

    return await page(request, viewer, "workers.html", look)
