"""The base protocol: health, claim, complete, fail (protocol.md, base)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from prismq_worker_sdk.taskmanager import transitions, views
from prismq_worker_sdk.taskmanager.config import Scope
from prismq_worker_sdk.taskmanager.desk import Desk, admitted
from prismq_worker_sdk.taskmanager.messages import (
    ClaimRequest,
    CompleteRequest,
    FailRequest,
    body_of,
    json_text,
)
from prismq_worker_sdk.taskmanager.openapi import takes
from prismq_worker_sdk.taskmanager.routes_exchange import announced
from prismq_worker_sdk.version import __version__

__all__ = ["router"]

router = APIRouter(tags=["base"])
WORKER = [Depends(admitted(Scope.WORKER))]


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health(request: Request) -> dict[str, Any]:
    """Whether the server works, who it is, and what it can do; takes no key."""
    desk: Desk = request.app.state.desk
    return {
        "status": "healthy",
        "server": {"name": "prismq-taskmanager", "version": __version__, "instance": desk.instance},
        "time": views.instant(desk.now()),
        "capabilities": {"exchange": announced(desk), "manage": True},
    }


@router.post("/tasks/claim", dependencies=WORKER, openapi_extra=takes(ClaimRequest))
async def claim(request: Request) -> Response:
    """Hands out one task of these types; null when there is none."""
    desk: Desk = request.app.state.desk
    asked = await body_of(request, ClaimRequest)
    now = desk.now()
    row = await desk.run(
        lambda db: transitions.claim(db, desk.config, asked.worker_id, asked.task_types, now)
    )
    return JSONResponse(None if row is None else views.task(row))


@router.post("/tasks/{task_id}/complete", dependencies=WORKER, openapi_extra=takes(CompleteRequest))
async def complete(request: Request, task_id: str) -> dict[str, str]:
    """Takes the result of a task that this worker holds."""
    desk: Desk = request.app.state.desk
    said = await body_of(request, CompleteRequest)
    result, now = json_text(said.result), desk.now()
    await desk.run(lambda db: transitions.complete(db, task_id, said.worker_id, result, now))
    return {"status": "success"}


@router.post("/tasks/{task_id}/fail", dependencies=WORKER, openapi_extra=takes(FailRequest))
async def fail(request: Request, task_id: str) -> dict[str, str]:
    """Takes the failure of an attempt that this worker holds."""
    desk: Desk = request.app.state.desk
    said = await body_of(request, FailRequest)
    now = desk.now()
    await desk.run(lambda db: transitions.fail(db, desk.config, task_id, said.worker_id, said.error, now))
    desk.waiting.notify()
    return {"status": "success"}
