"""Producing and looking (protocol.md, manage)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from prismq_worker_sdk.taskmanager import producing, transitions, views
from prismq_worker_sdk.taskmanager.config import Scope
from prismq_worker_sdk.taskmanager.desk import Desk, admitted
from prismq_worker_sdk.taskmanager.messages import NewTask, NewTaskType, TaskFilter, body_of, read
from prismq_worker_sdk.taskmanager.openapi import takes
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.rules import is_task_type

__all__ = ["router"]

router = APIRouter(tags=["manage"])
WORKER = [Depends(admitted(Scope.WORKER))]
PRODUCER = [Depends(admitted(Scope.PRODUCER))]
ANY = [Depends(admitted(Scope.PRODUCER, Scope.WORKER))]
ADMIN = [Depends(admitted())]


@router.post("/tasks", dependencies=PRODUCER, openapi_extra=takes(NewTask), status_code=201)
async def create(request: Request) -> Response:
    """Creates a task; 200 with the existing one where its dedupe key is taken."""
    desk: Desk = request.app.state.desk
    new = await body_of(request, NewTask)
    now = desk.now()
    row, fresh = await desk.run(lambda db: producing.create(db, desk.config, new, now))
    desk.waiting.notify()
    return JSONResponse(views.task(row), 201 if fresh else 200)


@router.get("/tasks", dependencies=ANY)
async def listed(request: Request) -> Response:
    """Tasks, newest first: status, type, worker_id, q, limit, cursor."""
    desk: Desk = request.app.state.desk
    wanted, now = read(TaskFilter, dict(request.query_params)), desk.now()
    rows, cursor = await desk.look(lambda db: producing.listed(db, wanted), settled=now)
    return JSONResponse({"tasks": [views.task(row) for row in rows], "next_cursor": cursor})


@router.get("/tasks/{task_id}", dependencies=ANY)
async def show(request: Request, task_id: str) -> Response:
    """A task with its history."""
    desk: Desk = request.app.state.desk
    now = desk.now()

    def look(db: sa.Connection) -> tuple[sa.Row[Any], list[sa.Row[Any]]]:
        return producing.find(db, task_id), producing.history(db, task_id)

    row, claims = await desk.look(look, settled=now)
    return JSONResponse(views.task(row, claims))


@router.post("/tasks/{task_id}/cancel", dependencies=ADMIN)
async def cancel(request: Request, task_id: str) -> Response:
    """Fails a pending task at once; asks for the end of a running one."""
    desk: Desk = request.app.state.desk
    now = desk.now()
    return JSONResponse(views.task(await desk.run(lambda db: transitions.cancel(db, task_id, now))))


@router.post("/tasks/{task_id}/retry", dependencies=ADMIN)
async def retry(request: Request, task_id: str) -> Response:
    """Makes a failed task pending again."""
    desk: Desk = request.app.state.desk
    row = await desk.run(lambda db: transitions.retry(db, task_id))
    desk.waiting.notify()
    return JSONResponse(views.task(row))


@router.put("/task-types/{name}", dependencies=WORKER, openapi_extra=takes(NewTaskType))
async def publish(request: Request, name: str) -> dict[str, Any]:
    """Registers a task type; a change that breaks producers is refused unless it is allowed to."""
    desk: Desk = request.app.state.desk
    if not is_task_type(name):
        raise Problem(
            422, f"{name!r} is no task type; write dotted names such as PrismQ.YouTube.ScrapeShorts"
        )
    new = await body_of(request, NewTaskType)
    await desk.apart(producing.check_schemas, new)
    now = desk.now()
    return views.task_type(await desk.run(lambda db: producing.publish(db, name, new, now)))


@router.get("/task-types", dependencies=ANY)
async def types(request: Request) -> dict[str, Any]:
    """The registered task types."""
    desk: Desk = request.app.state.desk
    return {"task_types": [views.task_type(row) for row in await desk.look(producing.types)]}


@router.get("/task-types/{name}", dependencies=ANY)
async def type_named(request: Request, name: str) -> dict[str, Any]:
    """A registered task type."""
    desk: Desk = request.app.state.desk
    return views.task_type(await desk.look(lambda db: producing.type_named(db, name)))


@router.get("/stats", dependencies=ANY)
async def stats(request: Request) -> dict[str, Any]:
    """Numbers for each task type."""
    desk: Desk = request.app.state.desk
    now = desk.now()
    return {"types": await desk.look(lambda db: producing.stats(db, now), settled=now)}


@router.get("/metrics", dependencies=ADMIN)
async def metrics(request: Request) -> Response:
    """The same for Prometheus."""
    desk: Desk = request.app.state.desk
    now = desk.now()
    found = await desk.look(lambda db: producing.stats(db, now), settled=now)
    return PlainTextResponse(views.prometheus(found), media_type="text/plain; version=0.0.4")
