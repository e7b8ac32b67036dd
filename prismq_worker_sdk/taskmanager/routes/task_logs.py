"""What handlers logged."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import task_logs
from prismq_worker_sdk.taskmanager.app_state import LOOKS, admitted, caller_of, state_of
from prismq_worker_sdk.taskmanager.http import answer, json_text, read
from prismq_worker_sdk.taskmanager.short_ids import TaskRoute

router = APIRouter(tags=["logs"], route_class=TaskRoute)


@router.get("/tasks/{task_id}/logs", dependencies=[Depends(admitted(*LOOKS, by_type=True))])
async def logs(request: Request, task_id: str) -> Response:
    """What its handlers logged, oldest first: attempt, limit, cursor."""
    wanted = read(task_logs.LogFilter, dict(request.query_params))
    caller_of(request).must_see_payloads("shows no logs")
    types = caller_of(request).types
    found = await state_of(request).reader.run(lambda db, _now: task_logs.page(db, task_id, wanted, types))
    return answer(json_text(found))
