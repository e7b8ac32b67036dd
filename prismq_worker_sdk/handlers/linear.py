"""Patterns of Python's `re`, as far as the Rust engine of pydantic can say them, whose time is pattern times text."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

_PARSER: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
_MAXREPEAT = int(_PARSER.MAXREPEAT)

MAX_COST = 50_000
"""Larger patterns take too much memory and time to compile."""

UNICODE_CLASS = 50
"""Steps of a class such as `\\w`, which is compiled into some hundred ranges of bytes."""

_SPACES = r"\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_CLASSES = {"DIGIT": r"\p{Nd}", "SPACE": _SPACES, "WORD": r"\p{L}\p{N}_"}
_ASCII_CLASSES = {"DIGIT": "0-9", "SPACE": r"\t-\r ", "WORD": "0-9A-Za-z_"}


@dataclass(frozen=True, slots=True)
class Linear:
    """A pattern that is matched in time proportional to the text.

    Attributes:
        cost: About how many steps each character of a text takes.
        ascii_only: Whether both engines read it alike for ASCII texts only.
    """

    validator: SchemaValidator
    cost: int
    ascii_only: bool

    def found_in(self, text: str) -> bool:
        """Whether it is found anywhere in a text."""
        return self.validator.isinstance_python(text)


@lru_cache(maxsize=256)
def linear(pattern: str) -> Linear | None:
    """The pattern for the linear engine; None where that cannot express it, or not in a bounded size.

    It means what `re.search` makes of it, but `$` is the end of the text.

    Raises:
        re.error: It is no pattern.
    """
    try:
        tree = parsed(pattern)
        translation = _Translation()
        said, cost = translation.sequence(tree, tree.state.flags)
    except (_Inexpressible, RecursionError):
        return None
    if cost > MAX_COST:
        return None
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=said, regex_engine="rust-regex"))
    except SchemaError:
        return None
    return Linear(validator, cost, translation.ascii_only)


def parsed(pattern: str) -> Any:
    """The tree of a pattern, as Python's own parser makes it.

    Raises:
        re.error: It is no pattern.
    """
    return _PARSER.parse(pattern)


class _Inexpressible(Exception):  # noqa: N818 - not an error by itself
    """The linear engine has nothing like it."""


class _Translation:
    """Says parts of a parsed pattern in Rust's words: each gives the text and its cost.

    Attributes:
        ascii_only: Whether something was met that the engines read alike for ASCII texts only.
    """

    def __init__(self) -> None:
        self.ascii_only = False

    def sequence(self, parts: Iterable[tuple[Any, Any]], flags: int) -> tuple[str, int]:
        """Parts that follow each other."""
        if flags & re.IGNORECASE:
            self.ascii_only = True
        said = [self._part(name.name, value, flags) for name, value in parts]
        return "".join(text for text, _cost in said), sum(cost for _text, cost in said)

    def _part(self, name: str, value: Any, flags: int) -> tuple[str, int]:
        match name:
            case "LITERAL" | "NOT_LITERAL":
                negated = [("NEGATE", None)] if name == "NOT_LITERAL" else []
                return self._class([*negated, ("LITERAL", value)], flags)
            case "IN":
                return self._class([(one.name, own) for one, own in value], flags)
            case "ANY":
                return ("(?s:.)" if flags & re.DOTALL else r"[^\n]"), 1
            case "AT":
                return self._place(value.name, flags), 1
            case "BRANCH":
                said = [self.sequence(one, flags) for one in value[1]]
                return f"(?:{'|'.join(text for text, _cost in said)})", sum(cost for _text, cost in said) + 1
            case "SUBPATTERN":
                _group, added, taken, parts = value
                text, cost = self.sequence(parts, (flags | added) & ~taken)
                return f"(?:{text})", cost + 1
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._repeat(value, flags)
        raise _Inexpressible(name)

    def _repeat(self, value: tuple[Any, Any, Any], flags: int) -> tuple[str, int]:
        least, most, parts = value
        text, cost = self.sequence(parts, flags)
        times = least if most == _MAXREPEAT else most
        upto = "" if most == _MAXREPEAT else str(int(most))
        cost = cost * max(1, int(times)) + 1
        if cost > MAX_COST:
            raise _Inexpressible
        return f"(?:{text}){{{int(least)},{upto}}}", cost

    def _place(self, name: str, flags: int) -> str:
        match name:
            case "AT_BEGINNING":
                return "(?m:^)" if flags & re.MULTILINE else r"\A"
            case "AT_BEGINNING_STRING":
                return r"\A"
            case "AT_END" | "AT_END_STRING":
                return r"\z"
            case "AT_BOUNDARY":
                self.ascii_only = True
                return r"\b"
        raise _Inexpressible(name)

    def _class(self, members: list[tuple[str, Any]], flags: int) -> tuple[str, int]:
        text, cost = "", 1
        for name, value in members:
            match name:
                case "NEGATE":
                    text += "^"
                case "LITERAL":
                    text += self._character(value, flags)
                case "RANGE":
                    text += f"{self._character(value[0], flags)}-{self._character(value[1], flags)}"
                case "CATEGORY":
                    ascii_class = bool(flags & re.ASCII)
                    kind = value.name.removeprefix("CATEGORY_")
                    own = (_ASCII_CLASSES if ascii_class else _CLASSES)[kind.removeprefix("NOT_")]
                    text += f"[^{own}]" if kind.startswith("NOT_") else own
                    cost = 1 if ascii_class else UNICODE_CLASS
                case _:
                    raise _Inexpressible(name)
        return f"{'(?i:' if flags & re.IGNORECASE else '(?-i:'}[{text}])", cost

    def _character(self, code: int, flags: int) -> str:
        if flags & re.IGNORECASE and code > 127:  # noqa: PLR2004 - the last of ASCII
            raise _Inexpressible
        return f"\\x{{{code:x}}}"
