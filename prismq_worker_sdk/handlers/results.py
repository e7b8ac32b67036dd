"""A handler's result as strict JSON text, or the reason why it cannot go (R14)."""

from __future__ import annotations

import json
import math
from typing import Any

from prismq_worker_sdk.errors import UnfitResult

__all__ = ["MAX_DEPTH", "encode_result"]

MAX_DEPTH = 200
"""Deepest nesting of lists and objects; every JSON reader in use takes it."""


def encode_result(value: Any, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> str:
    """The value as strict JSON text: no NaN, no lone surrogates, text keys only, not too deep, not too large.

    Pydantic models are taken as their JSON form; anything else that JSON does not know is refused.

    Args:
        max_bytes: The largest text, in bytes of UTF-8.

    Raises:
        UnfitResult: It cannot go; says what and where.
    """
    plain = _plain(value, "result", max_depth)
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    size = len(text.encode("utf-8"))
    if size > max_bytes:
        raise UnfitResult(
            f"the result is {size} bytes of JSON, {max_bytes} at most can be sent; return less, or store it "
            "elsewhere and return where"
        )
    return text


def _plain(value: Any, place: str, depth: int) -> Any:
    """The value with models turned into JSON types, every part checked."""
    if depth < 0:
        raise UnfitResult(f"the result is nested too deep (at {place[:80]}…), or contains itself; flatten it")
    if isinstance(value, str):
        return _text(value, place)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UnfitResult(f"{place} is {value}, which JSON does not know; return None or a text instead")
        return value
    if isinstance(value, dict):
        return {_key(key, place): _plain(item, f"{place}.{key}", depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{index}]", depth - 1) for index, item in enumerate(value)]
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return _plain(dump(mode="json"), place, depth - 1)
    raise UnfitResult(
        f"{place} is a {type(value).__name__}, which JSON does not know; return dicts, lists, texts, numbers, "
        "booleans, None or a pydantic model"
    )


def _key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise UnfitResult(f"{place} has the key {key!r} of type {type(key).__name__}; JSON keys are texts")
    return _text(key, place)


def _text(text: str, place: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnfitResult(
            f"{place} has a lone surrogate at character {error.start}, which UTF-8 cannot carry; clean the text"
        ) from None
    return str(text)
