"""Pausing a task type for the whole fleet."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from prismq_worker_sdk.taskmanager import audit, pauses, views
from prismq_worker_sdk.taskmanager.app_state import admitted, caller_of, state_of
from prismq_worker_sdk.taskmanager.http import (
    Problem,
    Route,
    answer,
    body_of,
    json_text,
    must_be_task_type,
    takes,
)
from prismq_worker_sdk.taskmanager.messages import Delay, Instant, StrictMessage

router = APIRouter(tags=["bulk"], route_class=Route)
ADMIN = [Depends(admitted())]


class NewPause(StrictMessage):
    """`POST /task-types/{name}/pause`; without both times it lasts until it is resumed."""

    until: Instant | None = None
    seconds: Delay = None
    reason: str | None = Field(None, max_length=2000)

    def end(self, now: float) -> float | None:
        """When it ends, seconds since 1970.

        Raises:
            Problem: 422 it would be over, or both times were given.
        """
        if self.until is not None and self.seconds is not None:
            raise Problem(422, "until and seconds both say when the pause ends; send one of them")
        if self.until is not None and self.until <= now:
            raise Problem(422, "until is over already; send a later time")
        return self.until if self.seconds is None else now + self.seconds


@router.post("/task-types/{name}/pause", dependencies=ADMIN, openapi_extra=takes(NewPause, needed=False))
async def pause(request: Request, name: str) -> Response:
    """Lets no task of the type be claimed, registered or not: waiting tasks stay, running ones go on."""
    new = await body_of(request, NewPause, needed=False)
    return await _changed(request, name, new)


@router.post("/task-types/{name}/resume", dependencies=ADMIN)
async def resume(request: Request, name: str) -> Response:
    """Lets tasks of the type be claimed again."""
    return await _changed(request, name, None)


async def _changed(request: Request, name: str, new: NewPause | None) -> Response:
    must_be_task_type(name)
    state, who = state_of(request), caller_of(request).name

    def change(db: sa.Connection, now: float) -> str:
        if new is None:
            pauses.resume(db, name, now)
            audit.note(db, who, "resume", "type", name, None, now)
        else:
            until = new.end(now)
            pauses.pause(db, name, until, new.reason, who, now)
            said = {"until": views.instant(until), "reason": new.reason}
            audit.note(db, who, "pause", "type", name, said, now)
        return json_text({"name": name, "paused": views.pause(pauses.standing(db, now).get(name))})

    text = await state.run(change)
    if new is None:
        state.waiting.notify({name: 1})
    return answer(text)
