"""Whether a registered parameter schema is the one of the handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prismq_worker_sdk.wire.dialects.prismq_client.values import RUN_KEY

__all__ = ["first_difference", "kept_by_prismq_client"]

CHECKED_THERE = {
    "type", "required", "properties", "items", "minLength", "maxLength", "pattern",
    "minimum", "maximum", "minItems", "maxItems", "enum",
}  # fmt: skip
"""The keywords that are compared: those that the server in production checks.

`additionalProperties` is left out: a key of our own among the params must pass there (see RUN_KEY).
"""


def first_difference(ours: Any, theirs: Any, pointer: str = "") -> str | None:
    """The JSON pointer of the first place where two values differ, None where they are the same."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in ours or name not in theirs:
                return place
            if (found := first_difference(ours[name], theirs[name], place)) is not None:
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if (found := first_difference(one, other, f"{pointer}/{number}")) is not None:
                return found
        return None if len(ours) == len(theirs) else f"{pointer}/{min(len(ours), len(theirs))}"
    same_kind = isinstance(ours, bool) == isinstance(theirs, bool)
    return None if same_kind and ours == theirs else pointer


def kept_by_prismq_client(schema: Any) -> Any:
    """What the server in production makes of a schema, both as it is sent and as it comes back.

    Only what it checks is left; it gives an empty object back as an empty list, and `required` is a set.
    """
    if not isinstance(schema, Mapping):
        return {}
    kept: dict[str, Any] = {}
    for name in sorted(CHECKED_THERE & set(schema)):
        value = schema[name]
        if name == "properties":
            kept[name] = (
                {key: kept_by_prismq_client(inner) for key, inner in value.items() if key != RUN_KEY}
                if isinstance(value, Mapping)
                else {}
            )
        elif name == "items":
            kept[name] = kept_by_prismq_client(value)
        elif name == "required":
            kept[name] = sorted(value) if isinstance(value, list) else []
        else:
            kept[name] = value
    return {name: value for name, value in kept.items() if value not in ({}, [])}
