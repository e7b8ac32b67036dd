"""The `fields` mask: `items(id,snippet(title)),nextPageToken`, `items/id/videoId`, `items/*`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from prismq_youtube_shorts.sandbox.refusals import Refused, refusal

__all__ = ["Mask", "applied", "check", "parse"]

Mask = dict[str, "Mask | None"]
"""What is wanted, by name; None for everything below."""

ANY = "*"
_TOKEN = re.compile(r"[A-Za-z0-9_]+|[*/(),]")


def parse(text: str) -> Mask:
    """The mask that a text stands for.

    Raises:
        Refused: The text is no mask.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise _invalid(text)
    words = iter([*tokens, ""])
    mask, end = _selection(words, text)
    if end:
        raise _invalid(text)
    return mask


def check(mask: Mask, shape: Mask, path: str = "") -> None:
    """Let a mask pass that names nothing that the answers of a call do not have.

    Args:
        mask: What is wanted.
        shape: All that there is; `*` in it stands for anything.
        path: Of both, for the message.

    Raises:
        Refused: It names something else.
    """
    if ANY in shape:
        return
    for name, below in mask.items():
        if name == ANY:
            continue
        if name not in shape:
            raise _invalid(f"{path}{name}")
        if below is not None:
            check(below, shape[name] or {}, f"{path}{name}/")


def applied(mask: Mask, value: Any) -> Any:
    """What the mask leaves of a value; a list is masked item by item."""
    if isinstance(value, list):
        return [applied(mask, item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, member in value.items():
        if name in mask or ANY in mask:
            below = mask[name] if name in mask else mask[ANY]
            kept[name] = member if below is None else applied(below, member)
    return kept


def _selection(words: Iterator[str], text: str) -> tuple[Mask, str]:
    """Fields up to a closing bracket or the end, and which of the two it was."""
    mask: Mask = {}
    while True:
        name, below, end = _field(words, text)
        mask[name] = _united(mask[name], below) if name in mask else below
        if end != ",":
            return mask, end


def _field(words: Iterator[str], text: str) -> tuple[str, Mask | None, str]:
    name = next(words)
    if not name or name in "/(),":
        raise _invalid(text)
    after = next(words)
    below: Mask | None = None
    if after == "/":
        inner, deeper, after = _field(words, text)
        return name, {inner: deeper}, after
    if after == "(":
        below, closing = _selection(words, text)
        if closing != ")":
            raise _invalid(text)
        after = next(words)
    if after not in {",", ")", ""}:
        raise _invalid(text)
    return name, below, after


def _united(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return None
    both = dict(one)
    for name, below in other.items():
        both[name] = _united(both[name], below) if name in both else below
    return both


def _invalid(what: str) -> Refused:
    return Refused(refusal(400, "invalidParameter", f"Invalid field selection {what}", location="fields"))
