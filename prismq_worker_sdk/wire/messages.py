"""HTTP as values: what a dialect asks for, what came back, and calls as the requests that they take."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from prismq_worker_sdk.model.protocol import Unreachable

T = TypeVar("T")

NOT_JSON = object()

compact_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value as JSON text without blanks; lone surrogates stay in it."""


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the members that say something: what is None is left to the server."""
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, below the api_url.

    Attributes:
        call: What it is for, as events name it: `health`, `claim`, `complete`, `fail`, …
        segments: The path below the api_url, unquoted.
        body: JSON text, None for none.
        query: Names and values after the `?`.
        wait: Seconds that the server may wait before it answers; the call may take so much longer.
        within: Seconds that it may take as a whole where it must be sooner over than its kind usually is.
    """

    call: str
    method: str
    segments: tuple[str, ...]
    body: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    wait: float = 0.0
    within: float | None = None


@dataclass(frozen=True)
class HttpReply:
    """One HTTP answer, read to its end.

    Attributes:
        headers: With lower-case names.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def json(self) -> Any:
        """The body as JSON; NOT_JSON where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return NOT_JSON

    @cached_property
    def is_json(self) -> bool:
        """Whether the body is JSON, whatever the content type says."""
        return self.json is not NOT_JSON


HttpAnswer: TypeAlias = HttpReply | Unreachable

Steps: TypeAlias = Generator[HttpRequest, HttpAnswer, T]
"""A call: yields each HTTP request, is sent what came of it, and returns what the call comes to."""


def perform(steps: Steps[T], send: Callable[[HttpRequest], HttpAnswer]) -> T:
    """What a call of a dialect comes to, its requests sent one after the other; what `send` raises ends it."""
    try:
        request = next(steps)
        while True:
            request = steps.send(send(request))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()
