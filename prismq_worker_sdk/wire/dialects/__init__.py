"""The dialects that are known, in the order in which a server's health is shown to them.

A dialect is a folder beside this file whose `DIALECT` stands in `DIALECTS`; nothing else names it.
"""

from __future__ import annotations

from collections.abc import Callable

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import ProbeReply, Unreachable, UnrecognisedServer
from prismq_worker_sdk.wire.dialect import Dialect
from prismq_worker_sdk.wire.dialects import prismq_client, v1
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpRequest
from prismq_worker_sdk.wire.reading import failure_of, rejected

AUTO = "auto"
"""Takes the dialect that the server's health tells."""

DIALECTS: tuple[Dialect, ...] = (v1.DIALECT, prismq_client.DIALECT)

HEALTH = HttpRequest("health", "GET", ("health",))


def dialect_names() -> tuple[str, ...]:
    """What `--dialect` takes."""
    return (AUTO, *(dialect.name for dialect in DIALECTS))


def dialect_choice() -> str:
    """What `--dialect` takes, for people: `auto, v1 or prismq-client`."""
    *first, last = dialect_names()
    return f"{', '.join(first)} or {last}"


def dialects_where(can: Callable[[Capabilities], bool]) -> str:
    """The dialects whose servers can do something, for people: `prismq-client`."""
    return ", ".join(dialect.name for dialect in DIALECTS if can(dialect.capabilities))


def dialect_named(name: str) -> Dialect:
    """The dialect of this name.

    Raises:
        SettingsError: There is none.
    """
    for dialect in DIALECTS:
        if dialect.name == name:
            return dialect
    raise SettingsError(f"dialect={name!r} is none; give {dialect_choice()}")


def recognise(answer: HttpAnswer) -> ProbeReply:
    """What the answer to HEALTH tells of the server, whatever its dialect (R33)."""
    if isinstance(answer, Unreachable):
        return answer
    if answer.status != 200:  # noqa: PLR2004
        failure = failure_of(answer)
        if failure is not None:
            return failure
        return UnrecognisedServer(f"HTTP {answer.status}") if answer.status == 404 else rejected(answer)  # noqa: PLR2004
    for dialect in DIALECTS:
        if (found := dialect.read_health(answer)) is not None:
            return found
    if not answer.is_json:
        kind = answer.headers.get("content-type", "no JSON")
        return UnrecognisedServer(f"its health is {kind}, not JSON")
    return UnrecognisedServer("its health answer has no status, so it is another service")
