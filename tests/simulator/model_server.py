"""A TaskManager as the protocol describes it, in memory: base and exchange, each rule one plain line.

It shares no code with the embedded TaskManager; a test holds the two against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from tests.simulator.model_tasks import ModelClaim, ModelTask

UNCONFIRMED_FREE = 10
MAX_TASKS = 128

A_MOMENT = 0.05
"""Seconds between two looks at the tasks that belong to one request."""


@dataclass(slots=True, eq=False)
class Waits:
    """A claim that waits for work.

    Attributes:
        until: When the server answers anyway.
        since: When it looks for work first.
        over: Whether a repeat of the request has ended it (R6).
        answer: What it was answered.
    """

    worker_id: str
    request_id: str
    wanted: Mapping[str, Any]
    until: float
    since: float = 0.0
    over: bool = False
    answer: HttpReply | None = None


@dataclass(slots=True, kw_only=True)
class ModelServer:
    """Answers requests; what was answered is durable.

    Attributes:
        exchange: Whether it has the bundle, or only the base.
        refused: Tasks whose results it does not take.
        order: What it wants of every worker.
        hasty: Whether a repeat that has ended a wait without work goes on to claim for itself, a moment later.
        logs: Whether it takes what handlers log.
        fleet: Whether it has tasks that follow others, and limits.
        limits: Which limit tasks of a type use.
        paused: Limit → until when nobody begins a task that uses it.
    """

    exchange: bool = True
    lease_seconds: float = 20.0
    claim_timeout: float = 60.0
    max_wait: float = 5.0
    backoff: float = 1.0
    refused: frozenset[str] = frozenset()
    order: str = "run"
    hasty: bool = False
    logs: bool = False
    fleet: bool = False
    limits: Mapping[str, str] = field(default_factory=dict)
    paused: dict[str, float] = field(default_factory=dict)
    to_follow: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    tasks: dict[str, ModelTask] = field(default_factory=dict)
    claims: list[ModelClaim] = field(default_factory=list)
    by_token: dict[str, ModelClaim] = field(default_factory=dict)
    waits: list[Waits] = field(default_factory=list)

    def add(self, task_id: str, task_type: str, *, max_attempts: int, parent: str | None = None) -> ModelTask:
        """One more task."""
        task = ModelTask(task_id, task_type, len(self.tasks), max_attempts=max_attempts, parent=parent)
        self.tasks[task_id] = task
        return task

    def restart(self, now: float) -> None:
        """Starts again on what was durable; no claim runs out for one lease length (R8)."""
        self.waits.clear()
        for task in self.tasks.values():
            if task.status == "processing" and task.claim is not None and task.claim.token:
                task.expires_at = max(task.expires_at, now + self.lease_seconds)

    def steer(self, order: str) -> None:
        """Tells workers what to do: `run` or `quiet` (R40)."""
        self.order = order

    def cancel(self, task_id: str) -> None:
        """Fails a pending task, and notes the wish for a running one (R29)."""
        task = self.tasks[task_id]
        if task.status == "pending":
            task.end("failed", "cancelled")
            self._follow()
        elif task.status == "processing":
            task.cancel_asked = True

    def handle(self, request: HttpRequest, now: float) -> HttpReply | Waits:
        """The answer, or that the claim waits for work."""
        answer = self._handled(request, now)
        self._follow()
        return answer

    def _handled(self, request: HttpRequest, now: float) -> HttpReply | Waits:
        body = json.loads(request.body or "{}")
        match request.segments:
            case ("health",):
                return _said(self._health())
            case ("tasks", "claim"):
                return _said(self._base_claim(body, now))
            case ("tasks", "exchange") if self.exchange:
                return self._exchange(body, now)
            case ("tasks", task_id, "complete" | "fail" as call):
                return self._base_report(task_id, call, body, now)
            case _:
                return HttpReply(404, b'{"detail": "Not Found"}')

    def look(self, wait: Waits, now: float) -> HttpReply | None:
        """The answer to a claim that waits, None while there is none."""
        if wait.answer is None and now >= wait.since:
            tasks = (
                [] if self.order != "run" else self._grants(wait.worker_id, wait.request_id, wait.wanted, now)
            )
            if tasks or wait.over or self.order != "run" or now >= wait.until:
                wait.answer = self._answer(tasks=tasks)
                self.waits.remove(wait)
        return wait.answer

    # the base

    def _health(self) -> dict[str, Any]:
        bundle = {
            "max_tasks": MAX_TASKS,
            "max_bytes": 2**24,
            "max_wait_seconds": self.max_wait,
            "lease_seconds": self.lease_seconds,
        }
        logs = {"logs": {"max_lines": 1000, "max_bytes": 2**18}} if self.logs else {}
        fleet = {"fan_in": True, "limits": True} if self.fleet else {}
        extended = {"server": {"instance": "model"}, "capabilities": {"exchange": bundle, **logs, **fleet}}
        return {"status": "healthy", **(extended if self.exchange else {})}

    def _base_claim(self, body: Mapping[str, Any], now: float) -> dict[str, Any] | None:
        task = self._next(body["task_types"], now)
        if task is None:
            return None
        claim = self._take(task, body["worker_id"], now, self.claim_timeout)
        task.attempts += 1
        claim.confirmed = True
        return task.shown()

    def _base_report(self, task_id: str, call: str, body: Mapping[str, Any], now: float) -> HttpReply:
        task = self.tasks.get(task_id)
        if task is None:
            return HttpReply(404, b'{"detail": "there is no such task"}')
        claim = task.claim
        if claim is None or not task.held_by(claim) or claim.worker_id != body["worker_id"]:
            return HttpReply(409, b'{"detail": "not, or no longer, yours"}')
        if call == "complete" and task_id in self.refused:
            return HttpReply(422, b'{"detail": "the result does not fit"}')
        claim.accept("completed" if call == "complete" else "failed", body.get("result"))
        if call == "complete":
            task.end("completed", result=body["result"])
        else:
            self._failed(task, body["error"], now)
        return _said({"status": "success"})

    # the bundle

    def _exchange(self, body: Mapping[str, Any], now: float) -> HttpReply | Waits:
        wanted, worker, request = body.get("claim"), body["worker_id"], body.get("request_id", "")
        same = next((one for one in self.waits if (one.worker_id, one.request_id) == (worker, request)), None)
        if wanted is not None and request and same is not None:  # a repeat ends the wait (R6)
            same.over = True
            if not body.get("reports") and not body.get("leases") and not body.get("pauses"):
                found = self.look(same, now)
                if found is not None and not (self.hasty and b'"tasks": []' in found.body):
                    return found
                if found is not None:
                    own = Waits(worker, request, wanted, until=now, since=now + A_MOMENT)
                    self.waits.append(own)
                    return own
        reports = [self._report(item, now) for item in body.get("reports", [])]
        leases = [self._renew(item, now) for item in body.get("leases", [])]
        for item in body.get("pauses", []):  # of two pauses the one that ends later counts
            until = max(now + item["seconds"], self.paused.get(item["name"], 0.0))
            self.paused[item["name"]] = until
        self._follow()
        if wanted is None or self.order != "run":  # answers with quiet or terminate carry no tasks (R40)
            return self._answer(reports, leases)
        tasks = self._grants(worker, request, wanted, now)
        if tasks or reports or leases or not wanted["wait_seconds"]:
            return self._answer(reports, leases, tasks)
        wait = Waits(worker, request, wanted, now + min(self.max_wait, wanted["wait_seconds"]))
        self.waits.append(wait)
        return wait

    def _answer(self, reports: Any = (), leases: Any = (), tasks: Any = ()) -> HttpReply:
        return _said(
            {"reports": list(reports), "leases": list(leases), "tasks": list(tasks), "worker": self.order}
        )

    def _grants(
        self, worker: str, request: str, wanted: Mapping[str, Any], now: float
    ) -> list[dict[str, Any]]:
        same = [
            claim
            for claim in self.claims
            if request and claim.request_id == request and claim.worker_id == worker
        ]
        held = [claim for claim in same if claim.task.claim is claim and claim.task.status == "processing"]
        current = [claim for claim in held if claim.task.expires_at > now]
        if current:  # what its first sending was given, with the seconds that remain (R6)
            return [_granted(claim, claim.task.expires_at - now) for claim in current]
        found: list[dict[str, Any]] = []
        while len(found) < min(wanted["max_tasks"], MAX_TASKS):
            task = self._next(wanted["task_types"], now)
            if task is None:
                break
            claim = self._take(task, worker, now, self.lease_seconds)
            claim.request_id = request
            claim.token = f"token-{len(self.claims)}"
            self.by_token[claim.token] = claim
            found.append(_granted(claim, self.lease_seconds))
        return found

    def _renew(self, item: Mapping[str, Any], now: float) -> dict[str, Any]:
        claim = self.by_token.get(item["lease_token"])
        if claim is None or not claim.task.held_by(
            claim
        ):  # an expired token is valid until the next claim (R8)
            return {"task_id": item["task_id"], "verdict": "lost"}
        task = claim.task
        self._confirm(claim)
        claim.take(item.get("log"))
        task.status, task.expires_at = "processing", now + self.lease_seconds
        task.checkpoint = item.get("checkpoint", task.checkpoint)
        verdict = "cancel" if task.cancel_asked else "renewed"
        return {"task_id": task.id, "verdict": verdict, "lease_seconds": self.lease_seconds}

    def _report(self, item: Mapping[str, Any], now: float) -> dict[str, Any]:
        said = {"task_id": item["task_id"]}
        claim = self.by_token.get(item["lease_token"])
        if claim is None:
            return {**said, "verdict": "unknown"}
        outcome = [item["outcome"], item.get("result"), item.get("children", []), item.get("then")]
        if claim.outcome is not None:  # one row per claim: a repeat is a duplicate (R28)
            verdict = "duplicate" if claim.outcome == outcome else "refused"
            return {**said, "verdict": verdict, "detail": "reported before"}
        task = claim.task
        if not task.held_by(claim):
            return {**said, "verdict": "lost"}
        if item["outcome"] == "completed" and task.id in self.refused:
            return {**said, "verdict": "refused", "detail": "the result does not fit"}
        self._confirm(claim)
        claim.accept(item["outcome"], item.get("result"), outcome)
        claim.take(item.get("log"))
        task.checkpoint = item.get("checkpoint", task.checkpoint)
        self._apply(task, item, now)
        return {**said, "verdict": "accepted"}

    def _apply(self, task: ModelTask, item: Mapping[str, Any], now: float) -> None:
        if item["outcome"] == "completed":
            task.end("completed", result=item["result"])
            for child in item.get("children", []):  # in the transaction that accepts the report (R22)
                self._create_child(task, child)
            if "then" in item:
                self.to_follow[task.id] = item["then"]
        elif task.cancel_asked:  # any other end of a cancelled claim (R29)
            task.end("failed", "cancelled")
        elif item["outcome"] == "released":
            task.attempts -= 1
            task.wait_until(now + item.get("delay_seconds", 0.0))
        else:
            hints = {"retryable": item.get("retryable"), "delay": item.get("delay_seconds")}
            self._failed(task, item.get("error_type", ""), now, **hints)

    def _create_child(self, parent: ModelTask, child: Mapping[str, Any]) -> None:
        same = [one for one in self.tasks.values() if one.parent == parent.id and one.key == child["key"]]
        if not same:
            made = self.add(f"{parent.id}/{child['key']}", child["type"], max_attempts=100, parent=parent.id)
            made.key = child["key"]

    def _follow(self) -> None:
        """Creates what follows the children of a task, once all of them have ended, in place of that task."""
        for task_id, then in tuple(self.to_follow.items()):
            statuses = [one.status for one in self.tasks.values() if one.parent == task_id]
            if set(statuses) <= {"completed", "failed"}:
                parent = self.tasks[task_id].parent
                made = self.add(f"{task_id}/then", then["type"], max_attempts=100, parent=parent)
                made.follows, made.counts = task_id, (statuses.count("completed"), statuses.count("failed"))
                del self.to_follow[task_id]

    # what both share

    def _next(self, types: list[str], now: float) -> ModelTask | None:
        """The oldest task that may be handed out now."""
        for task in self.tasks.values():
            if task.status == "processing" and task.expires_at <= now:
                self._expired(task)
        ready = (
            task
            for task in self.tasks.values()
            if task.ready(now) and task.type in types and self._open(task, now)
        )
        return min(ready, key=lambda task: task.number, default=None)

    def _open(self, task: ModelTask, now: float) -> bool:
        """Whether nobody has paused the limit of a task."""
        return self.paused.get(self.limits.get(task.type, ""), 0.0) <= now

    def _expired(self, task: ModelTask) -> None:
        """A claim ran out: somebody else may have the task, unless it was cancelled (R29) or that was its last."""
        if task.cancel_asked:
            task.end("failed", "cancelled")
        elif task.attempts >= task.max_attempts:
            task.end("failed", "expired")

    def _take(self, task: ModelTask, worker_id: str, now: float, seconds: float) -> ModelClaim:
        if task.status == "processing" and task.claim is not None and not task.claim.confirmed:
            if task.unconfirmed < UNCONFIRMED_FREE:  # such a claim does not count as an attempt (R7)
                task.unconfirmed += 1
            else:
                task.attempts += 1
        claim = ModelClaim(task, worker_id, now)
        self.claims.append(claim)
        task.claim, task.status, task.expires_at = claim, "processing", now + seconds
        return claim

    def _confirm(self, claim: ModelClaim) -> None:
        if not claim.confirmed:
            claim.confirmed = True
            claim.task.attempts += 1
            claim.task.unconfirmed = 0

    def _failed(
        self,
        task: ModelTask,
        error: str,
        now: float,
        *,
        retryable: bool | None = None,
        delay: float | None = None,
    ) -> None:
        if task.cancel_asked:
            task.end("failed", "cancelled")
        elif retryable is False or task.attempts >= task.max_attempts:
            task.end("failed", error)
        else:
            task.wait_until(
                now + (self.backoff * 2.0 ** min(task.attempts - 1, 4) if delay is None else delay)
            )


def _granted(claim: ModelClaim, seconds: float) -> dict[str, Any]:
    attempt = claim.task.attempts + (0 if claim.confirmed else 1)
    return {
        **claim.task.shown(),
        "lease_token": claim.token,
        "lease_seconds": seconds,
        "attempt": attempt,
        "max_attempts": claim.task.max_attempts,
    }


def _said(body: Any) -> HttpReply:
    return HttpReply(200, json.dumps(body).encode())
