"""The TaskManager that PrismQ runs, in memory and as far as its rules go; the kit's own server has its quirks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from tests.simulator.model_server import ModelServer, Waits
from tests.simulator.model_tasks import ModelClaim, ModelTask

RUN_KEY = "prismq_run_key"


@dataclass(slots=True, kw_only=True)
class ModelPrismqClient(ModelServer):
    """Claims by number of type, ownership by worker id, retries at once, attempts that nothing bounds.

    Attributes:
        types: Their place, from 1, is their number.
        created: What was created, by type and params: the same gives the same task for ever.
        halves: Which failures with attempts left, counted from 1, are stopped half-way by a deadlock: failed for good.
        failures: How many of them there were.
        halved: Tasks that were failed so.
    """

    types: tuple[str, ...]
    halves: frozenset[int] = frozenset()
    failures: int = 0
    halved: set[str] = field(default_factory=set)
    created: dict[str, ModelTask] = field(default_factory=dict)

    def restart(self, now: float) -> None:
        """Starts again on what was durable; claims that ran out meanwhile have run out."""

    def handle(self, request: HttpRequest, now: float) -> HttpReply | Waits:
        """The answer."""
        body = json.loads(request.body or "{}")
        match request.segments:
            case ("health",):
                return _said({"status": "healthy", "timestamp": int(now), "database": "connected"})
            case ("tasks",) if request.method == "GET":
                return _said(self._listed(dict(request.query)))
            case ("tasks",):
                return self._create(body)
            case ("tasks", "claim"):
                return self._claim(body, now)
            case ("tasks", task_id):
                found = self.tasks.get(task_id)
                return _said(_items([] if found is None else [_shown(found)]))
            case ("task-types", name):
                known = [{"id": self.types.index(name) + 1, "name": name}] if name in self.types else []
                return _said(_items(known))
            case ("tasks", task_id, "complete" | "progress" as call):
                return self._reported(task_id, call, body)
            case _:
                return _refused(404, "Endpoint not found")

    def _listed(self, query: Mapping[str, str]) -> dict[str, Any]:
        found = [_shown(task) for task in reversed(self.tasks.values())]
        wanted = [one for one in found if query.get("status", one["status"]) == one["status"]]
        start = int(query.get("offset", "0"))
        return _items(wanted[start : start + int(query.get("limit", "50"))])

    def _claim(self, body: Mapping[str, Any], now: float) -> HttpReply:
        """The first one in the order that is asked for, a task that failed just now included; however many attempts."""
        kind = self.types[body["task_type_id"] - 1]
        ready = [task for task in self.tasks.values() if task.type == kind and task.ready(now)]
        if not ready:
            return _refused(500, "There is no active transaction")
        ready.sort(key=lambda one: one.number, reverse=body.get("sort_order") == "DESC")
        task = ready[-1] if body.get("sort_by") == "priority" else ready[0]  # all have the same priority
        claim = ModelClaim(task, body["worker_id"], now)
        self.claims.append(claim)
        task.claim, task.status, task.expires_at = claim, "processing", now + self.claim_timeout
        task.attempts += 1
        return _said({"id": int(task.id), **_given(task), "attempts": task.attempts, "priority": 0})

    def _reported(self, task_id: str, call: str, body: Mapping[str, Any]) -> HttpReply:
        task = self.tasks.get(task_id)
        if task is None:
            return _refused(404, "Task not found")
        claim = task.claim
        if task.status != "processing" or claim is None:
            return _refused(400, "Task is not in claimed state")
        if claim.worker_id != body["worker_id"]:
            return _refused(403, "Task is claimed by another worker")
        if call == "progress":
            return _said({"id": task_id, "progress": body["progress"]})
        if body["success"] and task.id in self.refused:
            return _refused(500, "SQLSTATE[22001]: String data, right truncated: 1406 Data too long")
        if body["success"]:
            claim.accept("completed", body.get("result"))
            task.end("completed", result=body.get("result"))
            return _said({"id": task_id, "status": "completed"})
        claim.accept("failed", None)
        task.error = body["error"]
        if task.attempts >= task.max_attempts:
            task.end("failed", body["error"])
            return _said({"id": task_id, "status": "failed"})
        self.failures += 1
        if self.failures in self.halves:
            task.end("failed", body["error"])
            self.halved.add(task_id)
            return _refused(500, "SQLSTATE[40001]: Serialization failure: 1213 Deadlock found")
        task.wait_until(0.0)
        return _said({"id": task_id, "status": "pending (retry)"})

    def _create(self, body: Mapping[str, Any]) -> HttpReply:
        what = json.dumps(body)
        known = self.created.get(what)
        if known is not None:
            return _said({"id": int(known.id), "status": known.status, "deduplicated": True})
        parent = str(body["params"][RUN_KEY]).split(":")[1]
        number = str(len(self.tasks) + 1)
        self.created[what] = self.add(number, body["type"], max_attempts=100, parent=parent)
        return _said({"id": number, "type": body["type"], "status": "pending"})


def _given(task: ModelTask) -> dict[str, Any]:
    return {"type": task.type, "params": {"task": task.id}}


def _shown(task: ModelTask) -> dict[str, Any]:
    """A task as it is shown; one that waits for its retry has no owner."""
    owner = None if task.claim is None or task.status == "pending" else task.claim.worker_id
    status = "claimed" if task.status == "processing" else task.status
    return {
        "id": int(task.id),
        **_given(task),
        "status": status,
        "claimed_by": owner,
        "attempts": task.attempts,
        "result": task.result,
        "error_message": task.error or None,
    }


def _items(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": found, "count": len(found)}


def _said(data: Any) -> HttpReply:
    return HttpReply(200, json.dumps({"success": True, "data": data}).encode())


def _refused(status: int, error: str) -> HttpReply:
    return HttpReply(status, json.dumps({"success": False, "error": error}).encode())
