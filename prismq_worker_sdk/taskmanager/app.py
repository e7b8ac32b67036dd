"""The TaskManager as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from starlette.exceptions import HTTPException

from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.system import SystemClock
from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.bulk import GO_ON
from prismq_worker_sdk.taskmanager.chores import FORGET_OLD_LOCKS, Chore, done_by_themselves
from prismq_worker_sdk.taskmanager.claims import extend_leases_after_restart
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.counting import COUNT_ENDS
from prismq_worker_sdk.taskmanager.db.database import connect, in_memory
from prismq_worker_sdk.taskmanager.db.migrate import instance_of
from prismq_worker_sdk.taskmanager.db.transactions import Reader, Unsure, Writer
from prismq_worker_sdk.taskmanager.delivering import DELIVER, LOOK_AT_ALERTS, NOTE_CLAIMANTS
from prismq_worker_sdk.taskmanager.http import Problem, Route
from prismq_worker_sdk.taskmanager.listening import PREFIX
from prismq_worker_sdk.taskmanager.pages import PAGES, Answers
from prismq_worker_sdk.taskmanager.rarely import Rarely
from prismq_worker_sdk.taskmanager.retention import DELETE_OLD
from prismq_worker_sdk.taskmanager.routes import (
    alerts,
    audit,
    bulk,
    fan_in,
    keys,
    limits,
    manage,
    pauses,
    probes,
    schedules,
    stats,
    steering,
    task_logs,
    worker,
)
from prismq_worker_sdk.taskmanager.schedules import FIRE_SCHEDULES
from prismq_worker_sdk.version import __version__

PARTS = (  # a request looks for its route in this order
    worker,
    bulk,
    manage,
    alerts,
    limits,
    steering,
    pauses,
    schedules,
    stats,
    task_logs,
    audit,
    fan_in,
    keys,
)
CHORES = (
    FORGET_OLD_LOCKS,
    FIRE_SCHEDULES,
    DELETE_OLD,
    GO_ON,
    COUNT_ENDS,
    NOTE_CLAIMANTS,
    LOOK_AT_ALERTS,
    DELIVER,
    Chore("look at the keys", 1.0, AppState.look_at_keys),
    Chore("note when keys were used", 5.0, AppState.note_key_uses),
)
TELL_EVERY = 10.0
"""Seconds between two words of the log about a database that fails in the same way."""
_LOG = logging.getLogger("prismq.taskmanager")


def create_app(
    config: TaskManagerConfig, *, clock: Clock | None = None, chores: Sequence[Chore] = CHORES
) -> FastAPI:
    """The application; its database is opened now, and closed when the application ends.

    Args:
        clock: Time; the machine's, or the database server's, unless given.
        chores: What it does by itself.

    Raises:
        SettingsError: The database cannot be used.
    """
    database = connect(config.url, None if clock is None else lambda: clock.utc().timestamp())
    instance, writer = instance_of(database.writing), Writer(database)
    reader = writer if in_memory(config.url) else Reader(database)
    state = AppState(config, clock or SystemClock(), database, writer, reader, instance)
    if (danger := database.danger()) is not None:
        _LOG.warning("%s", danger)
    with database.writing.begin() as db:
        extend_leases_after_restart(db, database.now(db) + config.lease_seconds)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with done_by_themselves(chores, state):
            yield
        state.close()
        database.close()

    app = FastAPI(
        title="PrismQ TaskManager",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
    )
    app.state.taskmanager, app.state.pages, app.state.told = state, Answers(), Rarely(TELL_EVERY)
    app.state.probe = probes.DatabaseProbe()
    for part in PARTS:
        app.include_router(part.router, prefix=PREFIX)
    app.include_router(probes.router)
    for router in PAGES:
        app.include_router(router)
    for kind in (Problem, HTTPException, DBAPIError, Unsure, Exception):
        app.add_exception_handler(kind, _refused)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    match error:
        case Problem():
            return error.answer()
        case HTTPException(status_code=status):
            detail = {
                404: f"there is no {request.url.path} here",
                405: f"{request.method} is not for {request.url.path}",
            }
            headers = {"Allow": _allowed(request)} if status == 405 else error.headers  # noqa: PLR2004
            return Problem(status, detail.get(status, str(error))).answer(headers)
        case Unsure():
            _LOG.error("the database went away during a commit: %s", error)
            text = "the database went away while this was stored; whether it was is not known: send it again"
            return Problem(503, text).answer({"Retry-After": "1"})
        case OperationalError() | InternalError() | InterfaceError():
            if request.app.state.told.is_due(str(error.orig)):
                _LOG.error("the database failed: %s", error.orig)
            text = "the database cannot be used now; nothing was stored, try again"
            return Problem(503, text).answer({"Retry-After": "1"})
    _LOG.error("a request failed", exc_info=error)
    closing = {"Connection": "close"}  # uvicorn closes it after an error, so nobody may send more
    return Problem(500, "the server failed at this request; its log says why").answer(closing)


def _allowed(request: Request) -> str:
    """The methods of all routes of a path; Starlette names those of the first."""
    path = request.url.path.removeprefix(PREFIX)
    routes = (route for part in PARTS for route in part.router.routes if isinstance(route, Route))
    return ", ".join(
        sorted({one for route in routes if route.path_regex.match(path) for one in route.methods or ()})
    )
