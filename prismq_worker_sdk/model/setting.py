"""A setting: how its value is read, whoever wrote it where, and how it is told to people."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from prismq_worker_sdk.model import duration

Read: TypeAlias = Callable[[object], Any]
"""The value of what a command line, a variable, a file or a program says; a ValueError says what is wrong with it."""

SIZES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
LARGEST = 1 << 50
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", re.ASCII | re.IGNORECASE)

ON, OFF = {"1", "true", "t", "yes", "y", "on"}, {"0", "false", "f", "no", "n", "off"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a field of the settings is for people.

    Attributes:
        metavar: What stands for its value in `--help`; "" for a flag.
        about: What it is, for `--help` and the reference.
        more: What only the reference says, put behind that.
        unset: What no value means, or 0.
        default: The value unless somebody says another.
    """

    read: Read
    metavar: str
    about: str
    more: str
    unset: str
    default: Any

    @property
    def default_text(self) -> str:
        """The default as people write it: `10s`, `0`, `generated`."""
        if self.default is dataclasses.MISSING or self.default in {None, ""} or self.default is False:
            return self.unset
        if isinstance(self.default, float):
            return duration.text(self.default) if self.default else "0"
        return str(self.default)


def setting(default: Any, read: Read, metavar: str, about: str, more: str = "", *, unset: str = "") -> Any:
    """A field of a dataclass that is a setting; its default is MISSING where it has none."""
    spec = Setting(read, metavar, about, more, unset, default)
    return dataclasses.field(default=default, metadata={"setting": spec})


def settings_of(cls: type[Any]) -> dict[str, Setting]:
    """The settings among the fields of a dataclass, in their order."""
    fields = dataclasses.fields(cls)
    return {field.name: field.metadata["setting"] for field in fields if "setting" in field.metadata}


def as_written(given: object) -> str:
    """A value as a fault shows it: a number is the same number wherever it was written."""
    return given if isinstance(given, str) and given.lstrip("-").isdecimal() else repr(given)


def text(*, most: int | None = None, pattern: str = "", into: Callable[[str], str] = str) -> Read:
    """Reads a text of so many characters, all of which fit the pattern.

    Args:
        into: Puts it into its one form, or refuses it.
    """

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("Input should be a valid string")
        if most is not None and len(value) > most:
            raise ValueError(f"String should have at most {most} characters")
        if pattern and re.fullmatch(pattern, value) is None:
            raise ValueError(f"String should match pattern '{pattern}'")
        return into(value)

    return read


def whole(*, least: int = 0, most: int | None = None) -> Read:
    """Reads a whole number."""

    def read(value: object) -> int:
        if isinstance(value, str):
            try:
                value = int(re.sub(r"\.0+\Z", "", value.strip()))
            except ValueError:
                why = "Input should be a valid integer, unable to parse string as an integer"
                raise ValueError(why) from None
        if isinstance(value, float) and value % 1:
            raise ValueError("Input should be a valid integer, got a number with a fractional part")
        if not isinstance(value, int | float):
            raise ValueError("Input should be a valid integer")
        return int(_within(value, least=least, most=most))

    return read


def seconds(*, over: float | None = None, most: float | None = None) -> Read:
    """Reads a duration."""
    return lambda value: _within(duration.seconds(value), over=over, most=most)


def size(value: object) -> int:
    """Reads a size: the bytes of `512M`, `"1.5G"`, `"64 KiB"` or `1048576`; a K is 1024.

    Raises:
        ValueError: It is no size; negative ones are none.
    """
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    number: float = -1
    if found is not None:
        number = float(found[1]) * SIZES[found[2].upper()]
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    if not 0 <= number <= LARGEST:
        raise ValueError(f"{value!r} is not a size; write for example 512M or 1.5G")
    return int(number)


def one_of(*choices: str, fold: Callable[[str], str] = str) -> Read:
    """Reads one of some words.

    Args:
        fold: Makes small letters or capitals of what is written.
    """

    def read(value: object) -> str:
        word = fold(value) if isinstance(value, str) else None
        if word not in choices:
            *others, last = map(repr, choices)
            raise ValueError(f"Input should be {', '.join(others)} or {last}")
        return word

    return read


def switch(value: object) -> bool:
    """Reads a truth value."""
    word = str(value).lower()
    if word not in ON | OFF:
        raise ValueError("Input should be a valid boolean, unable to interpret input")
    return word in ON


def path(value: object) -> Path:
    """Reads a path, as it is written."""
    if not isinstance(value, str | Path):
        raise ValueError("Input is not a valid path")
    return Path(value)


def _within(
    number: float, *, least: float | None = None, over: float | None = None, most: float | None = None
) -> float:
    if least is not None and number < least:
        raise ValueError(f"Input should be greater than or equal to {least:g}")
    if over is not None and number <= over:
        raise ValueError(f"Input should be greater than {over:g}")
    if most is not None and number > most:
        raise ValueError(f"Input should be less than or equal to {most:g}")
    return number
