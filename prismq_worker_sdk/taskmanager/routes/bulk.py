"""What is done to many tasks at once."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import bulk, views
from prismq_worker_sdk.taskmanager.app_state import admitted, caller_of, noted, state_of
from prismq_worker_sdk.taskmanager.bulk import BulkRequest
from prismq_worker_sdk.taskmanager.http import Route, answer, body_of, json_text, takes

router = APIRouter(tags=["bulk"], route_class=Route)
ADMIN = [Depends(admitted())]


@router.post("/tasks/bulk", dependencies=ADMIN, openapi_extra=takes(BulkRequest), status_code=201)
async def begin(request: Request) -> Response:
    """Begins to do something to all tasks of a filter; with dry_run it says of how many only."""
    state, who = state_of(request), caller_of(request).name
    asked = await body_of(request, BulkRequest)
    bulk.check(asked)
    counted = await state.search(lambda db, now: bulk.count(db, asked, now))
    if asked.dry_run:
        return answer(json_text({"found": counted.number}))
    job = await state.run(lambda db, _now: bulk.begin(db, asked, who, counted))
    return answer(json_text(views.bulk_job(job)), 201)


@router.get("/tasks/bulk", dependencies=ADMIN)
async def listed(request: Request) -> Response:
    """The latest jobs."""
    rows = await state_of(request).reader.run(lambda db, _now: bulk.listed(db))
    return answer(json_text({"jobs": [views.bulk_job(row) for row in rows]}))


@router.get("/tasks/bulk/{job_id}", dependencies=ADMIN)
async def show(request: Request, job_id: str) -> Response:
    """How far a job has come."""
    job = await state_of(request).reader.run(lambda db, _now: bulk.job_named(db, job_id))
    return answer(json_text(views.bulk_job(job)))


@router.delete("/tasks/bulk/{job_id}", dependencies=ADMIN)
async def stop(request: Request, job_id: str) -> Response:
    """Ends a job where it is; what it has done stays."""
    job = await noted(request, lambda db, now: bulk.stop(db, job_id, now), "stop", "bulk", job_id)
    return answer(json_text(views.bulk_job(job)))
