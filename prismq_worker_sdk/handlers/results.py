"""A handler's result, or another value that it gives, as strict JSON text, or the reason why it cannot go (R14)."""

from __future__ import annotations

import json
import math
from typing import Any

from prismq_worker_sdk.errors import UnfitResult

MAX_DEPTH = 200
"""Deepest nesting of lists and objects; every JSON reader in use takes it."""

MAX_BITS = 14_000
"""Longest whole number, some 4200 digits; Python neither writes nor reads longer ones."""


_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

LONGEST_CHARACTER = 4
"""Bytes in UTF-8."""


def encode_result(value: Any, *, max_bytes: int, max_depth: int = MAX_DEPTH, name: str = "result") -> str:
    """The value as strict JSON text: no NaN, no lone surrogates, text keys only, not too deep, not too large.

    Pydantic models are taken as their JSON form; anything else that JSON does not know is refused.

    Args:
        max_bytes: The largest text, in bytes of UTF-8.
        name: What the value is, for the sentence that refuses it.

    Raises:
        UnfitResult: It cannot go; says what and where.
    """
    plain = _plain(value, name, max_depth)
    text = _ENCODE(plain)
    if LONGEST_CHARACTER * len(text) <= max_bytes:
        return text
    size = len(text.encode("utf-8"))
    if size > max_bytes:
        raise UnfitResult(
            f"the {name} is {size} bytes of JSON, {max_bytes} at most can be sent; make it smaller, or store "
            "it elsewhere and say where"
        )
    return text


def _plain(value: Any, place: str, depth: int) -> Any:
    """The value with models turned into JSON types, every part checked."""
    if isinstance(value, str):
        return _text(value, place)
    if value is None or isinstance(value, bool | int):
        return _whole(value, place)
    if isinstance(value, float):
        return _finite(value, place)
    if depth == 0:
        raise UnfitResult(f"{place[:80]}… is nested too deep, or contains itself; flatten it")
    if isinstance(value, dict):
        return {_key(key, place): _plain(item, f"{place}.{key}", depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{index}]", depth - 1) for index, item in enumerate(value)]
    if callable(getattr(value, "model_dump", None)) and not isinstance(value, type):
        return _plain(_dumped(value, place, depth), place, depth)
    raise UnfitResult(
        f"{place} is of type {type(value).__name__}, which JSON does not know; use dicts, lists, texts, numbers, "
        "booleans, None or a pydantic model"
    )


def _dumped(model: Any, place: str, depth: int) -> Any:
    """The JSON form of a model; a NaN in it is refused like any other, though pydantic may write null for it."""
    try:
        _all_finite(model.model_dump(), place, depth)
        dumped = model.model_dump(mode="json")
    except (TypeError, ValueError, RecursionError) as error:
        raise UnfitResult(
            f"{place} is of type {type(model).__name__}, which has no JSON form: {error}"
        ) from None
    if isinstance(dumped, str | int | float | dict | list) or dumped is None:
        return dumped
    raise UnfitResult(f"{place} is of type {type(model).__name__}, whose model_dump gives no JSON")


def _all_finite(value: Any, place: str, depth: int) -> None:
    if isinstance(value, float):
        _finite(value, place)
    elif isinstance(value, dict) and depth > 0:
        for key, item in value.items():
            _all_finite(item, f"{place}.{key}", depth - 1)
    elif isinstance(value, list | tuple) and depth > 0:
        for index, item in enumerate(value):
            _all_finite(item, f"{place}[{index}]", depth - 1)


def _finite(value: float, place: str) -> float:
    if not math.isfinite(value):
        raise UnfitResult(f"{place} is {value}, which JSON does not know; use None or a text instead")
    return value


def _whole(value: int | None, place: str) -> int | None:
    if value is not None and value.bit_length() > MAX_BITS:
        raise UnfitResult(f"{place} is a number of more digits than JSON readers take; make it a text")
    return value


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
    return str.__str__(text)
