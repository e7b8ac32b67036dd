"""Are the handlers' task types registered, under the same name and with the same parameters."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prismq_worker_sdk.cli.doctoring.asking import Reply, body_of, status_of
from prismq_worker_sdk.cli.doctoring.finding import Finding, bad, ok, warn
from prismq_worker_sdk.cli.doctoring.schemas import as_stored_there, first_difference, published_there
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model.protocol import Failure, Unreachable
from prismq_worker_sdk.wire.dialects.prismq_client.schema import broken_pattern
from prismq_worker_sdk.wire.dialects.prismq_client.task_types import can_be_asked_for, type_number
from prismq_worker_sdk.wire.reading import detail_of

__all__ = [
    "missing_on_prismq_client",
    "missing_on_v1",
    "on_prismq_client",
    "on_v1",
    "publishing",
    "same_name_there",
]

CHECK = "type"
MOST_NAMED = 3
"""Types that are named in one finding."""


def publishing(plugins: Iterable[str]) -> str:
    """The command that registers the types of these plugins."""
    named = [word for name in plugins for word in ("--plugin", name)]
    return shlex.join(["prismq-worker", "plugins", "--publish", *named])


def on_v1(handler: Handler, reply: Reply, *, publish: str) -> Finding | None:
    """A type on a server with the calls for producers; None for one that is missing there."""
    name = handler.task_type
    if isinstance(reply, Unreachable):
        return warn(CHECK, f"{name}: no answer about it ({reply.reason})", "ask again")
    if status_of(reply) == 404:  # noqa: PLR2004
        return None
    if status_of(reply) != 200:  # noqa: PLR2004
        return warn(CHECK, f"{name}: no answer about it ({detail_of(reply)})", "ask again")
    found = body_of(reply)
    return _compared(name, handler.params.schema, found.get("param_schema"), found.get("version"), publish)


def missing_on_v1(names: Sequence[str], *, publish: str) -> Finding:
    """Types that are missing there, which are claimed all the same."""
    text = (
        f"{_some(names)} not registered: tasks are created with any params, and wrong ones fail in the worker"
    )
    return warn(CHECK, text, publish)


def missing_on_prismq_client(names: Sequence[str], *, publish: str) -> Finding:
    """Types that are missing there, which cannot be claimed."""
    whose = "its" if len(names) == 1 else "their"
    return bad(CHECK, f"{_some(names)} not registered, so that none of {whose} tasks can be claimed", publish)


def _some(names: Sequence[str]) -> str:
    """The names, as far as there is room for them, and the verb."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more} {'is' if len(names) == 1 else 'are'}"


def on_prismq_client(
    handler: Handler, found: dict[str, Any] | Failure | None, *, publish: str
) -> Finding | None:
    """A type on the server that PrismQ runs today, which hands out tasks by the number of a registered type only.

    None for one that is missing there.
    """
    name = handler.task_type
    if not can_be_asked_for(name):
        text = f"{name} can never be claimed: the server takes '/api' out of every path, so it cannot be looked up"
        return bad(CHECK, text, "give the type a name that does not begin with api")
    if isinstance(found, Failure):
        return bad(CHECK, f"{name}: no answer about it ({found.reason})", "ask again")
    if found is None or type_number(found) is None:
        return None
    if found.get("is_active") in {0, "0"}:
        return warn(
            CHECK, f"{name} is switched off there: no new tasks are created", f"{publish} switches it on"
        )
    spelled = found.get("name")
    if spelled != name:
        text = f"{name} is spelled {spelled} there: tasks of both spellings come, but equal ones are created twice"
        return warn(CHECK, text, "spell it alike everywhere")
    if (pattern := broken_pattern(found.get("param_schema"))) is not None:
        text = f"{name} is registered with the pattern {pattern!r}: its # ends it there, so that every task is refused"
        return warn(CHECK, text, rf"{publish} --allow-breaking, or write \x23 for # in it")
    ours, theirs = published_there(handler.params.schema), as_stored_there(found.get("param_schema"))
    return _compared(name, ours, theirs, found.get("version"), publish)


def same_name_there(handlers: Sequence[Handler]) -> Iterator[Finding]:
    """Types that differ in upper and lower case only, which are one type for the server in production."""
    alike: dict[str, list[str]] = defaultdict(list)
    for handler in handlers:
        alike[handler.task_type.casefold()].append(handler.task_type)
    for names in alike.values():
        if len(names) > 1:
            text = f"{' and '.join(names)} are one type there, and each gets the other's tasks"
            yield bad(CHECK, text, "rename one of them")


def _compared(name: str, ours: Any, theirs: Any, version: object, publish: str) -> Finding:
    place = first_difference(ours, theirs)
    if place is None:
        said = f", version {version}" if isinstance(version, str) and version else ""
        return ok(CHECK, f"{name} is registered with the params that its handler takes{said}")
    text = f"{name} is registered with other params, first at {place or '/'}: the server and the handler disagree"
    return warn(CHECK, text, publish)
