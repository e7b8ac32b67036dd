"""The params of a task on the command line, in a file, or from stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import decoded, place, text_of

__all__ = ["given_params", "params_argument"]

LONGEST_SHOWN = 80


def params_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the argument PARAMS."""
    return click.argument("params", default="{}")(command)


def given_params(argument: str) -> dict[str, Any]:
    """The JSON object of an argument: itself, of the file that `@` names, or from stdin for `-`.

    Raises:
        click.BadParameter: It is none, or cannot be read.
    """
    text = _text(argument)
    try:
        found = json.loads(text, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise _bad(f"{_shown(text)} is no JSON ({error}){_quoting(argument)}") from None
    if not isinstance(found, dict):
        raise _bad(f"{_shown(text)} is no JSON object{_quoting(argument)}")
    return found


def _text(argument: str) -> str:
    try:
        if argument == "-":
            if sys.stdin is None:
                raise ValueError("this process was started without a stdin")
            return decoded(sys.stdin.buffer.read())
        if argument.startswith("@"):
            return text_of(place(argument[1:], "PARAMS"))
    except (OSError, ValueError, SettingsError) as error:
        raise _bad(f"{argument} cannot be read: {error}") from None
    return argument


def _bad(text: str) -> click.BadParameter:
    return click.BadParameter(text, param_hint="PARAMS")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]!r}… ({len(text)} characters)"


def _quoting(argument: str) -> str:
    return "" if argument.startswith(("-", "@")) else '; quote it: \'{"name": "value"}\', or give @FILE'


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
