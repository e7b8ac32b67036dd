"""JSON as a type, its one canonical text, and the digest of that text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["JsonObject", "JsonValue", "canonical", "digest"]

JsonValue: TypeAlias = "None | bool | int | float | str | list[JsonValue] | dict[str, JsonValue]"
JsonObject: TypeAlias = "Mapping[str, JsonValue]"


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
