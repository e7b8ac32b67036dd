"""What the server keeps of a value, and how results and params are written so that they survive it.

It stores JSON as text of 65,535 bytes at most, turns everything that PHP takes for empty into null, and `{}` into `[]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_TEXT_BYTES = 65_535
"""The size of its TEXT columns."""

WRAPPED = "prismq_json"
"""The key under which a result stands as JSON text, when the server would keep nothing of it."""

RUN_KEY = "prismq_run_key"
"""The params entry that tells two tasks of the same type and params apart; taken out before a handler sees them."""

NO_PARAMS = "{}"
"""An object without entries, which the server refuses as params."""

NOTHING = {"{}", "[]", "0", "-0", "0.0", "-0.0", "false", '""', '"0"'}
"""Results of which null would be left."""

LARGEST = 2**63
"""Whole numbers below it are integers there, however they were written."""

PHP_DIGITS = 17
"""Digits before the point of a float that is written without an exponent, at most."""

_ODD_NUMBER = re.compile(r"\d[eE][+-]?\d|\d{19}")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*')


def stored_bytes(text: str) -> int:
    """How many bytes a JSON text takes there, at most: compact UTF-8, line separators escaped, PHP's numbers."""
    lines = text.count("\u2028") + text.count("\u2029")
    longer = 0
    if _ODD_NUMBER.search(text):
        longer = sum(_longer(token) for token in _TOKEN.findall(text) if token[0] != '"')
    return len(text.encode("utf-8", "replace")) + 3 * lines + longer


def _longer(number: str) -> int:
    """How many bytes more PHP writes: `1.0e+22` for `1e+22`, 17 digits for `1e+16`, a float beyond 64 bits."""
    whole = number.lstrip("-").isdigit()
    if whole and len(number) <= len(str(-LARGEST)) and -LARGEST <= int(number) < LARGEST:
        return 0
    value = float(number)
    digits, _, exponent = repr(value).partition("e")
    if not exponent:
        return 0
    if int(exponent) == PHP_DIGITS - 1:
        return len(f"{value:.0f}") - len(number)
    mantissa = digits if "." in digits else f"{digits}.0"
    return len(f"{mantissa}e{int(exponent):+d}") - len(number)


def result_text(result: str) -> str:
    """A result as it is sent; one that would become null, or looks like a wrapped one, is wrapped.

    Args:
        result: Compact JSON text.
    """
    if result not in NOTHING and not result.startswith(f'{{"{WRAPPED}":'):
        return result
    return f'{{"{WRAPPED}":{json.dumps(result, ensure_ascii=False)}}}'


def unwrapped(result: Any) -> Any:
    """A result as its handler returned it."""
    if isinstance(result, dict) and result.keys() == {WRAPPED} and isinstance(result[WRAPPED], str):
        try:
            return json.loads(result[WRAPPED])
        except (ValueError, RecursionError):
            return result
    return result


def worker_params(raw: Any) -> dict[str, Any]:
    """The params of a task as its handler gets them: `[]` is an object without entries, the run key is left out.

    Raises:
        ValueError: They are no object.
    """
    if raw == [] or raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ValueError(f"its params are {type(raw).__name__}, not an object")
    return {name: value for name, value in raw.items() if name != RUN_KEY}


def with_run_key(params: str, run_key: str) -> str:
    """Params with a run key; with the empty one, params that the server would refuse for having no entry.

    Args:
        params: A JSON object as compact text.
    """
    entry = f'"{RUN_KEY}":{json.dumps(run_key, ensure_ascii=False)}'
    return f"{{{entry}}}" if params == NO_PARAMS else f"{params[:-1]},{entry}}}"


def whole_numbers(value: Any) -> Any:
    """The same JSON with 1.0 as 1, as the server keeps it anyway; it checks the params before it does so."""
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return int(value)
    if isinstance(value, Mapping):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [whole_numbers(item) for item in value]
    return value
