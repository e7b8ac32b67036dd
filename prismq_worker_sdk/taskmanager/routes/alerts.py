"""Alerts: looking at them, setting them, and trying out their webhooks."""

from __future__ import annotations

import re

from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import alerts, audit
from prismq_worker_sdk.taskmanager.addresses import networks
from prismq_worker_sdk.taskmanager.alerts import NewAlert
from prismq_worker_sdk.taskmanager.app_state import admitted, caller_of, state_of
from prismq_worker_sdk.taskmanager.delivering import try_out
from prismq_worker_sdk.taskmanager.http import Problem, Route, answer, body_of, json_text, takes

router = APIRouter(tags=["alerts"], route_class=Route)
ADMIN = [Depends(admitted())]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")


@router.get("/alerts", dependencies=ADMIN)
async def listed(request: Request) -> Response:
    """The alerts, by name, with their states."""
    found = await state_of(request).reader.run(lambda db, _now: alerts.listed(db))
    return answer(json_text({"alerts": found}))


@router.get("/alerts/{name}", dependencies=ADMIN)
async def show(request: Request, name: str) -> Response:
    """An alert with its states."""
    found = await state_of(request).reader.run(lambda db, _now: alerts.shown(db, alerts.find(db, name)))
    return answer(json_text(found))


@router.put("/alerts/{name}", dependencies=ADMIN, openapi_extra=takes(NewAlert), status_code=201)
async def put(request: Request, name: str) -> Response:
    """Makes an alert, or changes one; the secret that is made for a new one is shown now only."""
    if not _NAME.fullmatch(name):
        raise Problem(422, f"{name[:200]!r} is no name; write up to 128 letters, digits, dots, - or _")
    state, new = state_of(request), await body_of(request, NewAlert)
    new.check(networks(state.config.webhook_allow))
    who = caller_of(request).name
    put_ = audit.noted(lambda db, now: alerts.put(db, name, new, now), who, "set", "alert", name)
    found, is_new = await state.run(put_)
    return answer(json_text(found), 201 if is_new else 200)


@router.delete("/alerts/{name}", dependencies=ADMIN)
async def delete(request: Request, name: str) -> Response:
    """Takes an alert away."""
    who = caller_of(request).name
    delete_ = audit.noted(lambda db, _now: alerts.delete(db, name), who, "delete", "alert", name)
    return answer(json_text(await state_of(request).run(delete_)))


@router.post("/alerts/{name}/test", dependencies=ADMIN)
async def test(request: Request, name: str) -> Response:
    """Tells the webhook now that this is a test, and says whether that went well."""
    error = await try_out(state_of(request), name)
    return answer(json_text({"delivered": error is None, "error": error}))
