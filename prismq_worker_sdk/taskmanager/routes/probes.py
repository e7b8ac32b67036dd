"""What a supervisor or a load balancer asks: whether only a restart helps, and whether calls can be answered.

Anybody may ask, so that what is told names no place.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from prismq_worker_sdk.taskmanager.app_state import state_of
from prismq_worker_sdk.taskmanager.db.transactions import Unsure, Writer
from prismq_worker_sdk.taskmanager.http import answer, json_text

router = APIRouter(include_in_schema=False)
PATIENCE = 2.0
"""Seconds that the database has for nothing."""
SHOWN_FOR = 1.0
"""Seconds for which one look is shown to all who ask: questions that anybody may ask cost the database little."""


@dataclass(slots=True)
class DatabaseProbe:
    """Whether the database takes transactions."""

    _trouble: str | None = None
    _until: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def trouble(self, writer: Writer) -> str | None:
        """Why nothing can be stored now, None when it can."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._trouble = await _look(writer)
                self._until = time.monotonic() + SHOWN_FOR
            return self._trouble


async def _look(writer: Writer) -> str | None:
    try:
        await asyncio.wait_for(writer.run(lambda _db, _now: None), PATIENCE)
    except (TimeoutError, asyncio.TimeoutError):
        return f"the database has not answered within {PATIENCE:g} s"
    except (SQLAlchemyError, Unsure):
        return "the database cannot be used now; the log says why"
    return None


@router.head("/healthz")
@router.get("/healthz")
async def live(request: Request) -> Response:
    """Whether it goes on by itself; where it does not, only a restart helps."""
    works = state_of(request).writer.works
    reasons = [] if works else ["a thread that writes to the database has ended"]
    return answer(json_text({"live": works, "reasons": reasons}), 200 if works else 503)


@router.head("/readyz")
@router.get("/readyz")
async def ready(request: Request) -> Response:
    """Whether it can take calls now, and why not."""
    state = state_of(request)
    trouble = await request.app.state.probe.trouble(state.writer)
    reasons = [] if trouble is None else [trouble]
    return answer(json_text({"ready": trouble is None, "reasons": reasons}), 503 if reasons else 200)
