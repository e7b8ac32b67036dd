"""Limits of the whole fleet: what they allow, what is left, pauses; and which task type uses which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import lanes, limits
from prismq_worker_sdk.taskmanager.app_state import LOOKS, admitted, caller_of, state_of
from prismq_worker_sdk.taskmanager.http import (
    Problem,
    Route,
    answer,
    body_of,
    json_text,
    must_be_task_type,
    read,
    takes,
)
from prismq_worker_sdk.taskmanager.routes.pauses import NewPause
from prismq_worker_sdk.taskmanager.rules import is_name

router = APIRouter(tags=["limits"], route_class=Route)
ANY = [Depends(admitted(*LOOKS))]
OF_TYPE = [Depends(admitted(*LOOKS, by_type=True))]
ADMIN = [Depends(admitted())]


@router.get("/limits", dependencies=ANY)
async def listed(request: Request) -> Response:
    """Limits by name: prefix, limit, cursor."""
    wanted = read(limits.LimitFilter, dict(request.query_params))
    found, cursor = await state_of(request).reader.run(lambda db, now: limits.listed(db, wanted, now))
    shown = [_seen(request, one) for one in found]
    return answer(json_text({"limits": shown, "next_cursor": cursor}))


@router.get("/limits/{name:path}", dependencies=ANY)
async def show(request: Request, name: str) -> Response:
    """A limit, and what is used of it."""
    found = await state_of(request).reader.run(lambda db, now: limits.shown(db, name, now))
    return answer(json_text(_seen(request, found)))


@router.put("/limits/{name:path}", dependencies=ADMIN, openapi_extra=takes(limits.NewLimit))
async def set_limit(request: Request, name: str) -> Response:
    """Makes a limit, or changes it while all goes on."""
    new, who = await body_of(request, limits.NewLimit), caller_of(request).name
    return await _changed(request, name, lambda db, now: limits.set_limit(db, name, new, who, now))


@router.delete("/limits/{name:path}", dependencies=ADMIN)
async def delete(request: Request, name: str) -> Response:
    """Takes a limit away."""
    who = caller_of(request).name
    return await _changed(request, name, lambda db, now: limits.delete(db, name, who, now))


@router.post("/limits/{name:path}/pause", dependencies=ADMIN, openapi_extra=takes(NewPause, needed=False))
async def pause(request: Request, name: str) -> Response:
    """Lets no task begin that uses it; one that is not there yet is made."""
    new, who = await body_of(request, NewPause, needed=False), caller_of(request).name
    return await _changed(
        request, name, lambda db, now: limits.pause(db, name, new.end(now), new.reason, who, now)
    )


@router.post("/limits/{name:path}/resume", dependencies=ADMIN)
async def resume(request: Request, name: str) -> Response:
    """Ends a pause."""
    who = caller_of(request).name
    return await _changed(request, name, lambda db, now: limits.resume(db, name, who, now))


@router.get("/task-types/{name}/limits", dependencies=OF_TYPE)
async def of_type(request: Request, name: str) -> Response:
    """What tasks of a type use; nothing, where nobody said so."""
    must_be_task_type(name)
    caller_of(request).must_use([name])
    found = await state_of(request).reader.run(lambda db, _now: lanes.uses_of_type(db, name))
    return answer(json_text({"limits": found}))


@router.put("/task-types/{name}/limits", dependencies=ADMIN, openapi_extra=takes(limits.TypeLimits))
async def set_type(request: Request, name: str) -> Response:
    """Says what tasks of a type use from now on, those that wait included; the type need not be registered."""
    must_be_task_type(name)
    new, who = await body_of(request, limits.TypeLimits), caller_of(request).name
    return await _changed(request, "-", lambda db, now: limits.set_type(db, name, new, who, now))


async def _changed(
    request: Request, name: str, change: Callable[[sa.Connection, float], dict[str, Any]]
) -> Response:
    """The answer to a change; who waits is told, since there may be room now."""
    if not is_name(name):
        raise Problem(422, "the name of a limit is 1 to 255 printable characters")
    state = state_of(request)
    found = await state.run(change)
    await state.waiting.look()
    return answer(json_text(found))


def _seen(request: Request, limit: Mapping[str, Any]) -> Mapping[str, Any]:
    """A limit as the caller may see it: a handler that pauses one may say a word of its payload."""
    return limit if caller_of(request).sees_payloads else {**limit, "pause_reason": None}
