"""Truncates a result to what the server stores: what is long and can best be missed goes first, of all items alike."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from prismq_worker_sdk import TaskContext
from prismq_youtube_shorts.result import AnalyzeTrendsResult, ScrapeShortsResult, cut

Plain = Mapping[str, Any]
ResultT = TypeVar("ResultT", ScrapeShortsResult, AnalyzeTrendsResult)

ORDER = ("description", "tags", "derived.keywords", "derived.hashtags", "hashtags", "channel_info", "items")
"""What is cut, one after the other: of every item, of what was derived of all, and at last whole items."""
_LINE_SEPARATORS = re.compile("[\u2028\u2029]")
_ODD_NUMBER = re.compile(r"\d[eE][+-]?\d|\d{19}")
"""What a server may write longer than we do."""
LINE_SEPARATOR_MORE, ODD_NUMBER_MORE = 3, 16
"""Bytes, at most."""


def truncated(result: ResultT, ctx: TaskContext) -> ResultT:
    """The result as this server stores it, and a line in the log where it had to be shortened."""
    fitting = truncate(result, ctx.max_result_bytes)
    if (shortened := fitting.shortened) is not None:
        ctx.log.warning(
            "the result is shortened to what the server stores",
            limit_bytes=shortened.limit_bytes,
            fields=", ".join(shortened.fields),
            left_out=shortened.left_out,
        )
    return fitting


def truncate(result: ResultT, limit: int) -> ResultT:
    """The result in at most so many bytes of JSON, told in `shortened`; without any item where even that is too much.

    One cut after the other is made as deep as it must be, and no deeper, until the result fits.

    Args:
        limit: Bytes of compact JSON.
    """
    plain: Plain = result.model_dump(mode="json")
    if stored_size(plain) <= limit:
        return result
    fields: list[str] = []
    for name in ORDER:
        if not (most := _length(plain, name)):
            continue
        if name != "items":
            fields.append(name)
        plain = {**plain, "shortened": {"limit_bytes": limit, "fields": [*fields], "left_out": 0}}
        fits = 0
        while most - fits > 1:
            middle = (fits + most) // 2
            fits, most = (middle, most) if stored_size(_cut(plain, name, middle)) <= limit else (fits, middle)
        plain = _cut(plain, name, fits)
        if stored_size(plain) <= limit:
            break
    return type(result).model_validate(plain)


def stored_size(plain: Plain) -> int:
    """Bytes that a result takes on a server, at most."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    more = LINE_SEPARATOR_MORE * len(_LINE_SEPARATORS.findall(text))
    return len(text.encode("utf-8")) + more + ODD_NUMBER_MORE * len(_ODD_NUMBER.findall(text))


def _length(plain: Plain, name: str) -> int:
    """How much there is to cut."""
    items, (part, _, field) = plain[_list_of(plain)], name.partition(".")
    if name == "items":
        return len(items)
    holders = [plain.get(part) or {}] if field else items
    return max((len(one.get(field or name) or ()) for one in holders), default=0)


def _cut(plain: Plain, name: str, left: int) -> Plain:
    """What is left when so much of it may stay."""
    items, (part, _, field) = _list_of(plain), name.partition(".")
    if name == "items":
        shortened = {**plain["shortened"], "left_out": len(plain[items]) - left}
        return {**plain, items: plain[items][:left], "total_found": left, "shortened": shortened}
    if field:
        return {**plain, part: {**plain[part], field: plain[part][field][:left]}}
    return {**plain, items: [{**item, name: _shorter(item[name], left)} for item in plain[items]]}


def _shorter(value: Any, left: int) -> Any:
    if isinstance(value, str):
        return cut(value, left)
    return value[:left] if isinstance(value, list) else value if left else None


def _list_of(plain: Plain) -> str:
    return "shorts" if "shorts" in plain else "videos"
