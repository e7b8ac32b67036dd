"""Numbers for people, autoscalers and Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import prometheus, stats, views
from prismq_worker_sdk.taskmanager.app_state import LOOKS, admitted, caller_of, state_of
from prismq_worker_sdk.taskmanager.http import Problem, Route, answer, json_text
from prismq_worker_sdk.taskmanager.limits import LimitFilter, listed
from prismq_worker_sdk.taskmanager.rules import is_task_type

router = APIRouter(tags=["manage"], route_class=Route)
ANY = [Depends(admitted(*LOOKS, by_type=True))]
MOST_TYPES = 100
MOST_LIMITS = LimitFilter(limit=1000)


@router.get("/stats", dependencies=ANY)
async def numbers(request: Request) -> Response:
    """Numbers for each task type, or those that are named, and their sum."""
    wanted = request.query_params.getlist("type")
    if len(wanted) > MOST_TYPES or not all(map(is_task_type, wanted)):
        raise Problem(422, f"type names a task type, such as Test.Echo, {MOST_TYPES} times at most")
    found, types = await _looked(request)
    if wanted:
        types = {name: types.get(name) or stats.zeros() for name in wanted}
    body: dict[str, Any] = {
        "at": views.instant(found.at),
        "types": types,
        "total": stats.total(types.values()),
    }
    if caller_of(request).types is None:
        body["workers"] = found.workers
    return answer(json_text(body))


@router.get("/metrics", dependencies=ANY)
async def metrics(request: Request) -> Response:
    """The same for Prometheus."""
    found, types = await _looked(request)
    state = state_of(request)
    lines = prometheus.of_types(dict(sorted(types.items())), state.calls)
    if caller_of(request).types is None:
        limits, _more = await state.look_at_tasks(lambda db, now: listed(db, MOST_LIMITS, now))
        lines += prometheus.of_all(found, state.calls, limits)
        if (space := state.database.space()) is not None:
            lines += prometheus.of_disk(*space)
    return Response("\n".join([*lines, ""]), media_type="text/plain; version=0.0.4")


async def _looked(request: Request) -> tuple[stats.Stats, dict[str, stats.Numbers]]:
    """The numbers, and those of the types that the caller may know of."""
    state, caller = state_of(request), caller_of(request)
    found = await state.stats.get(lambda: state.look_at_tasks(stats.look))
    return found, {name: one for name, one in found.types.items() if caller.may_use(name)}
