"""A click group whose commands are imported when they are used, with a default command."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from prismq_worker_sdk.cli.damaged_packages import pass_over_damaged_packages
from prismq_worker_sdk.cli.suggesting import no_such_command

__all__ = ["LazyGroup"]

ARGUMENTS = f"{__name__}.arguments"


class LazyGroup(click.Group):
    """A click group that imports a command on first use.

    Args:
        commands: Name → `module:attribute` of the command.
        default: The command that options without a command belong to.
    """

    def __init__(self, *args: Any, commands: Mapping[str, str], default: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._lazy = dict(commands)
        self._default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order they were given."""
        return [*self._lazy, *(name for name in super().list_commands(ctx) if name not in self._lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None when there is none of this name."""
        place = self._lazy.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name) or self._of_a_plugin(ctx, cmd_name)
        pass_over_damaged_packages(ctx.meta.get(ARGUMENTS, []))
        module, attribute = place.split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def _of_a_plugin(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command that an installed plugin adds; plugins are imported for names that are nobody else's."""
        if ctx.resilient_parsing:
            return None
        from prismq_worker_sdk.cli.plugin_commands import plugin_commands

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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        rows = [(name, SHORT.get(name, "")) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


SHORT = {
    "run": "Run a worker (the default).",
    "doctor": "Check what a worker would meet, and what to do.",
    "plugins": "List the installed plugins and their task types.",
    "try": "Run a handler once, without a server.",
    "submit": "Create a task on the server.",
    "tasks": "List tasks, or show one.",
    "outbox": "Look at stored results, and deal with them.",
    "taskmanager": "Run a TaskManager for development and tests.",
    "demo": "See it work: a TaskManager, a worker and three tasks.",
}
