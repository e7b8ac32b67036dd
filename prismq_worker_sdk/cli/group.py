"""The group of all commands: each imported when it is used, plugins' commands found, near names suggested."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import distributions, entry_points
from pathlib import Path
from typing import Any

import click

from prismq_worker_sdk.cli.output import aside, say

ARGUMENTS = f"{__name__}.arguments"
NO_PYDANTIC_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


class SuggestingGroup(click.Group):
    """A click group that says which command may have been meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command; one that does not exist is refused with the nearest."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(no_such_command(name, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


class ListingGroup(SuggestingGroup):
    """A click group for what a server has, which lists it where no command is given.

    Its options are those of its command `list`; the `api_url` that it is given counts for its commands too.
    """

    def __init__(self, *args: Any, **attributes: Any) -> None:
        begin = click.pass_context(self._begin)
        super().__init__(*args, **attributes | {"invoke_without_command": True, "callback": begin})

    def _begin(self, ctx: click.Context, /, **given: Any) -> None:
        ctx.obj = given["api_url"]
        if ctx.invoked_subcommand is None:
            ctx.invoke(self.commands["list"], **given)


class LazyGroup(click.Group):
    """A click group that imports a command on first use.

    Args:
        commands: Name → `module:attribute` of the command, and what it does in a few words.
        default: The command that options without a command belong to.
    """

    def __init__(
        self, *args: Any, commands: Mapping[str, tuple[str, str]], default: str, **attributes: Any
    ) -> None:
        super().__init__(*args, **attributes)
        self._lazy = dict(commands)
        self._default = default

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """The names, in the order they were given."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None when there is none of this name."""
        if cmd_name not in self._lazy:
            return self._of_a_plugin(ctx, cmd_name)
        pass_over_damaged_packages(ctx.meta.get(ARGUMENTS, []))
        module, attribute = self._lazy[cmd_name][0].split(":")
        collects = gc.isenabled()
        gc.disable()  # to look for garbage in what is being imported takes a tenth of the time
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        finally:
            if collects:
                gc.enable()
        return command

    def _of_a_plugin(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command that an installed plugin adds; plugins are imported for names that are nobody else's."""
        if ctx.resilient_parsing:
            return None
        found = {} if cmd_name.endswith(".py") else plugin_commands(ctx.meta.get(ARGUMENTS, []))
        others = sorted(set(found) - set(self._lazy))
        if cmd_name not in found:
            more = f" Plugins add {', '.join(others)}." if others else ""
            ctx.fail(no_such_command(cmd_name, [*self._lazy, *others], more))
        return found[cmd_name]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the default command in front of options that stand alone."""
        own = {"--help", "-h", "--version"}
        if not args or (args[0].startswith("-") and args[0] not in own):
            args = [self._default, *args]
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_place, about) in self._lazy.items()])


def no_such_command(name: str, known: Iterable[str], more: str = "") -> str:
    """That there is no such command, and what may have been meant.

    Args:
        more: Something else to say.
    """
    near = get_close_matches(name, list(known), n=1)
    meant = "."
    if name.endswith(".py") or Path(f"{name}.py").is_file():
        meant = f"; a worker with that file is prismq-worker --plugin {name.removesuffix('.py')}.py."
    elif near:
        meant = f"; did you mean {near[0]}?"
    return f"No such command {name!r}{meant}{more}"


def plugin_commands(arguments: list[str]) -> dict[str, click.Command]:
    """The commands of every installed plugin, by name; a plugin that breaks is reported in one line.

    Where two plugins add one name, the plugin that comes first in the alphabet keeps it.

    Args:
        arguments: Of the whole command line, for the form of the reports.
    """
    from prismq_worker_sdk.errors import PluginError
    from prismq_worker_sdk.handlers.discovery import Plugins, load

    found: dict[str, click.Command] = {}
    with aside():
        plugins = load(None)
        for broken in plugins.broken:
            say(f"plugin {broken.name} does not load: {broken.traceback.strip().splitlines()[-1]}", arguments)
        for plugin in plugins.loaded:
            own = click.Group(plugin.name)
            try:
                Plugins((plugin,)).call("prismq_commands", group=own)
            except PluginError as error:
                say(f"plugin {' '.join(str(error).split())}", arguments)
                continue
            for name, command in own.commands.items():
                found.setdefault(name, command)
    return found


def pass_over_damaged_packages(arguments: list[str]) -> None:
    """Names installed packages whose entry points nobody can read, so that no command stops at them.

    To be called before pydantic is used, which reads the entry points of every package.

    Args:
        arguments: Of the whole command line, for the form of the sentences.
    """
    if os.environ.get(NO_PYDANTIC_PLUGINS):
        return
    try:
        entry_points(group="pydantic")
    except Exception:  # noqa: BLE001 - whatever is wrong with them, it is told below
        os.environ[NO_PYDANTIC_PLUGINS] = "__all__"  # children too
        for distribution in distributions():
            try:
                len(distribution.entry_points)
            except Exception as error:  # noqa: BLE001 - as above
                folder = getattr(distribution, "_path", "of an installed package")
                reason = f"{type(error).__name__}: {error}"
                say(
                    f"{folder} has an entry_points.txt that cannot be read ({reason}); reinstall that package",
                    arguments,
                )
