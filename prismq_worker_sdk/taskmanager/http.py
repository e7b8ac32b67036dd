"""What goes over HTTP: bodies, read once at the edge; answers as JSON; refusals as RFC 9457 problems."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from prismq_worker_sdk.errors import Fault
from prismq_worker_sdk.model.json import escape
from prismq_worker_sdk.taskmanager.rules import MAX_DEPTH, MAX_REQUEST_BYTES, is_task_type

M = TypeVar("M", bound=BaseModel)

json_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""JSON as it is answered and measured."""
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer: caches do not know whom X-API-Key lets see it, and no browser is to take a text for HTML."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Problem(Exception):  # noqa: N818 - the RFC's word
    """A request that is refused.

    Args:
        detail: One sentence: what and why.
        faults: The fields at fault.
        headers: Of its answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        faults: tuple[Fault, ...] = (),
        *,
        headers: Mapping[str, str] = {},
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults, self.headers = status, detail, faults, headers

    def text(self) -> str:
        """The problem as JSON."""
        title = HTTPStatus(self.status).phrase
        body = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        errors = [{"pointer": fault.pointer, "message": fault.message} for fault in self.faults]
        return json_text({**body, "errors": errors} if errors else body)

    def answer(self, headers: Mapping[str, str] | None = None) -> Response:
        """The problem on the wire."""
        all_headers = {**HEADERS, **self.headers, **(headers or {})}
        return Response(self.text(), self.status, all_headers, media_type="application/problem+json")


class Route(APIRoute):
    """A route whose function gets the request and its path, and gives the response; its checks need the request only.

    FastAPI's own way through a function's parameters would cost as much as the rest of a small call.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers."""
        checks = [one.dependency for one in self.dependencies if one.dependency is not None]

        async def handle(request: Request) -> Response:
            begun, status = time.perf_counter(), "5xx"
            try:
                for check in checks:
                    await check(request)
                response = await self.respond(request, **request.path_params)
                status = str(response.status_code)
            except Problem as problem:
                status = str(problem.status)
                raise
            finally:
                calls = request.app.state.taskmanager.calls
                calls.add(request.method, self.path_format, status, time.perf_counter() - begun)
            return response

        return handle

    async def respond(self, request: Request, **path: Any) -> Response:
        """The response of an admitted request."""
        found: Response = await self.endpoint(request, **path)
        return found


def answer(text: str, status: int = 200) -> Response:
    """JSON text on the wire."""
    return Response(text, status, HEADERS, media_type="application/json")


def takes(model: type[BaseModel], *, needed: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is this model: what is read by hand is named by hand."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": needed, "content": {"application/json": {"schema": schema}}}}


async def body_of(request: Request, model: type[M], *, needed: bool = True) -> M:
    """The body of a request as this model.

    Args:
        needed: Whether an empty body is none; else it is `{}`.

    Raises:
        Problem: 413 too large, 400 no JSON, 422 it does not fit; names each field.
    """
    text = await _text_of(request) or ("" if needed else "{}")
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
            Fault(_pointer(one["loc"]), one["msg"].removeprefix("Value error, "))
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        )
        said = "; ".join(str(fault) if fault.pointer else fault.message for fault in faults)
        raise Problem(422, said, faults) from None


def at_most(limit: int, name: str, text: str) -> None:
    """Raises Problem 413 for a text of more UTF-8 bytes, 422 for one that UTF-8 cannot carry."""
    try:
        size = size_of(text)
    except UnicodeEncodeError:
        raise Problem(422, f"{name} has a lone surrogate, which UTF-8 cannot carry") from None
    if size > limit:
        raise Problem(413, f"{name} is {size} bytes, {limit} at most are taken")


def must_be_task_type(name: str) -> None:
    """Raises Problem 422 for a name that no task type can have."""
    if not is_task_type(name):
        raise Problem(
            422, f"{name[:300]!r} is no task type; write dotted names such as PrismQ.YouTube.ScrapeShorts"
        )


def must_be_name(name: str) -> None:
    """Raises Problem 422 for a name that no schedule and no alert can have."""
    if not _NAME.fullmatch(name):
        raise Problem(422, f"{name[:200]!r} is no name; write up to 128 letters, digits, dots, - or _")


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
        inside = (child for node in level for child in (node.values() if isinstance(node, dict) else node))
        level = [child for child in inside if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _pointer(steps: tuple[str | int, ...]) -> str:
    return "".join(f"/{escape(step)}" for step in steps)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:40]} is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decode = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode
