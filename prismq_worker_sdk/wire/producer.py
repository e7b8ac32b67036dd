"""The producer's side: create tasks, look at them, wait for their results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from prismq_worker_sdk.errors import (
    Fault,
    NotATaskManager,
    NotSupported,
    RequestRefused,
    ServerUnreachable,
    Unauthorised,
)
from prismq_worker_sdk.model import calls
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.wire.dialects.reading import detail_of, failure_of
from prismq_worker_sdk.wire.dialects.v1 import read_task
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.transport import Timeouts, Transport, checked_key

__all__ = ["TaskHandle", "TaskManagerClient", "TaskPage"]

FIRST_LOOK = 0.05
LONGEST_LOOK = 2.0
"""Seconds between two looks at a task that is waited for; they grow from the first to the second."""


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks, newest first.

    Attributes:
        next_cursor: Give it to `tasks` for the page behind this one; None at the end.
    """

    tasks: tuple[Task, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TaskHandle:
    """A task that was created, or that was there already for the same dedupe key."""

    task: Task
    created: bool
    client: TaskManagerClient

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    def wait(self, timeout: float | None = None) -> Task:
        """The task once it has completed or failed.

        Args:
            timeout: Seconds to wait at most, None for ever.

        Raises:
            TimeoutError: It is not finished in time; it goes on all the same.
        """
        return self.client.wait(self.id, timeout)


class TaskManagerClient:
    """Creates tasks and looks at them; may be shared by threads one at a time only.

    Args:
        api_url: For example `http://localhost:8000/api`.
        api_key: The key, when the server wants one.
        sleep: How to wait between two looks.

    Every method raises ServerUnreachable, NotATaskManager, Unauthorised, RequestRefused or NotSupported.
    """

    def __init__(
        self,
        api_url: str,
        *,
        api_key: str | SecretStr | None = None,
        timeouts: Timeouts | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        secret = checked_key(api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key)
        self._api_url = api_url
        self._transport = Transport(api_url, key=lambda: secret, timeouts=timeouts)
        self._sleep = sleep

    def submit(
        self,
        task_type: str,
        params: Mapping[str, Any],
        *,
        priority: int | None = None,
        max_attempts: int | None = None,
        delay_seconds: float | None = None,
        dedupe_key: str | None = None,
        parent_id: str | None = None,
    ) -> TaskHandle:
        """Creates a task; with a dedupe_key gives the unfinished one that has it already.

        Raises:
            RequestRefused: The params do not fit the registered schema; `faults` names each field.
        """
        body = {
            "type": task_type,
            "params": dict(params),
            "priority": priority,
            "max_attempts": max_attempts,
            "delay_seconds": delay_seconds,
            "dedupe_key": dedupe_key,
            "parent_id": parent_id,
        }
        said = {name: value for name, value in body.items() if value is not None}
        reply = self._call("submit", "POST", "tasks", body=said)
        return TaskHandle(self._task(reply.json), created=reply.status == 201, client=self)  # noqa: PLR2004

    def get(self, task_id: str) -> Task:
        """A task.

        Raises:
            RequestRefused: There is no such task (status 404).
        """
        return self._task(self._call("get", "GET", "tasks", task_id).json)

    def show(self, task_id: str) -> dict[str, Any]:
        """A task as the server tells it, its history included."""
        return self._object(self._call("get", "GET", "tasks", task_id))

    def tasks(
        self,
        *,
        status: str | None = None,
        task_type: str | None = None,
        worker_id: str | None = None,
        q: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> TaskPage:
        """Tasks, newest first."""
        query = {
            "status": status,
            "type": task_type,
            "worker_id": worker_id,
            "q": q,
            "limit": limit,
            "cursor": cursor,
        }
        said = tuple((name, str(value)) for name, value in query.items() if value is not None)
        found = self._object(self._call("list", "GET", "tasks", query=said))
        cursor_behind = found.get("next_cursor")
        return TaskPage(
            tuple(self._task(raw) for raw in self._list(found, "tasks")),
            cursor_behind if isinstance(cursor_behind, str) else None,
        )

    def cancel(self, task_id: str) -> Task:
        """Cancels a task: a pending one fails at once, a running one is told."""
        return self._task(self._call("cancel", "POST", "tasks", task_id, "cancel").json)

    def retry(self, task_id: str) -> Task:
        """Makes a failed task pending again."""
        return self._task(self._call("retry", "POST", "tasks", task_id, "retry").json)

    def publish(
        self,
        task_type: str,
        *,
        version: str,
        param_schema: Mapping[str, Any],
        result_schema: Mapping[str, Any] | None = None,
        allow_breaking: bool = False,
    ) -> dict[str, Any]:
        """Registers the parameter schema of a task type; tasks are checked against it when they are created.

        Args:
            result_schema: What its results look like, for their readers; not checked.

        Raises:
            RequestRefused: The change breaks existing producers, and is not allowed to (status 409).
        """
        body: dict[str, Any] = {"version": version, "param_schema": dict(param_schema)}
        if result_schema is not None:
            body["result_schema"] = dict(result_schema)
        if allow_breaking:
            body["allow_breaking"] = True
        return self._object(self._call("publish", "PUT", "task-types", task_type, body=body))

    def task_types(self) -> list[dict[str, Any]]:
        """The registered task types."""
        return self._list(self._object(self._call("task_types", "GET", "task-types")), "task_types")

    def stats(self) -> dict[str, Any]:
        """Depth, oldest pending age, in flight and rates, per type."""
        return self._object(self._call("stats", "GET", "stats"))

    def wait(self, task_id: str, timeout: float | None = None) -> Task:
        """The task once it has completed or failed.

        Raises:
            TimeoutError: It is not finished within the timeout (seconds); it goes on all the same.
        """
        give_up_at = None if timeout is None else time.monotonic() + timeout
        pause = FIRST_LOOK
        while True:
            task = self.get(task_id)
            if task.status.finished:
                return task
            if give_up_at is not None:
                left = give_up_at - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"task {task_id} is still {task.status} after {timeout:g} s")
                pause = min(pause, left)
            self._sleep(pause)
            pause = min(LONGEST_LOOK, pause * 1.5)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def _task(self, raw: Any) -> Task:
        try:
            return read_task(raw)
        except ValueError as error:
            raise NotATaskManager(
                f"{self._api_url} answered with something that is no task: {error}"
            ) from None

    def _object(self, reply: HttpReply) -> dict[str, Any]:
        found = reply.json
        if isinstance(found, dict):
            return found
        raise NotATaskManager(f"{self._api_url} answered with {type(found).__name__} in place of an object")

    def _list(self, found: dict[str, Any], name: str) -> list[Any]:
        listed = found.get(name)
        if isinstance(listed, list):
            return listed
        raise NotATaskManager(f"{self._api_url} answered without a list of {name}")

    def _silent(self, reason: str) -> ServerUnreachable:
        return ServerUnreachable(
            f"{self._api_url} did not answer: {reason}; start the TaskManager, or check the address "
            "(--api-url, TASKMANAGER_API_URL)"
        )

    def _call(
        self,
        call: str,
        method: str,
        *segments: str,
        body: Mapping[str, Any] | None = None,
        query: tuple[tuple[str, str], ...] = (),
    ) -> HttpReply:
        text = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False)
        reply = self._transport.send(HttpRequest(call, method, segments, text, query))
        if isinstance(reply, calls.Unreachable):
            raise self._silent(reply.reason)
        failure = failure_of(reply)
        if failure is not None:
            raise self._error(failure)
        if reply.status in {200, 201} and reply.is_json:
            return reply
        if reply.status == 404 and reply.json == {"detail": "Not Found"}:  # noqa: PLR2004
            raise NotSupported(
                f"{self._api_url} has no {method} /{'/'.join(segments)}: it has only the base protocol"
            )
        raise RequestRefused(detail_of(reply), status=reply.status, faults=_faults(reply.json))

    def _error(self, failure: calls.Failure) -> Exception:
        match failure:
            case calls.Unauthorised(reason=reason):
                return Unauthorised(
                    f"{self._api_url} refuses the API key ({reason}); set TASKMANAGER_API_KEY"
                )
            case calls.Foreign(reason=reason):
                return NotATaskManager(f"{self._api_url} is not a TaskManager: {reason}; check --api-url")
            case calls.Rejected(status=status, reason=reason):
                return RequestRefused(reason, status=status)
            case _:
                return self._silent(failure.reason)


def _faults(body: Any) -> tuple[Fault, ...]:
    found = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(found, list):
        return ()
    return tuple(
        Fault(str(fault.get("pointer", "")), str(fault.get("message", "")))
        for fault in found
        if isinstance(fault, dict)
    )
