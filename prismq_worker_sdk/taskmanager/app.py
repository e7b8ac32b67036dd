"""The TaskManager as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.system import SystemClock
from prismq_worker_sdk.taskmanager import routes_manage, routes_worker
from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.claims import extend_leases_after_restart
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.database import (
    Reader,
    Writer,
    connect,
    connect_reading,
    in_memory,
    instance_of,
)
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.version import __version__

PREFIX = "/api"
_LOG = logging.getLogger("prismq.taskmanager")


def create_app(config: TaskManagerConfig, *, clock: Clock | None = None) -> FastAPI:
    """The application; its database is opened now, and closed when the application ends.

    Args:
        clock: Time; the machine's unless given.

    Raises:
        SettingsError: The database cannot be used.
    """
    engine = connect(config.url)
    instance, writer = instance_of(engine), Writer(engine)
    reader = writer if in_memory(config.url) else Reader(connect_reading(config.url))
    state = AppState(config, clock or SystemClock(), writer, reader, instance)
    with engine.begin() as db:
        extend_leases_after_restart(db, state.now() + config.lease_seconds)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        state.close()
        engine.dispose()

    app = FastAPI(
        title="PrismQ TaskManager",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
    )
    app.state.taskmanager = state
    app.include_router(routes_worker.router, prefix=PREFIX)
    app.include_router(routes_manage.router, prefix=PREFIX)
    for kind in (Problem, HTTPException, OperationalError, Exception):
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
            return Problem(status, detail.get(status, str(error))).answer(error.headers)
        case OperationalError():
            _LOG.error("the database failed: %s", error.orig)
            text = "the database cannot be used now; nothing was stored, try again"
            return Problem(503, text).answer({"Retry-After": "1"})
    _LOG.error("a request failed", exc_info=error)
    closing = {"Connection": "close"}  # uvicorn closes it after an error, so nobody may send more
    return Problem(500, "the server failed at this request; its log says why").answer(closing)
