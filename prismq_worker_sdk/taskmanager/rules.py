"""The rules of the TaskManager, pure: limits, back-off, what breaks a schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

__all__ = [
    "MAX_CHECKPOINT_BYTES",
    "MAX_DEPTH",
    "MAX_ERROR_BYTES",
    "MAX_PARAMS_BYTES",
    "MAX_REQUEST_BYTES",
    "MAX_RESULT_BYTES",
    "UNCONFIRMED_FREE",
    "after_failure",
    "backoff",
    "breaking_changes",
    "expired_error",
    "is_task_type",
    "is_worker_id",
]

Schema: TypeAlias = "Mapping[str, Any] | bool"

MAX_PARAMS_BYTES = 1024 * 1024
MAX_RESULT_BYTES = 8 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_CHECKPOINT_BYTES = 64 * 1024
MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""PROTOCOL, limits."""

UNCONFIRMED_FREE = 10
"""Claims of a task that expire without a sign of life and do not count as attempts (R7)."""

MAX_DEPTH = 256
"""Deepest nesting of a request; any task can be shown and listed, and a worker's deepest result fits."""

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*\Z")


def is_task_type(name: str) -> bool:
    """Whether it follows the naming rule: dotted segments, at most 255 characters."""
    return len(name) <= 255 and _TYPE.match(name) is not None  # noqa: PLR2004


def is_worker_id(name: str) -> bool:
    """Whether it is 1 to 255 printable characters."""
    return 1 <= len(name) <= 255 and name.isprintable()  # noqa: PLR2004


def backoff(attempts: int, *, first: float, ceiling: float) -> float:
    """Seconds before the next attempt.

    Args:
        attempts: How many were made, 1 or more.
    """
    return float(min(ceiling, first * 2.0 ** min(attempts - 1, 60)))


def after_failure(
    attempts: int, most: int, *, retryable: bool | None, delay: float | None, first: float, ceiling: float
) -> float | None:
    """Seconds until a task that failed is tried again, None when it is not.

    Args:
        attempts: How many were made, this one included.
        most: How many it may have.
        retryable: What the worker knows: False for "no further try will help".
        delay: When the worker thinks it may help, seconds.
    """
    if retryable is False or attempts >= most:
        return None
    return backoff(attempts, first=first, ceiling=ceiling) if delay is None else delay


def expired_error(attempts: int) -> str:
    """What is said of a task whose last claim ran out."""
    return f"its worker did not report in time, at attempt {attempts}, the last"


def breaking_changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """How params that fitted the old schema may fail the new one, one sentence each.

    Looks at required fields, removed fields, types, enums and bounds, of nested objects and lists too; a change it
    does not know is taken for harmless.
    """
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in new.get("required", []):
        if name not in old.get("required", []):
            yield f"{path}/{name} becomes required"
    if new.get("additionalProperties") is False:
        if old.get("additionalProperties") is not False:
            yield f"{path or '/'} no longer takes unknown fields"
        for name in before:
            if name not in after:
                yield f"{path}/{name} is taken away"
    for name in before:
        if name in after:
            yield from _changed(before[name], after[name], f"{path}/{name}")
    if "items" in new:
        yield from _changed(old.get("items", True), new["items"], f"{path}/*")


def _changed(old: Schema, new: Schema, path: str) -> Iterator[str]:
    if old is False or new is True:
        return
    if new is False:
        yield f"{path} is no longer taken"
        return
    before = {} if old is True else old
    yield from _narrowed(before, new, path)
    yield from breaking_changes(before, new, path)


def _narrowed(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[str]:
    kinds = _kinds(old) - _kinds(new)
    if "type" in new and (
        "type" not in old or (kinds and not (kinds == {"integer"} and "number" in _kinds(new)))
    ):
        yield f"{path} changes its type from {old.get('type', 'anything')} to {new['type']}"
    if "enum" in new and not set(map(repr, old.get("enum", [object()]))) <= set(map(repr, new["enum"])):
        yield f"{path} takes fewer values"
    for low in ("minimum", "minLength", "minItems", "exclusiveMinimum"):
        if low in new and (low not in old or new[low] > old[low]):
            yield f"{path} has a higher {low}"
    for high in ("maximum", "maxLength", "maxItems", "exclusiveMaximum"):
        if high in new and (high not in old or new[high] < old[high]):
            yield f"{path} has a lower {high}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{path} has another pattern"


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)
