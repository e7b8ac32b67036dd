"""Reports, renewals and a claim in one call; who is there, and steering (protocol.md, exchange)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import fleet, leases, views
from prismq_worker_sdk.taskmanager.config import Scope
from prismq_worker_sdk.taskmanager.desk import Desk, admitted
from prismq_worker_sdk.taskmanager.exchange_messages import MAX_TASKS, ExchangeRequest, Wanted
from prismq_worker_sdk.taskmanager.messages import body_of
from prismq_worker_sdk.taskmanager.openapi import takes
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.rules import MAX_REQUEST_BYTES

__all__ = ["announced", "router"]

router = APIRouter(tags=["exchange"])
WORKER = [Depends(admitted(Scope.WORKER))]
ANY = [Depends(admitted(Scope.WORKER, Scope.PRODUCER))]
ADMIN = [Depends(admitted())]
_NOTHING: dict[str, Any] = {"reports": [], "leases": [], "tasks": [], "worker": fleet.RUN}


def announced(desk: Desk) -> dict[str, Any]:
    """The bundle as health announces it."""
    return {
        "max_tasks": MAX_TASKS,
        "max_bytes": MAX_REQUEST_BYTES,
        "max_wait_seconds": desk.config.max_wait,
        "lease_seconds": desk.config.lease_seconds,
    }


@dataclass(frozen=True, slots=True)
class _Work:
    """One exchange inside a transaction."""

    desk: Desk
    said: ExchangeRequest
    now: float

    def everything(self, db: sa.Connection) -> dict[str, Any]:
        """Reports and renewals first, then the claim."""
        said, config = self.said, self.desk.config
        order = fleet.touch(db, said.worker_id, self.now)
        answer: dict[str, Any] = {
            "reports": [leases.report(db, config, item, self.now) for item in said.reports],
            "leases": [leases.renew(db, config, item, self.now) for item in said.leases],
            "tasks": [],
            "worker": order,
        }
        if said.claim is not None and order == fleet.RUN:
            answer["tasks"] = self._tasks(db, said.claim)
        return answer

    def claim_only(self, db: sa.Connection) -> dict[str, Any] | None:
        """The claim alone, None when there is still nothing to say."""
        order = fleet.wanted(db, self.said.worker_id)
        tasks = self._tasks(db, self.said.claim) if self.said.claim is not None and order == fleet.RUN else []
        if not tasks and order == fleet.RUN:
            return None
        return {"reports": [], "leases": [], "tasks": tasks, "worker": order}

    def _tasks(self, db: sa.Connection, wanted: Wanted) -> list[dict[str, Any]]:
        said, config = self.said, self.desk.config
        granted: list[leases.Granted] = []
        if said.request_id is not None:
            granted = leases.still_held(db, said.worker_id, said.request_id, self.now)
        if not granted:
            few = wanted.model_copy(update={"max_tasks": min(wanted.max_tasks, MAX_TASKS)})
            granted = leases.claim(db, config, said.worker_id, said.request_id, few, self.now)
        return [_shown(one) for one in granted]


@router.post("/tasks/exchange", dependencies=WORKER, openapi_extra=takes(ExchangeRequest))
async def exchange(request: Request) -> Response:
    """Reports and renewals are applied and durable first, then tasks are claimed; an empty claim may wait."""
    desk: Desk = request.app.state.desk
    said = await body_of(request, ExchangeRequest)
    if said.claim is not None:
        same = await desk.waiting.joined(said.worker_id, said.request_id)
        if same is not None and not said.reports and not said.leases:
            return _answered(same or _NOTHING)
    news = desk.waiting.news
    answer = await desk.run(_Work(desk, said, desk.now()).everything)
    if said.reports:
        desk.waiting.notify()
    claim = said.claim
    alone = not said.reports and not said.leases
    if (
        claim is None
        or not alone
        or answer["tasks"]
        or answer["worker"] != fleet.RUN
        or not claim.wait_seconds
    ):
        return _answered(answer)

    async def look() -> dict[str, Any] | None:
        return await desk.run(_Work(desk, said, desk.now()).claim_only)

    seconds = min(claim.wait_seconds, desk.config.max_wait)
    key = (said.worker_id, said.request_id)
    found = await desk.waiting.wait(key, seconds, look, request.is_disconnected, news)
    return _answered(found or answer)


@router.get("/workers", dependencies=ANY)
async def workers(request: Request) -> dict[str, Any]:
    """Who is there, what it runs, when it was last heard of."""
    desk: Desk = request.app.state.desk
    return {"workers": [views.worker(row, running) for row, running in await desk.look(fleet.listed)]}


@router.post("/workers/{worker_id}/{action}", dependencies=ADMIN)
async def steer(request: Request, worker_id: str, action: str) -> Response:
    """Quiet: no new tasks; resume: tasks again; terminate: end as by a signal."""
    desk: Desk = request.app.state.desk
    wanted = {"quiet": "quiet", "resume": fleet.RUN, "terminate": "terminate"}.get(action)
    if wanted is None:
        raise Problem(404, f"a worker can be told quiet, resume or terminate, not {action}")
    row, running = await desk.run(lambda db: fleet.steer(db, worker_id, wanted))
    desk.waiting.notify()
    return _answered(views.worker(row, running))


def _shown(granted: leases.Granted) -> dict[str, Any]:
    task = views.task(granted.task)
    lease = {"lease_token": granted.token, "lease_seconds": granted.lease_seconds}
    return {**task, "attempt": granted.attempt, **lease}


def _answered(answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer, ensure_ascii=False), media_type="application/json")
