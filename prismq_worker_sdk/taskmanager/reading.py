"""Requests, read once, at the edge; and the JSON that is stored and answered."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from prismq_worker_sdk.errors import Fault
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.rules import MAX_DEPTH, MAX_REQUEST_BYTES

M = TypeVar("M", bound=BaseModel)

json_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""JSON as it is answered and measured."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


async def body_of(request: Request, model: type[M]) -> M:
    """The body of a request as this model.

    Raises:
        Problem: 413 too large, 400 no JSON, 422 it does not fit; names each field.
    """
    text = await _text_of(request)
    try:
        found = _decode(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Problem(400, f"the body is no JSON: {reason[:200]}") from None
    if not isinstance(found, dict):
        raise Problem(422, "the body must be a JSON object")
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper_than(MAX_DEPTH, found):
        raise Problem(422, f"the body is nested too deep; {MAX_DEPTH} levels at most are taken")
    if _SURROGATE.search(text):
        at_most(MAX_REQUEST_BYTES, "the body", json_text(found))
    return read(model, found)


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


def at_most(limit: int, name: str, text: str) -> None:
    """Raises Problem 413 for a text of more UTF-8 bytes, 422 for one that UTF-8 cannot carry."""
    try:
        size = size_of(text)
    except UnicodeEncodeError:
        raise Problem(422, f"{name} has a lone surrogate, which UTF-8 cannot carry") from None
    if size > limit:
        raise Problem(413, f"{name} is {size} bytes, {limit} at most are taken")


def size_of(text: str) -> int:
    """Bytes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


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


_decode = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode
