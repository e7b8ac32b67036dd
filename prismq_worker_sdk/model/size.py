"""Sizes as people write them: `512M`, `1.5G`; a bare number is bytes."""

from __future__ import annotations

import re

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
LARGEST = 1 << 50
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", re.ASCII | re.IGNORECASE)


def of_text(value: object) -> int:
    """The bytes of `512M`, `"1.5G"`, `"64 KiB"` or `1048576`; a K is 1024.

    Raises:
        ValueError: It is no size; negative ones are none.
    """
    found = _FORM.fullmatch(value.strip()) if isinstance(value, str) else None
    size: float = -1
    if found is not None:
        size = float(found[1]) * UNITS[found[2].upper()]
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    if not 0 <= size <= LARGEST:
        raise ValueError(f"{value!r} is not a size; write for example 512M or 1.5G")
    return int(size)
