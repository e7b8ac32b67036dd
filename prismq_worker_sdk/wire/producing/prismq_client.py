"""Producing on the TaskManager that PrismQ runs today (dialect `prismq-client`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prismq_worker_sdk.errors import NotSupported, PrismqError, RequestRefused
from prismq_worker_sdk.model.protocol import Failure
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire.dialects.prismq_client.answers import Answer, Refused, Said, failure, items, read
from prismq_worker_sdk.wire.dialects.prismq_client.children import create
from prismq_worker_sdk.wire.dialects.prismq_client.claiming import get_task
from prismq_worker_sdk.wire.dialects.prismq_client.registering import can_be_asked_for, register
from prismq_worker_sdk.wire.dialects.prismq_client.schema import converted, same_schema
from prismq_worker_sdk.wire.dialects.prismq_client.tasks import STATUSES, is_number, read_task
from prismq_worker_sdk.wire.dialects.prismq_client.types import find_type
from prismq_worker_sdk.wire.dialects.prismq_client.values import (
    NO_PARAMS,
    unwrapped,
    whole_numbers,
    with_run_key,
)
from prismq_worker_sdk.wire.messages import HttpRequest
from prismq_worker_sdk.wire.producing.caller import Caller
from prismq_worker_sdk.wire.producing.refusals import not_created
from prismq_worker_sdk.wire.producing.values import Created, Submission, TaskFilter, TaskPage, TypeSchema

__all__ = ["PrismqClientWay"]

USUAL_LIMIT = 50
LONGEST_OFFSET = 18

IGNORED = {
    "priority": "it hands out the oldest task first",
    "max_attempts": "its own configuration says how often a task is tried",
    "delay_seconds": "a task may be claimed as soon as it is there",
    "dedupe_key": "it gives the old task for the same type and params, for ever; run_key tells runs apart",
    "parent_id": "it keeps no parents of tasks",
}
"""What a submission cannot say there, and why."""

STATUS_WORDS = {status.value: word for word, status in STATUSES.items()}


class PrismqClientWay:
    """What this server can do of a producer's calls: create, look, list and register."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def submit(self, wanted: Submission) -> Created:
        """The same type and params give the same task, however it stands; a run key makes them others."""
        for name, why in IGNORED.items():
            value = getattr(wanted, name)
            if value is not None:
                raise self._lacks(f"takes no {name} ({value!r} was given): {why}")
        answer = self._create(wanted, wanted.params)
        if isinstance(answer, Refused) and answer.misfit:
            # 1.0 is an integer to JSON Schema, and to this server only when it is written as 1
            whole = whole_numbers(wanted.params)
            answer = self._create(wanted, whole) if _text(whole) != _text(wanted.params) else answer
        if isinstance(answer, Refused) and (refused := not_created(wanted.task_type, answer)) is not None:
            raise refused
        said = self._data(answer)
        if not isinstance(said, dict):
            raise self._caller.foreign("a creation without a task")
        task = self._task({"id": said.get("id"), "type": wanted.task_type, "status": said.get("status")})
        return Created(replace(task, params=dict(wanted.params)), new=said.get("deduplicated") is not True)

    def get(self, task_id: str) -> Task:
        """A task."""
        return self._task(self._raw(task_id))

    def show(self, task_id: str) -> dict[str, Any]:
        """A task in the server's words, but for its result, which is as its handler returned it."""
        raw = self._raw(task_id)
        return {name: unwrapped(value) if name == "result" else value for name, value in raw.items()}

    def tasks(self, wanted: TaskFilter) -> TaskPage:
        """A page may be shorter than its limit: `_` stands for any character to the server, and only to it."""
        for name in ("worker_id", "q"):
            if getattr(wanted, name) is not None:
                raise self._lacks(f"cannot look for tasks by {name}; ask for a status or a type")
        limit, offset, status = _limit(wanted.limit), _offset(wanted.cursor), _status(wanted.status)
        query = {"status": status, "type": wanted.task_type, "limit": str(limit), "offset": str(offset)}
        said = tuple((name, value) for name, value in query.items() if value is not None)
        listed = items(
            self._data(read(self._caller.send(HttpRequest("list", "GET", ("tasks",), query=said))))
        )
        if listed is None:
            raise self._caller.foreign("without a list of tasks")
        found = [self._task(raw) for raw in listed]
        kind = wanted.task_type
        return TaskPage(
            tuple(task for task in found if kind is None or task.type.casefold() == kind.casefold()),
            str(offset + len(listed)) if len(listed) >= limit else None,
        )

    def publish(self, wanted: TypeSchema) -> dict[str, Any]:
        """Writes only what differs; the schema in the words that this server understands."""
        schema = converted(wanted.param_schema)
        known = self._registered(wanted.name)
        if known is not None and same_schema(known.get("param_schema"), schema):
            if known.get("version") == wanted.version and known.get("is_active", 1):
                return {**known, "unchanged": True}
        elif known is not None and not wanted.allow_breaking:
            raise _would_overwrite(f"{wanted.name} is registered there with another schema")
        elif known is None and not wanted.allow_breaking and not can_be_asked_for(wanted.name):
            raise _would_overwrite(
                f"the server cannot be asked for the name {wanted.name}, so it may be taken"
            )
        said = self._data(self._caller.perform(register(wanted.name, wanted.version, schema)))
        if not isinstance(said, dict):
            raise self._caller.foreign("a registration without a task type")
        return said

    def cancel(self, task_id: str) -> Task:
        """Not there."""
        raise self._lacks(f"cannot cancel a task ({task_id} was given)")

    def retry(self, task_id: str) -> Task:
        """A failed task stays so there; another one of its type and params takes its place, the same in each try."""
        failed = self.get(task_id)
        if failed.status is not TaskStatus.FAILED:
            raise RequestRefused(
                f"task {task_id} is {failed.status}; only a failed one is tried again", status=409
            )
        wanted = Submission(task_type=failed.type, params=failed.params, run_key=f"retry:{failed.id}")
        return self.submit(wanted).task

    def task_types(self) -> list[dict[str, Any]]:
        """Not there."""
        raise self._lacks("cannot list its task types")

    def stats(self) -> dict[str, Any]:
        """Not there."""
        raise self._lacks("keeps no statistics; count its tasks by their status")

    def _create(self, wanted: Submission, params: Mapping[str, Any]) -> Answer:
        text = _text(params)
        if wanted.run_key is not None or text == NO_PARAMS:
            text = with_run_key(text, wanted.run_key or "")
        answer: Answer = self._caller.perform(create(wanted.task_type, text))
        return answer

    def _registered(self, name: str) -> dict[str, Any] | None:
        found = self._caller.perform(find_type(name)) if can_be_asked_for(name) else None
        if isinstance(found, Failure):
            raise self._caller.error(found)
        registered: dict[str, Any] | None = found
        return registered

    def _raw(self, task_id: str) -> dict[str, Any]:
        """A task's object; a text that is no number would be cast to one, and be a foreign task's."""
        found = self._caller.perform(get_task(task_id)) if is_number(task_id) else None
        if isinstance(found, Failure):
            raise self._caller.error(found)
        if found is None:
            raise RequestRefused(f"there is no task {task_id}", status=404)
        raw: dict[str, Any] = found
        return raw

    def _data(self, answer: Answer) -> Any:
        match answer:
            case Said(data=data):
                return data
            case Refused():
                raise self._refused(answer)
        raise self._caller.error(answer)

    def _refused(self, answer: Refused) -> PrismqError:
        if answer.never_fits:
            return RequestRefused(f"the server cannot store this: {answer.error}", status=answer.status)
        return self._caller.error(failure(answer))

    def _task(self, raw: dict[str, Any]) -> Task:
        try:
            return read_task(raw)
        except ValueError as error:
            raise self._caller.foreign(f"with something that is no task: {error}") from None

    def _lacks(self, what: str) -> NotSupported:
        return NotSupported(f"the TaskManager at {self._caller.api_url} {what}")


def _text(params: Mapping[str, Any]) -> str:
    return json.dumps(dict(params), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _limit(said: int | None) -> int:
    if said is None:
        return USUAL_LIMIT
    if said < 1:
        raise RequestRefused(f"limit={said} gives no page; give 1 or more", status=400)
    return said


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not is_number(cursor) or len(cursor) > LONGEST_OFFSET:
        raise RequestRefused(f"cursor={cursor!r} is none; give the next_cursor of a page", status=400)
    return int(cursor)


def _status(said: str | None) -> str | None:
    if said is None:
        return None
    if said not in STATUS_WORDS:
        raise RequestRefused(f"status={said!r} is none; give one of {', '.join(STATUS_WORDS)}", status=400)
    return STATUS_WORDS[said]


def _would_overwrite(why: str) -> RequestRefused:
    return RequestRefused(
        f"{why}, and publishing would overwrite it for everyone; allow that with allow_breaking=True "
        "(--allow-breaking)",
        status=409,
    )
