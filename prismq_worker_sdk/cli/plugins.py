"""`prismq-worker plugins`: what is installed, and whether it can work."""

from __future__ import annotations

import json
from typing import Any

import click

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.handlers.discovery import LoadedPlugin, load
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.settings import plugin_settings, secrets_of

__all__ = ["plugins"]


@click.command(short_help="List the installed plugins and their task types.")
@click.option(
    "--plugin", "names", multiple=True, metavar="NAME", help="Entry point, module or .py file [all installed]"
)
@click.option("--json", "as_json", is_flag=True, help="Everything, parameter schemas included, as JSON.")
def plugins(names: tuple[str, ...], *, as_json: bool) -> int:
    """List plugins, their task types, and why a type cannot be claimed.

    The exit code is 1 when a plugin does not load.
    """
    found = load(names or None)
    shown = [_shown(plugin) for plugin in found.loaded]
    clean = Redactor().text
    broken = [
        {"name": one.name, "source": one.source, "traceback": clean(one.traceback)} for one in found.broken
    ]
    if as_json:
        click.echo(json.dumps({"plugins": shown, "broken": broken}, indent=2, ensure_ascii=False))
        return 1 if broken else 0
    for plugin in shown:
        click.echo(f"{plugin['name']}  ({plugin['source']})")
        for one in plugin["task_types"]:
            click.echo(
                f"  {one['task_type']}  {'ready' if one['unready'] is None else 'not ready: ' + one['unready']}"
            )
    for plugin in broken:
        click.echo(f"{plugin['name']}  ({plugin['source']})  does not load:\n{plugin['traceback']}", err=True)
    if not shown and not broken:
        click.echo("no plugin is installed; pip install one, or name a module or a .py file with --plugin")
    return 1 if broken else 0


def _shown(plugin: LoadedPlugin) -> dict[str, Any]:
    trouble, settings, redact = None, None, Redactor()
    try:
        for cls in plugin.settings_classes:
            settings = plugin_settings(cls)
            redact.learn(*secrets_of([settings]))
    except SettingsError as error:
        trouble = str(error)
    return {
        "name": plugin.name,
        "source": plugin.source,
        "task_types": [
            _type(handler.with_settings(settings), trouble, redact) for handler in plugin.handlers
        ],
    }


def _type(handler: Handler, trouble: str | None, redact: Redactor) -> dict[str, Any]:
    unready = trouble or _unready(handler)
    return {
        "task_type": handler.task_type,
        "handler": handler.origin,
        "time_limit_seconds": handler.time_limit,
        "unready": None if unready is None else redact.text(unready),
        "params_schema": handler.params.schema,
    }


def _unready(handler: Handler) -> str | None:
    try:
        return handler.ready()
    except Exception as error:  # noqa: BLE001 - one plugin must not hide the others
        return f"ready() raised {type(error).__name__}: {error}"
