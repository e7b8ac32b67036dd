"""Who did what, and when."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import audit, views
from prismq_worker_sdk.taskmanager.app_state import admitted, state_of
from prismq_worker_sdk.taskmanager.http import Route, answer, json_text, read

router = APIRouter(tags=["audit"], route_class=Route)


@router.get("/audit", dependencies=[Depends(admitted())])
async def listed(request: Request) -> Response:
    """Acts, newest first: kind, target, who, limit, cursor."""
    wanted = read(audit.AuditFilter, dict(request.query_params))
    rows, cursor = await state_of(request).reader.run(lambda db, _now: audit.listed(db, wanted))
    return answer(json_text({"audit": [views.act(row) for row in rows], "next_cursor": cursor}))
