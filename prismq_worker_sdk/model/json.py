"""JSON: its one canonical text, the digest of that text, and where two values differ."""

from __future__ import annotations

import hashlib
import json
from typing import Any

MAX_DEPTH = 128

DRAFT = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of JSON Schema in which params and results are published."""

_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def canonical(value: object) -> str:
    """The one text of a JSON value: keys sorted, no blanks, unescaped.

    Raises:
        ValueError: The value holds NaN or an infinity.
        TypeError: The value is not JSON.
    """
    return _CANONICAL(value)


def digest(value: object) -> str:
    """SHA-256 of the canonical text, in hexadecimal (64 characters)."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def escape(step: object) -> str:
    """A step of a JSON pointer."""
    return str(step).replace("~", "~0").replace("/", "~1")


def first_difference(ours: Any, theirs: Any, pointer: str = "", depth: int = MAX_DEPTH) -> str | None:
    """The JSON pointer of the first place where two values differ, None where they are the same.

    An empty object is the same as an empty list, which PHP does not tell apart.

    Args:
        depth: Levels that are looked at; what lies below is taken for different.
    """
    if ours in ({}, []) and theirs in ({}, []):
        return None
    if not depth or not isinstance(ours, dict | list) or type(ours) is not type(theirs):
        same = isinstance(ours, bool) == isinstance(theirs, bool) and ours == theirs
        return None if depth and same else pointer
    one, other = (dict(enumerate(some) if isinstance(some, list) else some) for some in (ours, theirs))
    for name in dict.fromkeys([*one, *other]):
        place = f"{pointer}/{escape(name)}"
        if name not in one or name not in other:
            return place
        if (found := first_difference(one[name], other[name], place, depth - 1)) is not None:
            return found
    return None
