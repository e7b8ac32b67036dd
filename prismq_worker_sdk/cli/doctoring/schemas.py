"""Whether a registered parameter schema is the one of the handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prismq_worker_sdk.wire.dialects.prismq_client.schema import converted

__all__ = ["as_stored_there", "first_difference", "published_there"]


DEEPEST = 128


def first_difference(ours: Any, theirs: Any, pointer: str = "", deepest: int = DEEPEST) -> str | None:
    """The JSON pointer of the first place where two values differ, None where they are the same.

    Args:
        deepest: Levels that are looked at; what lies below is taken for different.
    """
    if not deepest:
        return pointer
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in ours or name not in theirs:
                return place
            if (found := first_difference(ours[name], theirs[name], place, deepest - 1)) is not None:
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if (found := first_difference(one, other, f"{pointer}/{number}", deepest - 1)) is not None:
                return found
        return None if len(ours) == len(theirs) else f"{pointer}/{min(len(ours), len(theirs))}"
    same_kind = isinstance(ours, bool) == isinstance(theirs, bool)
    return None if same_kind and ours == theirs else pointer


def published_there(schema: Mapping[str, Any]) -> Any:
    """A handler's schema as it is registered on the server in production, and comes back from it."""
    return as_stored_there(converted(schema))


def as_stored_there(value: Any, deepest: int = DEEPEST) -> Any:
    """A value with its empty objects as empty lists, which PHP does not tell apart; its uppermost levels."""
    if not deepest:
        return value
    if isinstance(value, Mapping):
        return {name: as_stored_there(inner, deepest - 1) for name, inner in value.items()} or []
    return [as_stored_there(inner, deepest - 1) for inner in value] if isinstance(value, list) else value
