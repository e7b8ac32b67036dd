"""The commands that installed plugins add by their hook `prismq_commands`."""

from __future__ import annotations

import click

from prismq_worker_sdk.cli.answers import prints_aside
from prismq_worker_sdk.cli.failures import say
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.discovery import Plugins, load

__all__ = ["plugin_commands"]


def plugin_commands(arguments: list[str]) -> dict[str, click.Command]:
    """The commands of every installed plugin, by name; a plugin that breaks is reported in one line.

    Where two plugins add one name, the plugin that comes first in the alphabet keeps it.

    Args:
        arguments: Of the whole command line, for the form of the reports.
    """
    with prints_aside():
        return _found(arguments)


def _found(arguments: list[str]) -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
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
