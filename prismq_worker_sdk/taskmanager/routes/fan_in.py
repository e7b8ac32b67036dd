"""The children of a task: which they are, how many have ended, and what follows them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from prismq_worker_sdk.taskmanager import fan_in, filters, queries, views
from prismq_worker_sdk.taskmanager.app_state import LOOKS, admitted, caller_of, state_of
from prismq_worker_sdk.taskmanager.http import answer, json_text, read
from prismq_worker_sdk.taskmanager.messages import TaskFilter
from prismq_worker_sdk.taskmanager.short_ids import TaskRoute

router = APIRouter(tags=["fan_in"], route_class=TaskRoute)


class ChildFilter(TaskFilter):
    """The query of `GET /tasks/{id}/children`; 0 for the numbers alone."""

    limit: int = Field(50, ge=0, le=500)


@router.get("/tasks/{task_id}/children", dependencies=[Depends(admitted(*LOOKS, by_type=True))])
async def children(request: Request, task_id: str) -> Response:
    """The children of a task, newest first; its status, their number by status, and the task that follows them."""
    wanted = read(ChildFilter, dict(request.query_params)).model_copy(update={"parent_id": task_id})
    caller = caller_of(request)
    types = caller.types
    filters.must_be_seen(wanted, caller)

    def look(db: sa.Connection, _now: float) -> tuple[Any, ...]:
        status = queries.find(db, task_id, types=types).status
        page = queries.listed(db, wanted, types) if wanted.limit else ((), None)
        return status, *page, *fan_in.looked_at(db, task_id)

    status, rows, cursor, counts, unfinished, found = await state_of(request).look_at_tasks(look)
    then = None if found is None else {"type": found.type, "task_id": found.task_id}
    shown = ",".join(views.task(views.columns(row, caller)) for row in rows)
    more = {"next_cursor": cursor, "status": status, "counts": counts, "open": unfinished, "then": then}
    return answer(f'{{"tasks":[{shown}],{json_text(more)[1:]}')
