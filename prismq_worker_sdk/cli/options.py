"""What the options and arguments of several commands are made from; the worker's from the fields of its settings."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

import click

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.environment import MISSION_NAMES
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import decoded, place, text_of
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.setting import Setting, settings_of
from prismq_worker_sdk.worker.config import Settings

C = TypeVar("C", bound=Callable[..., Any])

MAX_SHOWN = 80
"""Characters of params that are shown in an error."""

plugin_option = click.option(
    "--plugin",
    "names",
    multiple=True,
    metavar="NAME",
    help="Entry point, module or .py file; may be repeated [all installed plugins]",
)
live_option = click.option(
    "--live", is_flag=True, help="On a terminal: show what runs, with progress, below the log."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def text(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """The words of an option as they were given; a shell may hand over bytes that are no text."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter(f"{value!r} is no UTF-8 text") from None
    return value


def instant(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A time as RFC 3339; a duration, which needs its unit, is so long ago."""
    if value is not None and not value.strip()[-1:].isdigit():
        with suppress(ValueError):
            ago = timedelta(seconds=duration.seconds(value))
            return (datetime.now(UTC) - ago).isoformat()
    return text(ctx, param, value)


def part_of_address(what: str) -> Callable[[click.Context, click.Parameter, str], str | None]:
    """What reads the word of a command that is a part of an address, as it was given.

    Args:
        what: Which word, for the error: "the id of no task".
    """

    def read(ctx: click.Context, param: click.Parameter, value: str) -> str | None:
        if value in {"", ".", ".."}:
            raise click.BadParameter(f"{value!r} is {what}")
        return text(ctx, param, value)

    return read


task_id = part_of_address("the id of no task")


def params_argument(command: C) -> C:
    """Adds the argument PARAMS; the command gets its JSON object."""
    return click.argument("params", default="{}", callback=lambda _ctx, _arg, value: given_params(value))(
        command
    )


def options(*given: Callable[[C], C]) -> Callable[[C], C]:
    """Adds these options to a command, in this order."""

    def add(command: C) -> C:
        for option in reversed(given):
            command = option(command)
        return command

    return add


def setting_options(*names: str, **attributes: Any) -> Callable[[C], C]:
    """Adds these settings of a worker as options, or all; unset ones come from the environment or the config file.

    Args:
        attributes: What else click is to know of each.
    """
    known = settings_of(Settings)
    return options(*(_option(name, known[name], attributes) for name in names or known))


def _option(name: str, setting: Setting, attributes: dict[str, Any]) -> Callable[[C], C]:
    about = f"{setting.about}, {MISSION_NAMES[name]}" if name in MISSION_NAMES else setting.about
    flag = f"--{name.replace('_', '-')}"
    if not setting.metavar:
        return click.option(flag, is_flag=True, default=None, help=about, **attributes)
    zero = f": {setting.unset}" if setting.default == 0 else ""
    text = f"{about} [{setting.default_text}{zero}]"
    return click.option(flag, metavar=setting.metavar, help=text, **attributes)


def duration_option(*names: str, over: float | None = None, **attributes: Any) -> Callable[[C], C]:
    """An option whose value is a duration, in seconds; `30`, `30s`, `5m` and `1h` are taken."""

    def read(_ctx: click.Context, option: click.Parameter, value: str | None) -> float | None:
        if value is None:
            return None
        try:
            found = duration.seconds(value)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint=option.opts[0]) from None
        if over is not None and found <= over:
            text = f"{value!r} is no time; give more than {over:g}"
            raise click.BadParameter(text, param_hint=option.opts[0])
        return found

    return click.option(*names, metavar="TIME", callback=read, **attributes)


def age_option(*names: str, **attributes: Any) -> Callable[[C], C]:
    """An option whose value is how long something is kept, in seconds; None for `0` and `forever`.

    A number needs its unit: whoever takes 30 for days loses what is older than 30 seconds.
    """

    def read(_ctx: click.Context, option: click.Parameter, value: str) -> float | None:
        try:
            found = None if value == "forever" else duration.seconds(value) or None
        except ValueError:
            found = math.inf
        if found is not None and (math.isinf(found) or value.strip()[-1].isdigit()):
            text = f"{value!r} is no time with its unit; write for example 12h or 30d, or forever"
            raise click.BadParameter(text, param_hint=option.opts[0])
        return found

    return click.option(*names, metavar="TIME", callback=read, **attributes)


def given_params(argument: str) -> dict[str, Any]:
    """The JSON object of an argument: itself, of the file that `@` names, or from stdin for `-`.

    Raises:
        click.BadParameter: It is none, or cannot be read.
    """
    text = _text(argument)
    shown = repr(text) if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]!r}… ({len(text)} characters)"
    quote = "" if argument.startswith(("-", "@")) else '; quote it: \'{"name": "value"}\', or give @FILE'
    try:
        found = json.loads(text, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise _bad(f"{shown} is no JSON ({error}){quote}") from None
    if not isinstance(found, dict):
        raise _bad(f"{shown} is no JSON object{quote}")
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


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
