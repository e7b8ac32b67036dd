"""Schedules: looking at them, setting them, and steering them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import schedules, views
from prismq_worker_sdk.taskmanager.app_state import LOOKS, admitted, caller_of, noted, state_of
from prismq_worker_sdk.taskmanager.config import Scope
from prismq_worker_sdk.taskmanager.http import Problem, Route, answer, body_of, json_text, must_be_name, takes
from prismq_worker_sdk.taskmanager.schedules import NewSchedule

router = APIRouter(tags=["schedules"], route_class=Route)
PRODUCER = [Depends(admitted(Scope.PRODUCER))]
ANY = [Depends(admitted(*LOOKS))]
STEERING = {"pause": schedules.pause, "resume": schedules.resume}


@router.get("/schedules", dependencies=ANY)
async def listed(request: Request) -> Response:
    """The schedules, by name."""
    rows = await state_of(request).reader.run(lambda db, _now: schedules.listed(db))
    return answer(json_text({"schedules": [_shown(request, row) for row in rows]}))


@router.get("/schedules/{name}", dependencies=ANY)
async def show(request: Request, name: str) -> Response:
    """A schedule with its next times."""

    def look(db: sa.Connection, now: float) -> tuple[Any, list[float]]:
        row = schedules.find(db, name)
        return row, schedules.times_of(row, now)

    row, times = await state_of(request).reader.run(look)
    return answer(json_text(_shown(request, row) | {"next_times": [views.instant(at) for at in times]}))


@router.put(
    "/schedules/{name:path}", dependencies=PRODUCER, openapi_extra=takes(NewSchedule), status_code=201
)
async def put(request: Request, name: str) -> Response:
    """Makes a schedule, or changes one; what is left out is the default."""
    must_be_name(name)
    new = await body_of(request, NewSchedule)
    new.timing(state_of(request).now())
    row, is_new = await noted(
        request, lambda db, now: schedules.put(db, name, new, now), "set", "schedule", name
    )
    return answer(json_text(views.schedule(row)), 201 if is_new else 200)


@router.delete("/schedules/{name}", dependencies=PRODUCER)
async def delete(request: Request, name: str) -> Response:
    """Takes a schedule away; its tasks stay."""
    row = await noted(request, lambda db, now: schedules.delete(db, name, now), "delete", "schedule", name)
    return answer(json_text(views.schedule(row)))


@router.post("/schedules/{name}/run", dependencies=PRODUCER, status_code=201)
async def run(request: Request, name: str) -> Response:
    """Makes a task of it now; its next time stays."""
    state = state_of(request)
    task = await noted(
        request, lambda db, now: schedules.run_now(db, state.config, name, now), "run", "schedule", name
    )
    state.waiting.notify({task["type"]: 1})
    return answer(views.task(task), 201)


@router.post("/schedules/{name}/{action}", dependencies=PRODUCER)
async def steer(request: Request, name: str, action: str) -> Response:
    """Pause: fires no more; resume: fires again, from its next time on."""
    if action not in STEERING:
        raise Problem(404, f"a schedule can be told pause, resume or run, not {action}")
    act = STEERING[action]
    row = await noted(request, lambda db, now: act(db, name, now), action, "schedule", name)
    return answer(json_text(views.schedule(row)))


def _shown(request: Request, row: Any) -> dict[str, Any]:
    return views.schedule(row, payloads=caller_of(request).sees_payloads)
