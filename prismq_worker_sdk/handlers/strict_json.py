"""Whether a value is strict JSON, and where it is not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from prismq_worker_sdk.errors import Fault
from prismq_worker_sdk.handlers.results import MAX_BITS, MAX_DEPTH


def faults_of_json(value: object, place: str = "", depth: int = MAX_DEPTH) -> Iterator[Fault]:
    """Where a value is no strict JSON: NaN, a lone surrogate, a key that is no text, too deep, another type."""
    if not isinstance(value, Mapping | list):
        trouble = _unfit(value)
        if trouble is not None:
            yield Fault(place, trouble)
        return
    if depth == 0:
        yield Fault("", f"is nested deeper than {MAX_DEPTH} levels")
        return
    for step, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(value, Mapping) and (not isinstance(step, str) or _unfit(step)):
            yield Fault(place, f"has the key {step!r}; JSON keys are texts")
        else:
            yield from faults_of_json(item, f"{place}/{escape(step)}", depth - 1)


def escape(step: object) -> str:
    """A step of a JSON pointer."""
    return str(step).replace("~", "~0").replace("/", "~1")


def _unfit(value: object) -> str | None:
    """Why a plain value is no JSON, None when it is."""
    match value:
        case str() if not _encodes(value):
            return "has a lone surrogate, which no UTF-8 text can carry"
        case float() if not math.isfinite(value):
            return f"is {value}, which JSON does not know"
        case int() if value.bit_length() > MAX_BITS:
            return "is a number of more digits than JSON readers take"
        case None | str() | float() | int():
            return None
        case _:
            return f"is of type {type(value).__name__}, which JSON does not know"


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
