"""The API key in what a server says: answers are read as they are, and what is told of them does not repeat the key."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from functools import cache, lru_cache
from operator import is_
from typing import Any, TypeVar

from prismq_worker_sdk.decide.redaction import MARK, SHORTEST
from prismq_worker_sdk.errors import PrismqError, RequestRefused

T = TypeVar("T")

TEXTS = {"reason", "detail", "notice"}
"""The fields of answers that hold a server's own words."""

PARTS = {"reports", "tasks", "renewals"}
"""The fields that hold answers."""


def without_key(text: str, key: str | None) -> str:
    """The text without the key, as a server may write it; one of a letter or two would leave nothing."""
    if key is None or len(key) < SHORTEST:
        return text
    for form in _json_forms(key) if text else ():
        text = text.replace(form, MARK)
    return text


def clean_answer(answer: T, key: str) -> T:
    """An answer whose texts are without the key; itself where they are."""
    changed: dict[str, Any] = {}
    kind: Any = type(answer)
    for name in _fields(kind):
        before = getattr(answer, name)
        if not before:
            continue
        if name in TEXTS:
            after: Any = without_key(before, key)
        elif isinstance(before, tuple):
            after = tuple([clean_answer(one, key) for one in before])
            if all(map(is_, after, before)):
                continue
        else:
            after = clean_answer(before, key)
        if after is not before:
            changed[name] = after
    return replace(answer, **changed) if changed else answer  # type: ignore[type-var]  # it has fields


@cache
def _fields(kind: type) -> tuple[str, ...]:
    """The fields of an answer that may hold a server's own words, themselves or deeper."""
    if not is_dataclass(kind):
        return ()
    return tuple(field.name for field in fields(kind) if field.name in TEXTS | PARTS)


def clean_error(error: PrismqError, key: str | None) -> None:
    """Takes the key out of an error before anybody sees it."""
    error.args = tuple(without_key(one, key) if isinstance(one, str) else one for one in error.args)
    if isinstance(error, RequestRefused):
        error.faults = tuple(
            replace(fault, pointer=without_key(fault.pointer, key), message=without_key(fault.message, key))
            for fault in error.faults
        )


@lru_cache(maxsize=8)
def _json_forms(key: str) -> tuple[str, ...]:
    """How the key may stand in JSON, the longest first; some escape the slash too."""
    escaped = {json.dumps(key, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    forms = {key, *escaped, *(form.replace("/", "\\/") for form in (key, *escaped))}
    return tuple(sorted(forms, key=len, reverse=True))
