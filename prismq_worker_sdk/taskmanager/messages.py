"""What requests must look like; read once, at the edge."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect

from prismq_worker_sdk.errors import Fault
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.rules import (
    MAX_DEPTH,
    MAX_ERROR_BYTES,
    MAX_PARAMS_BYTES,
    MAX_REQUEST_BYTES,
    MAX_RESULT_BYTES,
    is_task_type,
    is_worker_id,
)

__all__ = [
    "ClaimRequest",
    "CompleteRequest",
    "FailRequest",
    "Message",
    "NewTask",
    "NewTaskType",
    "TaskFilter",
    "TaskTypeName",
    "WorkerId",
    "body_of",
    "json_text",
    "read",
]

M = TypeVar("M", bound=BaseModel)


def _worker_id(value: str) -> str:
    if not is_worker_id(value):
        raise ValueError("must be 1 to 255 printable characters")
    return value


def _task_type(value: str) -> str:
    if not is_task_type(value):
        raise ValueError("must be dotted names such as PrismQ.YouTube.ScrapeShorts, at most 255 characters")
    return value


WorkerId = Annotated[str, AfterValidator(_worker_id)]
TaskTypeName = Annotated[str, AfterValidator(_task_type)]


class Message(BaseModel):
    """The base of requests: values are not coerced, unknown fields are passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class ClaimRequest(Message):
    """`POST /tasks/claim`."""

    worker_id: WorkerId
    task_types: list[str] = Field(min_length=1, max_length=1000)


class CompleteRequest(Message):
    """`POST /tasks/{id}/complete`."""

    worker_id: WorkerId
    result: Any = None


class FailRequest(Message):
    """`POST /tasks/{id}/fail`."""

    worker_id: WorkerId
    error: str


class NewTask(Message):
    """`POST /tasks`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    type: TaskTypeName
    params: dict[str, Any] = Field(default_factory=dict)
    priority: int = Field(0, ge=-1_000_000, le=1_000_000)
    max_attempts: int | None = Field(None, ge=1, le=1000)
    delay_seconds: float | None = Field(None, ge=0, le=366 * 86400)
    dedupe_key: str | None = Field(None, min_length=1, max_length=255)
    parent_id: str | None = Field(None, min_length=1, max_length=36)


class NewTaskType(Message):
    """`PUT /task-types/{name}`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    version: str = Field(min_length=1, max_length=64)
    param_schema: dict[str, Any]
    result_schema: dict[str, Any] | None = None
    allow_breaking: bool = False


class TaskFilter(BaseModel):
    """The query of `GET /tasks`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Annotated[str | None, Field(pattern="^(pending|processing|completed|failed)$")] = None
    type: str | None = None
    worker_id: str | None = None
    q: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None


async def body_of(request: Request, model: type[M]) -> M:
    """The body of a request as this model.

    Raises:
        Problem: 413 too large, 400 no JSON, 422 it does not fit; names each field.
    """
    text = await _text_of(request)
    try:
        found = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Problem(400, f"the body is no JSON: {reason[:200]}") from None
    if not isinstance(found, dict):
        raise Problem(422, "the body must be a JSON object")
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper_than(MAX_DEPTH, found):
        raise Problem(422, f"the body is nested too deep; {MAX_DEPTH} levels at most are taken")
    message = read(model, found)
    _check_sizes(message)
    if "\\u" in text:
        _encoded("the body", json_text(found))
    return message


async def _text_of(request: Request) -> str:
    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            if len(data) > MAX_REQUEST_BYTES:
                raise Problem(413, f"the request is larger than {MAX_REQUEST_BYTES} bytes")
        return data.decode("utf-8")
    except ClientDisconnect:
        raise Problem(400, "the body was cut off") from None
    except UnicodeDecodeError:
        raise Problem(400, "the body is no UTF-8") from None


def read(model: type[M], found: Any) -> M:
    """The value as this model.

    Raises:
        Problem: 422 it does not fit; names each field.
    """
    try:
        return model.model_validate(found)
    except ValidationError as error:
        faults = tuple(
            Fault(
                "".join(f"/{_escaped(step)}" for step in fault["loc"]),
                fault["msg"].removeprefix("Value error, "),
            )
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise Problem(422, "; ".join(map(str, faults)), faults) from None


def json_text(value: Any) -> str:
    """JSON as it is stored and measured."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _check_sizes(message: BaseModel) -> None:
    match message:
        case CompleteRequest(result=result):
            _at_most(MAX_RESULT_BYTES, "result", json_text(result))
        case FailRequest(error=error):
            _at_most(MAX_ERROR_BYTES, "error", error)
        case NewTask(params=params):
            _at_most(MAX_PARAMS_BYTES, "params", json_text(params))


def _at_most(limit: int, name: str, text: str) -> None:
    size = len(_encoded(name, text))
    if size > limit:
        raise Problem(413, f"{name} is {size} bytes, {limit} at most are taken")


def _encoded(name: str, text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Problem(422, f"{name} has a lone surrogate, which UTF-8 cannot carry") from None


def _deeper_than(limit: int, found: object) -> bool:
    level: list[Any] = [found]
    for _step in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:40]} is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
