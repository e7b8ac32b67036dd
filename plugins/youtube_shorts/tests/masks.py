"""Google's `fields` masks, as `items(id,snippet/title)`; no tests in here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any


def parsed(mask: str) -> dict[str, Any]:
    """What a mask asks for, by name; empty for everything below."""
    return _selection(iter([*re.findall(r"\w+|[(),/]", mask), ""]))


def applied(fields: dict[str, Any], value: Any) -> Any:
    """What is left of an answer."""
    if isinstance(value, list):
        return [applied(fields, item) for item in value]
    if not fields or not isinstance(value, dict):
        return value
    return {name: applied(fields[name], value[name]) for name in value if name in fields}


def _selection(words: Iterator[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    while True:
        here, after = fields.setdefault(next(words), {}), next(words)
        while after == "/":
            here, after = here.setdefault(next(words), {}), next(words)
        if after == "(":
            here.update(_selection(words))
            after = next(words)
        if after != ",":
            return fields
