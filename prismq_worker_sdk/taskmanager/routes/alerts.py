"""Alerts: looking at them, setting them, and trying out their webhooks."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import alerts
from prismq_worker_sdk.taskmanager.addresses import networks
from prismq_worker_sdk.taskmanager.alerts import NewAlert
from prismq_worker_sdk.taskmanager.app_state import admitted, noted, state_of
from prismq_worker_sdk.taskmanager.delivering import try_out
from prismq_worker_sdk.taskmanager.http import Route, answer, body_of, json_text, must_be_name, takes

router = APIRouter(tags=["alerts"], route_class=Route)
ADMIN = [Depends(admitted())]


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
    must_be_name(name)
    new = await body_of(request, NewAlert)
    new.check(networks(state_of(request).config.webhook_allow))
    found, is_new = await noted(request, lambda db, now: alerts.put(db, name, new, now), "set", "alert", name)
    return answer(json_text(found), 201 if is_new else 200)


@router.delete("/alerts/{name}", dependencies=ADMIN)
async def delete(request: Request, name: str) -> Response:
    """Takes an alert away."""
    found = await noted(request, lambda db, _now: alerts.delete(db, name), "delete", "alert", name)
    return answer(json_text(found))


@router.post("/alerts/{name}/test", dependencies=ADMIN)
async def test(request: Request, name: str) -> Response:
    """Tells the webhook now that this is a test, and says whether that went well."""
    error = await try_out(state_of(request), name)
    return answer(json_text({"delivered": error is None, "error": error}))
