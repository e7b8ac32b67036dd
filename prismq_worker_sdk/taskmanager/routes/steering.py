"""What operators do to single tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import audit, deleting, queries, steering, views
from prismq_worker_sdk.taskmanager.app_state import admitted, caller_of, noted, state_of
from prismq_worker_sdk.taskmanager.db.statements import Lock
from prismq_worker_sdk.taskmanager.http import Problem, answer, body_of, json_text, takes
from prismq_worker_sdk.taskmanager.messages import MAX_DELAY, Delay, Instant, Priority, StrictMessage
from prismq_worker_sdk.taskmanager.short_ids import TaskRoute

router = APIRouter(tags=["bulk"], route_class=TaskRoute)
ADMIN = [Depends(admitted())]


class TaskChange(StrictMessage):
    """`PATCH /tasks/{id}`; what is not said stays."""

    priority: Priority | None = None
    not_before: Instant | None = None
    delay_seconds: Delay = None

    def values(self, now: float) -> dict[str, Any]:
        """The columns that change.

        Raises:
            Problem: 422 nothing is said, two times are, or one that is too far off.
        """
        found: dict[str, Any] = {} if self.priority is None else {"priority": self.priority}
        if {"not_before", "delay_seconds"} <= self.model_fields_set:
            raise Problem(422, "not_before and delay_seconds both say when; send one of them")
        if "not_before" in self.model_fields_set:
            if self.not_before is not None and self.not_before > now + MAX_DELAY:
                raise Problem(422, "not_before is more than 366 days off; send an earlier time")
            found["not_before"] = self.not_before
        if self.delay_seconds is not None:
            found["not_before"] = now + self.delay_seconds
        if not found:
            raise Problem(422, "nothing is to be changed; send priority, not_before or delay_seconds")
        return found


@router.patch("/tasks/{task_id}", dependencies=ADMIN, openapi_extra=takes(TaskChange))
async def change(request: Request, task_id: str) -> Response:
    """Changes priority or time of a pending task."""
    asked = await body_of(request, TaskChange)

    def changed(db: sa.Connection, now: float) -> Any:
        return steering.change(db, task_id, asked.values(now), now)

    said = asked.model_dump(exclude_unset=True)
    return await _steered(request, "change", changed, task_id, said)


@router.post("/tasks/{task_id}/expedite", dependencies=ADMIN)
async def expedite(request: Request, task_id: str) -> Response:
    """Lets a pending task be the next one of its type, at once."""
    return await _steered(
        request, "expedite", lambda db, now: steering.expedite(db, task_id, now), task_id, None
    )


@router.delete("/tasks/{task_id}", dependencies=ADMIN)
async def delete(request: Request, task_id: str) -> Response:
    """Deletes a task that does not run, with its claims and logs."""
    state, who = state_of(request), caller_of(request).name

    def deleted(db: sa.Connection, now: float) -> Counter[str]:
        row = queries.find(db, task_id, Lock.WAIT)
        if row.status == "processing":
            raise Problem(409, f"task {task_id} runs; cancel it, and delete it once it has ended")
        if not deleting.those_to_delete(db, [row]):
            raise Problem(
                409,
                f"task {row.parent_id}, its parent, has not completed and may create it again by its dedupe key; "
                "delete that first",
            )
        audit.note(db, who, "delete", "task", task_id, {"type": row.type, "status": row.status}, now)
        return deleting.delete(db, [row], now)

    state.waiting.notify(await state.run(deleted))
    return answer(json_text({"status": "success"}))


async def _steered(
    request: Request,
    action: str,
    steer: Callable[[sa.Connection, float], Any],
    task_id: str,
    detail: dict[str, Any] | None,
) -> Response:
    """The task as it is now; a claim that waits may have it."""
    row = await noted(request, steer, action, "task", task_id, detail)
    if not row.postponed:
        state_of(request).waiting.notify({row.type: 1})
    return answer(views.task(row._asdict()))
