"""Producing on a server of the documented protocol with the `manage` extension (protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from prismq_worker_sdk.errors import Fault, NotATaskManager, NotSupported, RequestRefused
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire.dialects.v1.base import is_unknown_path, read_task
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpReply, HttpRequest, Steps, given
from prismq_worker_sdk.wire.producer_backend import (
    ChildPage,
    Created,
    LogFilter,
    LogPage,
    Submission,
    Submitted,
    TaskFilter,
    TaskLogLine,
    TaskPage,
    TypeSchema,
    error_of,
    one_by_one,
)
from prismq_worker_sdk.wire.reading import detail_of, failure_of, instant, strip_surrogates

NEW = 201
GONE = {404, 405, 501}
"""Answers to an extension that a server has no longer (R35)."""
ENVELOPE_BYTES = 64
"""Of a batch, for what is not tasks."""


_json = partial(json.dumps, ensure_ascii=False, allow_nan=False)


class V1Producer:
    """One request for each call; a run key tells it nothing, since it creates a task each time."""

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url

    def submit(self, wanted: Submission) -> Steps[Created]:
        """201 for a new task, 200 for the unfinished one that has the dedupe key."""
        reply = yield from self._call("submit", "POST", "tasks", body=_submitted(wanted))
        return Created(self._task(reply.json), new=reply.status == NEW)

    def submit_many(self, wanted: Sequence[Submission], can: Capabilities) -> Steps[list[Submitted]]:
        """In calls of as many tasks, and as many bytes, as the server takes."""
        if can.max_submits == 1:
            return (yield from one_by_one(self.submit, wanted))
        found: list[Submitted] = []
        room = can.max_submit_bytes - ENVELOPE_BYTES
        while len(found) < len(wanted):
            batch: list[dict[str, Any]] = []
            size = 0
            for one in wanted[len(found) : len(found) + can.max_submits]:
                body = _submitted(one)
                size += len(_json(body).encode()) + 2
                if size > room and batch:
                    break
                batch.append(body)
            request = HttpRequest("submit", "POST", ("tasks", "batch"), _json({"tasks": batch}))
            reply = yield request
            if isinstance(reply, HttpReply) and reply.status in GONE:
                return found + (yield from one_by_one(self.submit, wanted[len(found) :]))
            body = self._checked(request, reply).json
            listed = self._list(body if isinstance(body, dict) else {}, "tasks")
            if len(listed) != len(batch):
                raise self._foreign(f"{len(batch)} submits with {len(listed)} answers")
            found += map(self._one_submitted, listed)
        return found

    def get(self, task_id: str) -> Steps[Task]:
        return self._task_of("get", "GET", "tasks", task_id)

    def show(self, task_id: str) -> Steps[dict[str, Any]]:
        return self._object("get", "GET", "tasks", task_id)

    def tasks(self, wanted: TaskFilter) -> Steps[TaskPage]:
        query = {"type" if name == "task_type" else name: value for name, value in asdict(wanted).items()}
        given = tuple((name, str(value)) for name, value in query.items() if value is not None)
        page = yield from self._object("list", "GET", "tasks", query=given)
        cursor = page.get("next_cursor")
        tasks = tuple(self._task(raw) for raw in self._list(page, "tasks"))
        return TaskPage(tasks, cursor if isinstance(cursor, str) else None)

    def children(self, task_id: str, limit: int | None, cursor: str | None) -> Steps[ChildPage]:
        given = {"limit": limit, "cursor": cursor}
        query = tuple((name, str(value)) for name, value in given.items() if value is not None)
        page = yield from self._object("children", "GET", "tasks", task_id, "children", query=query)
        tasks = tuple(self._task(raw) for raw in self._list(page, "tasks"))
        then, more = page.get("then"), page.get("next_cursor")
        follower = then.get("task_id") if isinstance(then, dict) else None
        try:
            return ChildPage(
                tasks,
                TaskStatus(page["status"]),
                {str(TaskStatus(name)): int(number) for name, number in dict(page["counts"]).items()},
                int(page["open"]),
                follower if isinstance(follower, str) else None,
                more if isinstance(more, str) else None,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._foreign(f"with children whose numbers cannot be read: {error}") from None

    def logs(self, task_id: str, wanted: LogFilter) -> Steps[LogPage]:
        given = tuple((name, str(value)) for name, value in asdict(wanted).items() if value is not None)
        page = yield from self._object("logs", "GET", "tasks", task_id, "logs", query=given)
        cursor = page.get("next_cursor")
        try:
            lines = tuple(map(_log_line, self._list(page, "lines")))
            dropped = {int(one["attempt"]): int(one["dropped"]) for one in self._list(page, "attempts")}
        except (KeyError, TypeError, ValueError) as error:
            raise self._foreign(f"with something that is no log: {error!r}") from None
        return LogPage(lines, cursor if isinstance(cursor, str) else None, dropped)

    def cancel(self, task_id: str) -> Steps[Task]:
        return self._task_of("cancel", "POST", "tasks", task_id, "cancel")

    def retry(self, task_id: str) -> Steps[Task]:
        return self._task_of("retry", "POST", "tasks", task_id, "retry")

    def publish(self, wanted: TypeSchema) -> Steps[dict[str, Any]]:
        """The server itself finds what breaks producers."""
        body: dict[str, Any] = {"version": wanted.version, "param_schema": dict(wanted.param_schema)}
        if wanted.result_schema is not None:
            body["result_schema"] = dict(wanted.result_schema)
        if wanted.allow_breaking:
            body["allow_breaking"] = True
        if wanted.limits is not None:
            body["limits"] = [dict(one) for one in wanted.limits]
        return self._object("publish", "PUT", "task-types", wanted.name, body=body)

    def task_types(self) -> Steps[list[dict[str, Any]]]:
        found = yield from self._object("task_types", "GET", "task-types")
        return self._list(found, "task_types")

    def stats(self) -> Steps[dict[str, Any]]:
        return self._object("stats", "GET", "stats")

    def manage(self, request: HttpRequest) -> Steps[dict[str, Any]]:
        """What a bundle of the TaskManager answers to a request of its own."""
        return self._read(self._checked(request, (yield request)))

    def _call(
        self,
        call: str,
        method: str,
        *segments: str,
        body: Mapping[str, Any] | None = None,
        query: tuple[tuple[str, str], ...] = (),
    ) -> Steps[HttpReply]:
        request = HttpRequest(call, method, segments, None if body is None else _json(body), query)
        return self._checked(request, (yield request))

    def _checked(self, request: HttpRequest, reply: HttpAnswer) -> HttpReply:
        """The same reply where it is a good one."""
        if isinstance(reply, Unreachable):
            raise error_of(reply, self._api_url)
        if (failure := failure_of(reply)) is not None:
            raise error_of(failure, self._api_url)
        if reply.status in {200, 201} and reply.is_json:
            return reply
        if reply.status == 404 and is_unknown_path(reply):  # noqa: PLR2004
            path = "/".join(request.segments)
            raise NotSupported(
                f"{self._api_url} has no {request.method} /{path}: it has only the base protocol"
            )
        raise RequestRefused(detail_of(reply), status=reply.status, faults=_faults(reply.json))

    def _task_of(self, *request: str) -> Steps[Task]:
        return self._task((yield from self._call(*request)).json)

    def _object(self, *request: str, **more: Any) -> Steps[dict[str, Any]]:
        return self._read((yield from self._call(*request, **more)))

    def _read(self, reply: HttpReply) -> dict[str, Any]:
        found = reply.json
        if isinstance(found, dict):
            return found
        raise self._foreign(f"with {type(found).__name__} in place of an object")

    def _one_submitted(self, raw: Any) -> Submitted:
        said = raw if isinstance(raw, dict) else {}
        problem = said.get("problem")
        if not isinstance(problem, dict):
            return Created(self._task(said.get("task")), new=said.get("status") == NEW)
        status = said.get("status")
        detail = problem.get("detail") or problem.get("title") or "refused"
        return RequestRefused(
            strip_surrogates(str(detail)),
            status=status if isinstance(status, int) else 422,
            faults=_faults(problem),
        )

    def _task(self, raw: Any) -> Task:
        try:
            return read_task(raw)
        except ValueError as error:
            raise self._foreign(f"with something that is no task: {error}") from None

    def _list(self, found: dict[str, Any], name: str) -> list[Any]:
        listed = found.get(name)
        if isinstance(listed, list):
            return listed
        raise self._foreign(f"without a list of {name}")

    def _foreign(self, what: str) -> NotATaskManager:
        return NotATaskManager(f"{self._api_url} answered {what}")


def _log_line(raw: dict[str, Any]) -> TaskLogLine:
    at = instant(raw["at"])
    if at is None:
        raise ValueError("a line has a time")
    return TaskLogLine(
        int(raw["attempt"]), at, strip_surrogates(str(raw["level"])), strip_surrogates(str(raw["text"]))
    )


def _submitted(wanted: Submission) -> dict[str, Any]:
    body = {
        "type": wanted.task_type,
        "params": dict(wanted.params),
        "priority": wanted.priority,
        "max_attempts": wanted.max_attempts,
        "delay_seconds": wanted.delay_seconds,
        "dedupe_key": wanted.dedupe_key,
        "parent_id": wanted.parent_id,
        "traceparent": None if wanted.trace is None else wanted.trace.parent,
        "tracestate": (wanted.trace.state or None) if wanted.trace is not None else None,
    }
    return given(body)


def _faults(body: Any) -> tuple[Fault, ...]:
    found = body.get("errors") if isinstance(body, dict) else None
    return tuple(
        Fault(str(fault.get("pointer", "")), str(fault.get("message", "")))
        for fault in (found if isinstance(found, list) else ())
        if isinstance(fault, dict)
    )
