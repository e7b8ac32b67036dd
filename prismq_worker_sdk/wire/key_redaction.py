"""The API key in what a server says: answers are read as they are, and what is told of them does not repeat the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar

from prismq_worker_sdk.decide.redaction import MARK, SHORTEST
from prismq_worker_sdk.errors import PrismqError, RequestRefused

T = TypeVar("T")
WORDS = {"reason", "detail", "notice"}
"""The fields of answers that hold words of a server."""
PARTS = {"reports", "tasks", "renewals"}
"""The fields that hold answers."""


def without_key(text: str, key: str | None) -> str:
    """The text without the key, as a server may write it; one of a letter or two would leave nothing."""
    if key is None or len(key) < SHORTEST:
        return text
    for form in sorted(_json_forms(key), key=len, reverse=True):
        text = text.replace(form, MARK)
    return text


def clean_answer(answer: T, clean: Callable[[str], str]) -> T:
    """An answer whose words are clean."""
    if isinstance(answer, tuple):
        parts: Any = tuple(clean_answer(one, clean) for one in answer)
        return parts  # type: ignore[no-any-return]  # a tuple as it was
    whole: Any = answer
    kind: type = type(answer)
    changed: dict[str, Any] = {}
    for name in _looked_at(kind):
        before = getattr(answer, name)
        if not before:
            continue
        after = clean(before) if name in WORDS else clean_answer(before, clean)
        if after != before:
            changed[name] = after
    return replace(whole, **changed) if changed else whole  # type: ignore[no-any-return]  # of the same type


@cache
def _looked_at(kind: type) -> tuple[str, ...]:
    """The fields of an answer that may hold words of a server."""
    if not is_dataclass(kind):
        return ()
    return tuple(field.name for field in fields(kind) if field.name in WORDS | PARTS)


def clean_error(error: PrismqError, clean: Callable[[str], str]) -> None:
    """Takes the key out of an error before anybody sees it."""
    error.args = tuple(clean(one) if isinstance(one, str) else one for one in error.args)
    if isinstance(error, RequestRefused):
        error.faults = tuple(
            replace(fault, pointer=clean(fault.pointer), message=clean(fault.message))
            for fault in error.faults
        )


def _json_forms(key: str) -> set[str]:
    """Some escape the slash too."""
    escaped = {json.dumps(key, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    return {key, *escaped, *(form.replace("/", "\\/") for form in (key, *escaped))}
