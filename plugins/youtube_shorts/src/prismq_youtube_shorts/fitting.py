"""Fits a result to what the server stores: what is long and can best be missed goes first, from all items alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from prismq_worker_sdk import TaskContext
from prismq_youtube_shorts.result import ScrapeShortsResult, Shortened, cut
from prismq_youtube_shorts.trends.result import AnalyzeTrendsResult

__all__ = ["fit", "fitted", "stored_size"]

Plain = Mapping[str, Any]
ResultT = TypeVar("ResultT", ScrapeShortsResult, AnalyzeTrendsResult)

ITEMS = ("shorts", "videos")
_LINE_SEPARATORS = re.compile("[\u2028\u2029]")
_ODD_NUMBER = re.compile(r"\d[eE][+-]?\d|\d{19}")
"""What a server may write longer than we do."""
LINE_SEPARATOR_MORE, ODD_NUMBER_MORE = 3, 16
"""Bytes, at most."""


def fitted(result: ResultT, ctx: TaskContext) -> ResultT:
    """The result as this server stores it, and a line in the log where it had to be shortened."""
    found = fit(result, ctx.max_result_bytes)
    if (told := found.shortened) is not None:
        ctx.log.warning(
            "the result is shortened to what the server stores",
            limit_bytes=told.limit_bytes,
            fields=", ".join(told.fields),
            left_out=told.left_out,
        )
    return found


def fit(result: ResultT, limit: int) -> ResultT:
    """The result in at most so many bytes of JSON, told in `shortened`; without any item where even that is too much.

    One cut after the other is made as deep as it must be, and no deeper, until the result fits.

    Args:
        limit: Bytes of compact JSON.
    """
    plain: Plain = result.model_dump(mode="json")
    if stored_size(plain) <= limit:
        return result
    fields: list[str] = []
    for kind in CUTS:
        if not (most := kind.most(plain)):
            continue
        fields.append(kind.name)
        plain = _told(plain, limit, fields)
        if stored_size(kind.to(plain, 0)) <= limit:
            return _deepest(result, plain, kind, most, limit)
        plain = kind.to(plain, 0)
    return _deepest(result, _told(plain, limit, fields), LEFT_OUT, LEFT_OUT.most(plain), limit)


def stored_size(plain: Plain) -> int:
    """Bytes that a result takes on a server, at most."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    more = LINE_SEPARATOR_MORE * len(_LINE_SEPARATORS.findall(text))
    return len(text.encode("utf-8")) + more + ODD_NUMBER_MORE * len(_ODD_NUMBER.findall(text))


@dataclass(frozen=True, slots=True)
class _Cut:
    """One way to make a result smaller.

    Attributes:
        most: How much there is of it at most; 0 where there is nothing to cut.
        to: What is left when so much of it may stay.
    """

    name: str
    most: Callable[[Plain], int]
    to: Callable[[Plain, int], Plain]


def _deepest(result: ResultT, plain: Plain, kind: _Cut, most: int, limit: int) -> ResultT:
    """The result with as much as fits; with nothing of it where nothing fits."""
    fits, too_much = 0, most
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        if stored_size(kind.to(plain, middle)) <= limit:
            fits = middle
        else:
            too_much = middle
    return type(result).model_validate(kind.to(plain, fits))


def _told(plain: Plain, limit: int, fields: list[str]) -> Plain:
    said = Shortened(limit_bytes=limit, fields=tuple(fields), left_out=0)
    return {**plain, "shortened": said.model_dump(mode="json")}


def _items(plain: Plain) -> tuple[str, list[dict[str, Any]]]:
    name = next(name for name in ITEMS if name in plain)
    return name, plain[name]


def _of_items(field: str, shorter: Callable[[Any, int], Any], length: Callable[[Any], int] = len) -> _Cut:
    """A cut in a field of every item."""

    def most(plain: Plain) -> int:
        return max((length(item[field]) for item in _items(plain)[1] if item[field]), default=0)

    def to(plain: Plain, left: int) -> Plain:
        name, items = _items(plain)
        return {
            **plain,
            name: [{**item, field: item[field] and shorter(item[field], left)} for item in items],
        }

    return _Cut(field, most, to)


def _of_summary(field: str) -> _Cut:
    """A cut in a list of what was derived of the whole result."""

    def most(plain: Plain) -> int:
        return len((plain.get("derived") or {}).get(field, ()))

    def to(plain: Plain, left: int) -> Plain:
        return {**plain, "derived": {**plain["derived"], field: plain["derived"][field][:left]}}

    return _Cut(f"derived.{field}", most, to)


def _keep_items(plain: Plain, left: int) -> Plain:
    name, items = _items(plain)
    shortened = {**plain["shortened"], "left_out": len(items) - left}
    return {**plain, name: items[:left], "total_found": left, "shortened": shortened}


CUTS = (
    _of_items("description", cut),
    _of_items("tags", lambda tags, left: tags[:left]),
    _of_summary("keywords"),
    _of_summary("hashtags"),
    _of_items("hashtags", lambda words, left: words[:left]),
    _of_items("channel_info", lambda info, left: info if left else None),
)
"""In the order in which they are made."""
LEFT_OUT = _Cut("items", lambda plain: len(_items(plain)[1]), _keep_items)
