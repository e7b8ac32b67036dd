"""Producing on the TaskManager that PrismQ runs today: create, look, list and register."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from prismq_worker_sdk.errors import Fault, NotATaskManager, NotSupported, RequestRefused
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.json import escape, first_difference
from prismq_worker_sdk.model.protocol import Failure
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire.dialects.prismq_client import tasks, values
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    Answer,
    ApplicationError,
    Success,
    items,
    settled,
)
from prismq_worker_sdk.wire.dialects.prismq_client.schema import converted
from prismq_worker_sdk.wire.messages import HttpRequest, Steps, compact_json
from prismq_worker_sdk.wire.producer_backend import (
    ChildPage,
    Created,
    LogFilter,
    LogPage,
    Submission,
    Submitted,
    TaskFilter,
    TaskPage,
    TypeSchema,
    error_of,
    one_by_one,
)

USUAL_LIMIT = 50
MAX_OFFSET_DIGITS = 18

IGNORED = {
    "priority": "it hands out the oldest task first",
    "max_attempts": "its own configuration says how often a task is tried",
    "delay_seconds": "a task may be claimed as soon as it is there",
    "dedupe_key": "it gives the old task for the same type and params, for ever; run_key tells runs apart",
    "parent_id": "it keeps no parents of tasks",
}
"""What a submission cannot say there, and why."""

STATUS_WORDS = {status.value: word for word, status in tasks.STATUSES.items()}

UNKNOWN_TYPE = "Task type not found"

_VIOLATION = re.compile(r"Parameter validation failed:\s*")
_NEXT = re.compile(r", (?=(?:Missing|Type|Additional|String|Number|Array|Value|Length|Pattern|Invalid) )")
_PROPERTY = re.compile(r"(Missing|Additional) [a-z ]+: (\S.*)")
_PLACE = re.compile(r"(.+?) at ([^\s:]*)(.*)", re.DOTALL)
_STEP = re.compile(r"[^.\[\]]+")

WORDS = {"Missing": "is missing", "Additional": "is not allowed"}

FOUND_BY = {"status", "task_type", "limit", "cursor"}


class PrismqClientProducer:
    """What this server can do of a producer's calls."""

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url

    def submit(self, wanted: Submission) -> Steps[Created]:
        """The same type and params give the same task, however it stands; a run key makes them others."""
        for name, why in IGNORED.items():
            value = getattr(wanted, name)
            if value is not None:
                raise self._lacks(f"takes no {name} ({value!r} was given): {why}")
        answer = yield from _create(wanted, compact_json(dict(wanted.params)))
        if isinstance(answer, ApplicationError) and answer.schema_violation:
            # 1.0 is an integer to JSON Schema, and to this server only when it is written as 1
            whole = compact_json(values.whole_numbers(wanted.params))
            if whole != compact_json(dict(wanted.params)):
                answer = yield from _create(wanted, whole)
        if isinstance(answer, ApplicationError) and (refused := _not_created(wanted.task_type, answer)):
            raise refused
        data = self._data(answer)
        if not isinstance(data, dict):
            raise self._foreign("a creation without a task")
        task = self._task({"id": data.get("id"), "type": wanted.task_type, "status": data.get("status")})
        return Created(replace(task, params=dict(wanted.params)), new=data.get("deduplicated") is not True)

    def submit_many(self, wanted: Sequence[Submission], _can: Capabilities) -> Steps[list[Submitted]]:
        """The server knows no batch."""
        return one_by_one(self.submit, wanted)

    def get(self, task_id: str) -> Steps[Task]:
        raw = yield from self._raw(task_id)
        return self._task(raw)

    def show(self, task_id: str) -> Steps[dict[str, Any]]:
        """A task in the server's words, but for its result, which is as its handler returned it."""
        raw = yield from self._raw(task_id)
        return {name: values.unwrapped(value) if name == "result" else value for name, value in raw.items()}

    def tasks(self, wanted: TaskFilter) -> Steps[TaskPage]:
        """A page may be shorter than its limit: `_` stands for any character to the server, and only to it."""
        for name, value in asdict(wanted).items():
            if value is not None and name not in FOUND_BY:
                raise self._lacks(f"cannot look for tasks by {name}; ask for a status or a type")
        limit, offset, status = _page_of(wanted)
        page = tasks.list_tasks(status=status, type=wanted.task_type, limit=limit, offset=offset)
        listed = items(self._data((yield from page)))
        if listed is None:
            raise self._foreign("without a list of tasks")
        found = [self._task(raw) for raw in listed]
        kind = wanted.task_type
        return TaskPage(
            tuple(task for task in found if kind is None or task.type.casefold() == kind.casefold()),
            str(offset + len(listed)) if len(listed) >= limit else None,
        )

    def publish(self, wanted: TypeSchema) -> Steps[dict[str, Any]]:
        """Writes only what differs; the schema in the words that this server understands."""
        name, schema = wanted.name, converted(wanted.param_schema)
        known = (yield from tasks.find_type(name)) if tasks.can_be_asked_for(name) else None
        if isinstance(known, Failure):
            raise error_of(known, self._api_url)
        if known is not None and first_difference(schema, known.get("param_schema")) is None:
            if known.get("version") == wanted.version and known.get("is_active", 1):
                return {**known, "unchanged": True}
        elif known is not None and not wanted.allow_breaking:
            raise _would_overwrite(f"{name} is registered there with another schema")
        elif known is None and not wanted.allow_breaking and not tasks.can_be_asked_for(name):
            raise _would_overwrite(f"the server cannot be asked for the name {name}, so it may be taken")
        data = self._data((yield from tasks.register(name, wanted.version, schema)))
        if not isinstance(data, dict):
            raise self._foreign("a registration without a task type")
        return data

    def retry(self, task_id: str) -> Steps[Task]:
        """A failed task stays so there; another one of its type and params takes its place, the same in each try."""
        failed = yield from self.get(task_id)
        if failed.status is not TaskStatus.FAILED:
            raise RequestRefused(
                f"task {task_id} is {failed.status}; only a failed one is tried again", status=409
            )
        wanted = Submission(task_type=failed.type, params=failed.params, run_key=f"retry:{failed.id}")
        return (yield from self.submit(wanted)).task

    def cancel(self, task_id: str) -> Steps[Task]:
        raise self._lacks(f"cannot cancel a task ({task_id} was given)")

    def task_types(self) -> Steps[list[dict[str, Any]]]:
        raise self._lacks("cannot list its task types")

    def children(self, _task_id: str, _limit: int | None, _cursor: str | None) -> Steps[ChildPage]:
        raise self._lacks("keeps no children of a task")

    def logs(self, task_id: str, _wanted: LogFilter) -> Steps[LogPage]:
        raise self._lacks(f"keeps no logs of tasks ({task_id} was given); look into those of the workers")

    def stats(self) -> Steps[dict[str, Any]]:
        raise self._lacks("keeps no statistics; count its tasks by their status")

    def manage(self, request: HttpRequest) -> Steps[dict[str, Any]]:
        raise self._lacks(f"has no {request.call}")

    def _raw(self, task_id: str) -> Steps[dict[str, Any]]:
        """A task's object; a text that is no number would be cast to one, and be a foreign task's."""
        found = (yield from tasks.get_task(task_id)) if tasks.is_number(task_id) else None
        if isinstance(found, Failure):
            raise error_of(found, self._api_url)
        if found is None:
            raise RequestRefused(f"there is no task {task_id}", status=404)
        return found

    def _data(self, answer: Answer) -> Any:
        if isinstance(answer, ApplicationError) and answer.permanently_rejected:
            raise RequestRefused(f"the server cannot store this: {answer.error}", status=answer.status)
        answer = settled(answer)
        if isinstance(answer, Success):
            return answer.data
        raise error_of(answer, self._api_url)

    def _task(self, raw: dict[str, Any]) -> Task:
        try:
            return tasks.read_task(raw)
        except ValueError as error:
            raise self._foreign(f"with something that is no task: {error}") from None

    def _foreign(self, what: str) -> NotATaskManager:
        return NotATaskManager(f"{self._api_url} answered {what}")

    def _lacks(self, what: str) -> NotSupported:
        return NotSupported(f"the TaskManager at {self._api_url} {what}")


def _create(wanted: Submission, params: str) -> Steps[Answer]:
    if wanted.run_key is not None or params == values.NO_PARAMS:
        params = values.with_run_key(params, wanted.run_key or "")
    return tasks.create(wanted.task_type, params)


def _page_of(wanted: TaskFilter) -> tuple[int, int, str | None]:
    """The limit, the offset and the status that are asked for, in the server's words."""
    limit = USUAL_LIMIT if wanted.limit is None else wanted.limit
    cursor = "0" if wanted.cursor is None else wanted.cursor
    if limit < 1:
        raise RequestRefused(f"limit={limit} gives no page; give 1 or more", status=400)
    if not tasks.is_number(cursor) or len(cursor) > MAX_OFFSET_DIGITS:
        raise RequestRefused(f"cursor={cursor!r} is none; give the next_cursor of a page", status=400)
    if wanted.status is None:
        return limit, int(cursor), None
    if wanted.status not in STATUS_WORDS:
        text = f"status={wanted.status!r} is none; give one of {', '.join(STATUS_WORDS)}"
        raise RequestRefused(text, status=400)
    return limit, int(cursor), STATUS_WORDS[wanted.status]


def _would_overwrite(why: str) -> RequestRefused:
    return RequestRefused(
        f"{why}, and publishing would overwrite it for everyone; allow that with allow_breaking=True "
        "(--allow-breaking)",
        status=409,
    )


def _not_created(task_type: str, answer: ApplicationError) -> RequestRefused | None:
    """The error for a task that this server will not create; None where it is no matter of this task."""
    if answer.schema_violation:
        return RequestRefused(_violation(task_type, answer), status=400, faults=faults_of(answer.error))
    if answer.status == 404 and answer.error == UNKNOWN_TYPE:  # noqa: PLR2004
        return RequestRefused(
            f"the server knows no task type {task_type!r}; register it with `prismq-worker plugins --publish` or "
            "TaskManagerClient.publish",
            status=404,
        )
    if answer.permanently_rejected:
        return RequestRefused(f"the server cannot store this task: {answer.error}", status=answer.status)
    return None


def _violation(task_type: str, answer: ApplicationError) -> str:
    if values.RUN_KEY in answer.error:
        return (
            f"the schema that is registered for {task_type} refuses the property {values.RUN_KEY}, without which "
            "neither a run_key nor params without entries can be sent; add it there, as "
            "`prismq-worker plugins --publish` does"
        )
    why = "" if faults_of(answer.error) else f": {answer.error}"
    return f"the params do not fit the schema that is registered for {task_type}{why}"


def faults_of(error: str) -> tuple[Fault, ...]:
    """The fields at fault, as far as the server's sentence can be read."""
    beginning = _VIOLATION.match(error)
    pieces = _NEXT.split(error[beginning.end() :]) if beginning else []
    return tuple(fault for piece in pieces if (fault := _fault(piece)) is not None)


def _fault(piece: str) -> Fault | None:
    if found := _PROPERTY.match(piece):
        return Fault(_pointer(found[2]), WORDS[found[1]])
    if found := _PLACE.match(piece):
        return Fault(_pointer(found[2]), f"{found[1]}{found[3]}")
    return None


def _pointer(place: str) -> str:
    """A place as the server writes it, such as `a.b[0]`, as JSON pointer."""
    return "".join(f"/{escape(step)}" for step in _STEP.findall(place))
