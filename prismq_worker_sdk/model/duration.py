"""Durations as people write them: `30`, `30s`, `5m`, `1h`."""

from __future__ import annotations

import math
import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 1e9
"""Seconds, some 30 years; every wait and every calendar of Python takes it."""

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.ASCII)


def seconds(value: object) -> float:
    """The seconds of `30`, `"30"`, `"30s"`, `"1.5m"`, `"1h"` or `"2d"`.

    Raises:
        ValueError: It is no duration; negative ones are none.
    """
    found = _FORM.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is not None:
        duration = float(found[1]) * UNITS[found[2] or "s"]
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST:
        duration = float(value)
    else:
        duration = math.inf
    if duration > LONGEST:
        raise ValueError(f"{value!r} is not a duration; write for example 30, 30s, 5m or 1h")
    return duration


def text(duration: float) -> str:
    """A duration for people, such as `7ms`, `45s`, `2m`, `1h 30m`; two units at most."""
    if 0 < duration < 0.1:  # noqa: PLR2004 - below, milliseconds are easier to read
        return f"{duration * 1000:.2g}ms"
    if duration < UNITS["m"]:
        return f"{duration:.3g}s"
    whole = round(duration)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
