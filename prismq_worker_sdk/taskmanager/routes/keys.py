"""API keys: made, listed, revoked by admins; the text of a key is shown once."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import keys
from prismq_worker_sdk.taskmanager.app_state import admitted, caller_of, state_of
from prismq_worker_sdk.taskmanager.http import Route, answer, body_of, json_text, takes

router = APIRouter(tags=["keys"], route_class=Route)
ADMIN = [Depends(admitted())]


@router.get("/keys", dependencies=ADMIN)
async def listed(request: Request) -> Response:
    """Every key of the database that there is or was, by name."""
    rows = await state_of(request).reader.run(lambda db, _now: keys.listed(db))
    return answer(json_text({"keys": [keys.view(row) for row in rows]}))


@router.post("/keys", dependencies=ADMIN, openapi_extra=takes(keys.NewKey), status_code=201)
async def create(request: Request) -> Response:
    """Makes a key; its text is in this answer only."""
    state, who = state_of(request), caller_of(request).name
    new = await body_of(request, keys.NewKey)
    row, text = await state.run(lambda db, now: keys.create(db, new, who, now))
    await state.look_at_keys()
    return answer(json_text(keys.view(row, text)), 201)


@router.delete("/keys/{key_id:path}", dependencies=ADMIN)
async def revoke(request: Request, key_id: str) -> Response:
    """Ends a key for ever, by its id or name; other processes follow within 2 s."""
    state, who = state_of(request), caller_of(request).name
    row = await state.run(lambda db, now: keys.revoke(db, key_id, who, now))
    await state.look_at_keys()
    return answer(json_text(keys.view(row)))
