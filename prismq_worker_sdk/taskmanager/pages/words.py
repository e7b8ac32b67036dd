"""How numbers, times and spans are said on a page."""

from __future__ import annotations

from urllib.parse import quote

from markupsafe import Markup, escape

from prismq_worker_sdk.taskmanager.views import instant

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def number(value: float) -> str:
    """A whole number with its thousands apart: 1 234 567."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def span(seconds: float) -> str:
    """A span in its two largest units: 2 h 5 min."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:  # noqa: PLR2004 - from there on a tenth says nothing
        return f"{seconds:.1f} s"
    rest = round(seconds)
    said: list[str] = []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count or said:
            said.append(f"{count} {unit}" if count else "")
    return " ".join(one for one in said[:2] if one)


def since(at: float | str | None) -> Markup:
    """How long ago, or how soon: the browser says it and keeps it true; without scripts it is the time in UTC.

    Args:
        at: Seconds since 1970, or as the API writes it.
    """
    if at is None:
        return Markup("&ndash;")
    shown = at if isinstance(at, str) else instant(at) or ""
    return Markup('<time datetime="{}" data-since>{}</time>').format(shown, shown[:19].replace("T", " "))


def in_path(name: str) -> str:
    """A name as one step of a path."""
    return quote(name, safe="")


def breakable(name: str) -> Markup:
    """A dotted name that may be broken behind its dots."""
    return Markup(".<wbr>").join(escape(one) for one in name.split("."))
