"""A new task: a form made from the schema of its type, empty or with what another task had."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from prismq_worker_sdk.taskmanager import queries
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.pages.forms import fields_of, fits_fields
from prismq_worker_sdk.taskmanager.pages.site import PageRoute, page
from prismq_worker_sdk.taskmanager.pages.viewers import Viewer

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/submit")
async def submit(request: Request, viewer: Viewer) -> Response:
    """The form of a type, which is chosen first."""
    if not viewer.submits:
        raise Problem(403, "this API key creates no tasks; that takes one of scope producer or admin")
    chosen, source = request.query_params.get("type", ""), request.query_params.get("from")
    types = viewer.caller.types

    def look(db: sa.Connection, _now: float) -> Mapping[str, Any]:
        origin = None if source is None else queries.find(db, source, types=types)
        name = chosen or (origin.type if origin else "")
        known = None if not name else queries.TASK_TYPE.first(db, name=name)
        params = json.loads(origin.params) if origin is not None and origin.type == name else {}
        fields = [] if known is None else fields_of(json.loads(known.param_schema), params)
        return {
            "types": [row.name for row in queries.types(db) if viewer.caller.may_use(row.name)],
            "name": name,
            "known": known,
            "origin": origin,
            "fields": fields,
            "as_json": not fields or not fits_fields(fields, params),
            "params": json.dumps(params, indent=2, ensure_ascii=False),
        }

    return await page(request, viewer, "submit.html", look)
