"""Producing on a server of the documented protocol with the `manage` extension (protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prismq_worker_sdk.errors import Fault, NotSupported, RequestRefused
from prismq_worker_sdk.model import protocol
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.wire.dialects.reading import detail_of, failure_of
from prismq_worker_sdk.wire.dialects.v1 import read_task
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.producing.caller import Caller
from prismq_worker_sdk.wire.producing.values import Created, Submission, TaskFilter, TaskPage, TypeSchema

__all__ = ["V1Way"]


class V1Way:
    """One request for each call; a run key tells it nothing, since it creates a task each time."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def submit(self, wanted: Submission) -> Created:
        """201 for a new task, 200 for the unfinished one that has the dedupe key."""
        body = {
            "type": wanted.task_type,
            "params": dict(wanted.params),
            "priority": wanted.priority,
            "max_attempts": wanted.max_attempts,
            "delay_seconds": wanted.delay_seconds,
            "dedupe_key": wanted.dedupe_key,
            "parent_id": wanted.parent_id,
        }
        said = {name: value for name, value in body.items() if value is not None}
        reply = self._call("submit", "POST", "tasks", body=said)
        return Created(self._task(reply.json), new=reply.status == 201)  # noqa: PLR2004

    def get(self, task_id: str) -> Task:
        """A task."""
        return self._task(self._call("get", "GET", "tasks", task_id).json)

    def show(self, task_id: str) -> dict[str, Any]:
        """A task with its history."""
        return self._object(self._call("get", "GET", "tasks", task_id))

    def tasks(self, wanted: TaskFilter) -> TaskPage:
        """A page of tasks."""
        query = {
            "status": wanted.status,
            "type": wanted.task_type,
            "worker_id": wanted.worker_id,
            "q": wanted.q,
            "limit": wanted.limit,
            "cursor": wanted.cursor,
        }
        said = tuple((name, str(value)) for name, value in query.items() if value is not None)
        found = self._object(self._call("list", "GET", "tasks", query=said))
        cursor_behind = found.get("next_cursor")
        return TaskPage(
            tuple(self._task(raw) for raw in self._list(found, "tasks")),
            cursor_behind if isinstance(cursor_behind, str) else None,
        )

    def cancel(self, task_id: str) -> Task:
        """The task as it is after that."""
        return self._task(self._call("cancel", "POST", "tasks", task_id, "cancel").json)

    def retry(self, task_id: str) -> Task:
        """The task as it is after that."""
        return self._task(self._call("retry", "POST", "tasks", task_id, "retry").json)

    def publish(self, wanted: TypeSchema) -> dict[str, Any]:
        """The server itself finds what breaks producers."""
        body: dict[str, Any] = {"version": wanted.version, "param_schema": dict(wanted.param_schema)}
        if wanted.result_schema is not None:
            body["result_schema"] = dict(wanted.result_schema)
        if wanted.allow_breaking:
            body["allow_breaking"] = True
        return self._object(self._call("publish", "PUT", "task-types", wanted.name, body=body))

    def task_types(self) -> list[dict[str, Any]]:
        """All of them."""
        return self._list(self._object(self._call("task_types", "GET", "task-types")), "task_types")

    def stats(self) -> dict[str, Any]:
        """Numbers for each task type."""
        return self._object(self._call("stats", "GET", "stats"))

    def _task(self, raw: Any) -> Task:
        try:
            return read_task(raw)
        except ValueError as error:
            raise self._caller.foreign(f"with something that is no task: {error}") from None

    def _object(self, reply: HttpReply) -> dict[str, Any]:
        found = reply.json
        if isinstance(found, dict):
            return found
        raise self._caller.foreign(f"with {type(found).__name__} in place of an object")

    def _list(self, found: dict[str, Any], name: str) -> list[Any]:
        listed = found.get(name)
        if isinstance(listed, list):
            return listed
        raise self._caller.foreign(f"without a list of {name}")

    def _call(
        self,
        call: str,
        method: str,
        *segments: str,
        body: Mapping[str, Any] | None = None,
        query: tuple[tuple[str, str], ...] = (),
    ) -> HttpReply:
        text = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False)
        reply = self._caller.send(HttpRequest(call, method, segments, text, query))
        if isinstance(reply, protocol.Unreachable):
            raise self._caller.error(reply)
        failure = failure_of(reply)
        if failure is not None:
            raise self._caller.error(failure)
        if reply.status in {200, 201} and reply.is_json:
            return reply
        if reply.status == 404 and reply.json == {"detail": "Not Found"}:  # noqa: PLR2004
            raise NotSupported(
                f"{self._caller.api_url} has no {method} /{'/'.join(segments)}: it has only the base protocol"
            )
        raise RequestRefused(detail_of(reply), status=reply.status, faults=_faults(reply.json))


def _faults(body: Any) -> tuple[Fault, ...]:
    found = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(found, list):
        return ()
    return tuple(
        Fault(str(fault.get("pointer", "")), str(fault.get("message", "")))
        for fault in found
        if isinstance(fault, dict)
    )
