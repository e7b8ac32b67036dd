"""The TaskManager as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
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
from prismq_worker_sdk.taskmanager.problems import Problem, answer_problem
from prismq_worker_sdk.version import __version__

PREFIX = "/api"
RETRY_SOON = {"Retry-After": "1"}
_LOG = logging.getLogger("prismq.taskmanager")


def create_app(config: TaskManagerConfig, *, clock: Clock | None = None) -> FastAPI:
    """The application; its database is opened now, and closed when the application ends.

    Args:
        clock: Time; the machine's unless given.

    Raises:
        SettingsError: The database cannot be used.
    """
    engine = connect(config.url)
    instance = instance_of(engine)
    writer = Writer(engine)
    reader = None if in_memory(config.url) else Reader(connect_reading(config.url))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        state.checkers.shutdown(wait=False, cancel_futures=True)
        if reader is not None:
            reader.close()
        writer.close()
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
    state = AppState(config, clock or SystemClock(), writer, reader or writer, instance)
    app.state.taskmanager = state
    with engine.begin() as db:
        extend_leases_after_restart(db, state.now() + config.lease_seconds)
    app.include_router(routes_worker.router, prefix=PREFIX)
    app.include_router(routes_manage.router, prefix=PREFIX)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _no_database)
    app.add_exception_handler(Exception, _unexpected)
    return app


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    return answer_problem(error if isinstance(error, Problem) else Problem(500, str(error)))


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = {
        404: f"there is no {request.url.path} here",
        405: f"{request.method} is not for {request.url.path}",
    }
    headers = error.headers if isinstance(error, HTTPException) else None
    return answer_problem(Problem(status, detail.get(status, str(error))), headers)


async def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    _LOG.error("a request failed", exc_info=error)
    closing = {"Connection": "close"}  # uvicorn closes it after an error, so nobody may send more
    return answer_problem(Problem(500, "the server failed at this request; its log says why"), closing)


async def _no_database(_request: Request, error: Exception) -> JSONResponse:
    _LOG.error("the database failed: %s", error.orig if isinstance(error, OperationalError) else error)
    return answer_problem(
        Problem(503, "the database cannot be used now; nothing was stored, try again"), RETRY_SOON
    )
