"""What an answer of the server says: its health, data, a refusal in its words, or a failure that every dialect knows.

The application answers `{"success": …}`, the middleware before it `{"error": title, "message": text}`; neither the
content type nor, with PHP's warnings on, the first bytes can be relied on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import (
    Failure,
    Rejected,
    ServerInfo,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.wire.dialects.prismq_client.values import MAX_TEXT_BYTES
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpReply
from prismq_worker_sdk.wire.reading import failure_of, retry_after, strip_surrogates

NAME = "prismq-client"

ROOM_FOR_KEY = 255
"""Bytes of a child's params that its key takes (R22)."""

CAPABILITIES = Capabilities(
    creates=True,
    fences=True,
    finds_claims=True,
    orders_claims=True,
    tells_progress=True,
    retries_at_once=True,
    max_result_bytes=MAX_TEXT_BYTES,
    max_params_bytes=MAX_TEXT_BYTES - ROOM_FOR_KEY,
)
"""One task a claim, one report a call; no renewal, no release, no delay."""

MAX_WORDS = 500

EMPTY_QUEUE = {(500, "There is no active transaction"), (404, "No available tasks")}
"""How "nothing to do" is said: as deployed, and by a repaired server."""

NO_ENDPOINT = "Endpoint not found"


@dataclass(frozen=True, slots=True)
class Success:
    """A good answer: what stands in `data`."""

    data: Any


@dataclass(frozen=True, slots=True)
class ApplicationError:
    """The application's own word, `success: false`."""

    status: int
    error: str

    @property
    def empty_queue(self) -> bool:
        """Whether there is nothing to do."""
        return (self.status, self.error) in EMPTY_QUEUE

    @property
    def deadlocked(self) -> bool:
        """Whether the database rolled back because of somebody else; the same request may pass at once."""
        return self.status == 500 and "SQLSTATE[40001]" in self.error  # noqa: PLR2004

    @property
    def duplicate(self) -> bool:
        """Whether the same task was created in this very moment; a repeat finds it."""
        return self.status == 500 and "SQLSTATE[23000]" in self.error  # noqa: PLR2004

    @property
    def schema_violation(self) -> bool:
        """Whether the params do not fit the registered schema."""
        return self.status == 400 and self.error.startswith("Parameter validation failed")  # noqa: PLR2004

    @property
    def permanently_rejected(self) -> bool:
        """Whether the content is what the database, or the size limit before it, refuses: now and for ever."""
        too_long = "SQLSTATE[22001]" in self.error or "SQLSTATE[22007]" in self.error
        return (self.status == 500 and too_long) or self.status == 413 or "Invalid JSON" in self.error  # noqa: PLR2004


Answer: TypeAlias = Success | ApplicationError | Failure


def read(reply: HttpAnswer) -> Answer:
    """What an answer says, whatever its content type."""
    if isinstance(reply, Unreachable):
        return reply
    status, body = reply.status, envelope(reply)
    if body is not None and "success" in body:
        if body["success"] is True:
            return Success(body.get("data"))
        return ApplicationError(status, _words(body))
    if 300 <= status < 400:  # noqa: PLR2004
        return failure_of(reply) or Rejected(status, "a redirect")
    words = "" if body is None else _words(body)
    match status:
        case 401 | 403:
            return Unauthorised(words or f"HTTP {status}")
        case 429:
            return Throttled(words or "HTTP 429", retry_after(reply), limited=True)
        case 413:
            return ApplicationError(413, words or "HTTP 413: the body is too large")
        case 200:
            return Unreachable("HTTP 200 without an answer in it")
        case 404 | 405:
            return UnrecognisedServer(f"HTTP {status}, not a TaskManager's answer")
        case _:
            return failure_of(reply) or Rejected(status, words or f"HTTP {status}")


def failure(answer: ApplicationError) -> Failure:
    """A refusal that no call gives a meaning of its own."""
    if answer.error == NO_ENDPOINT:
        return UnrecognisedServer(f"HTTP {answer.status} {NO_ENDPOINT}: this path does not exist there")
    if answer.status >= 500:  # noqa: PLR2004
        return Unreachable(f"HTTP {answer.status}: {answer.error}")
    return Rejected(answer.status, answer.error)


def settled(answer: Answer) -> Success | Failure:
    """An answer to a call that gives no refusal a meaning of its own."""
    return failure(answer) if isinstance(answer, ApplicationError) else answer


def is_empty_queue(reply: HttpReply) -> bool:
    """Whether a claim was answered with "nothing to do"; the same words also answer an unknown type number."""
    answer = read(reply)
    return isinstance(answer, ApplicationError) and answer.empty_queue


def items(data: Any) -> list[dict[str, Any]] | None:
    """The objects of an answer: of `items`, or the object itself as a repaired server sends it; None for neither."""
    if isinstance(data, dict) and isinstance(data.get("items"), list):
        return [one for one in data["items"] if isinstance(one, dict)]
    if isinstance(data, list):
        return [one for one in data if isinstance(one, dict)]
    return [data] if isinstance(data, dict) and data else None


def not_found(answer: Answer) -> bool:
    """Whether a repaired server says that there is no such thing; a path that does not exist is none of it."""
    return isinstance(answer, ApplicationError) and answer.status == 404 and answer.error != NO_ENDPOINT  # noqa: PLR2004


def found_item(answer: Answer) -> dict[str, Any] | Failure | None:
    """The object that was asked for, None where there is none: `items: []` as deployed, 404 where repaired."""
    said = settled(answer)
    if isinstance(said, Success):
        return next(iter(items(said.data) or []), None)
    return None if not_found(answer) else said


def read_health(reply: HttpReply) -> ServerInfo | None:
    """What a health answer tells of such a server; None when it is none of this dialect."""
    body = envelope(reply)
    if body is None or body.get("success") is not True or not isinstance(body.get("data"), dict):
        return None
    return ServerInfo(NAME, CAPABILITIES) if isinstance(body["data"].get("status"), str) else None


def envelope(reply: HttpReply) -> dict[str, Any] | None:
    """The JSON object of a body, also behind warnings that PHP wrote before it."""
    found = reply.json
    if not reply.is_json:
        start = reply.body.find(b'{"')
        try:
            found = json.loads(reply.body[start:]) if start > 0 else None
        except (ValueError, RecursionError):
            found = None
    return found if isinstance(found, dict) else None


def _words(body: dict[str, Any]) -> str:
    """What the body says, for people: the middleware's `error` is a title, its `message` the text."""
    texts = [body.get("message") if "success" not in body else None, body.get("error"), body.get("message")]
    words = next((one for one in texts if isinstance(one, str) and one), "no reason given")
    details = body.get("details")
    if isinstance(details, list) and details:
        words += ": " + "; ".join(str(one) for one in details)
    return strip_surrogates(words[:MAX_WORDS])
