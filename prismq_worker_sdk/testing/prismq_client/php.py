"""PHP's view of JSON: what is read, what is truthy, and what is written again."""

from __future__ import annotations

import json
import math
import re
from typing import Any

DEPTH = 512
"""How deep JSON may nest, read or written."""

TEXT_BYTES = 65_535
"""What a column of the type TEXT holds."""

_LARGEST = 2**63 - 1
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_FLOAT = re.compile(r'("(?:[^"\\]|\\.)*")|(-?[0-9]+(?:\.[0-9]+(?:e[+-]?[0-9]+)?|e[+-]?[0-9]+))', re.DOTALL)
_ODD_FLOAT = re.compile(r"[0-9](?:\.0|e[+-]?[0-9])")
_DIGITS = 17
"""Digits before the point of a float that is written without an exponent, at most."""

_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_BLANKS = " \t\n\r\0\x0b"


class InvalidJsonError(ValueError):
    """It is no JSON, or JSON that PHP does not take."""


class PhpTypeError(Exception):
    """A function was given a value of a wrong type; PHP ends there."""


def decode(text: bytes | str) -> Any:
    """The value of a JSON text: an empty object is an empty list, numbers beyond 64 bits are floats.

    Raises:
        InvalidJsonError: PHP does not take it.
    """
    try:
        plain = text.decode("utf-8") if isinstance(text, bytes) else text
        if depth(plain) > DEPTH:
            raise InvalidJsonError("it nests too deep")
        value = json.loads(plain, object_pairs_hook=_array, parse_int=_integer, parse_constant=_no_constant)
        encode(value).encode("utf-8")  # a lone surrogate is no text
    except InvalidJsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError(str(error)) from None
    return value


def stored(text: str) -> Any:
    """The value of a JSON text in the database, null for one that PHP does not take."""
    try:
        return decode(text)
    except InvalidJsonError:
        return None


def encode(value: Any) -> str:
    """The compact JSON text that PHP writes: nothing escaped that need not be, 1 for 1.0.

    Raises:
        ValueError: A number is infinite.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _FLOAT.sub(lambda found: found[1] or _float(found[2]), text) if _ODD_FLOAT.search(text) else text


def depth(text: str) -> int:
    """How deep the lists and objects of a JSON text nest; 0 where they are too few to nest too deep."""
    if text.count("[") + text.count("{") <= DEPTH:
        return 0
    deepest = level = 0
    for mark in _TOKENS.findall(text):
        if mark in "[{":
            level += 1
            deepest = max(deepest, level)
        elif mark in "]}":
            level -= 1
    return deepest


def truthy(value: Any) -> bool:
    """Whether PHP takes the value for true; "0" is not."""
    return bool(value) and value != "0"


def as_int(value: Any) -> int:
    """The value cast to an int: any list or object that is not empty is 1."""
    if isinstance(value, str):
        number = leading_number(value)
        return 0 if math.isinf(number) else int(number)
    if isinstance(value, list | dict):
        return int(bool(value))
    return 0 if value is None or (isinstance(value, float) and math.isinf(value)) else int(value)


def as_string(value: Any) -> str:
    """The value cast to text: a list or an object is `Array`, with a warning of PHP's."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return "Array"
    if value is None or value is False:
        return ""
    return "1" if value is True else encode(value)


def leading_number(text: str) -> float:
    """The number that a text begins with, 0 for none."""
    found = _NUMBER.match(text)
    return float(found[1]) if found else 0.0


def is_number(text: str) -> bool:
    """Whether the text is a number and nothing else."""
    return _NUMBER.fullmatch(text) is not None


def trimmed(text: str) -> str:
    """The text without the blanks around it."""
    return text.strip(_BLANKS)


def _array(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    names = (str(number) for number in range(len(found)))
    return list(found.values()) if all(one == two for one, two in zip(found, names, strict=True)) else found


def _integer(text: str) -> int | float:
    if len(text) > len(str(-_LARGEST)):
        return float(text)
    number = int(text)
    return number if -_LARGEST - 1 <= number <= _LARGEST else float(text)


def _float(text: str) -> str:
    """A float of JSON as PHP writes it."""
    digits, _, exponent = text.partition("e")
    if not exponent:
        return digits.removesuffix(".0")
    if int(exponent) == _DIGITS - 1:
        return f"{float(text):.0f}"
    return f"{digits}{'' if '.' in digits else '.0'}e{int(exponent):+d}"


def _no_constant(text: str) -> None:
    raise InvalidJsonError(f"{text} is no JSON")
