"""`prismq-worker plugins`: what is installed, and whether it can work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from prismq_worker_sdk.cli.handlers import ready_handlers, why_unready
from prismq_worker_sdk.cli.options import plugin_option, setting_options
from prismq_worker_sdk.cli.output import note, only_answers, tell, tell_json
from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.environment import keep_places
from prismq_worker_sdk.errors import NotSupported, RequestRefused, SettingsError
from prismq_worker_sdk.handlers.discovery import BrokenPlugin, LoadedPlugin, Plugins, load
from prismq_worker_sdk.handlers.handler import Handler, contested
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.settings import configured_plugins

if TYPE_CHECKING:
    from prismq_worker_sdk.wire.producer import TaskManagerClient

NO_VERSION = "0"
"""The version of a type whose plugin has none: a module, or a file."""


@click.command
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Everything, parameter schemas included, as JSON.")
@click.option("--quota", "with_quotas", is_flag=True, help="What is left of the quotas of outside services.")
@click.option(
    "--publish", "publishing", is_flag=True, help="Register the schemas of the types on the server."
)
@click.option("--allow-breaking", is_flag=True, help="With --publish: even where producers may break.")
@setting_options("api_url", "state_dir")
def plugins(
    names: tuple[str, ...],
    *,
    as_json: bool,
    with_quotas: bool,
    publishing: bool,
    allow_breaking: bool,
    **given: str | None,
) -> int:
    """List plugins, their task types, and why a type cannot be claimed.

    \b
        prismq-worker plugins --publish --api-url http://localhost:8000/api

    The exit code is 1 when a plugin does not load, or a type is not published.
    """
    if publishing and (as_json or with_quotas):
        raise click.UsageError("--publish stands alone; take --json and --quota away.")
    if not publishing and (allow_breaking or given["api_url"]):
        raise click.UsageError("--allow-breaking and --api-url say how to --publish; give it too.")
    if given["state_dir"]:
        keep_places(given["state_dir"])
    with only_answers():
        found = load(names or configured_plugins())
        if not publishing:
            _list(found, as_json=as_json, with_quotas=with_quotas)
            return 1 if found.broken else 0
        from prismq_worker_sdk.cli.tasks import client_of

        published = _publish(found.loaded, client_of(given["api_url"]), allow_breaking=allow_breaking)
        _note_broken(found.broken)
        return 0 if published and not found.broken else 1


def _list(found: Plugins, *, as_json: bool, with_quotas: bool) -> None:
    twice = contested(found.handlers)
    shown = [_shown(plugin, twice) for plugin in found.loaded]
    if as_json:
        broken = [
            {"name": one.name, "source": one.source, "traceback": Redactor().text(one.traceback)}
            for one in found.broken
        ]
        tell_json({"plugins": shown, "broken": broken})
        return
    for plugin in shown:
        tell(f"{plugin['name']}  ({plugin['source']})")
        if with_quotas:
            _list_quotas(plugin["quotas"])
        if with_quotas and plugin["quotas"]:
            continue
        for one in plugin["task_types"]:
            tell(
                f"  {one['task_type']}  {'ready' if one['unready'] is None else 'not ready: ' + one['unready']}"
            )
    _note_broken(found.broken)
    if not shown and not found.broken:
        tell("no plugin is installed; pip install one, or name a module or a .py file with --plugin")


def _note_broken(broken: Sequence[BrokenPlugin]) -> None:
    for one in broken:
        note(f"{one.name}  ({one.source})  does not load:\n{Redactor().text(one.traceback)}")


def _shown(plugin: LoadedPlugin, twice: Mapping[str, str]) -> dict[str, Any]:
    trouble, handlers, redact = None, list(plugin.handlers), Redactor()
    try:
        handlers = ready_handlers([plugin], redact.learn)
    except SettingsError as error:
        trouble = str(error)
    return {
        "name": plugin.name,
        "source": plugin.source,
        "task_types": [
            _type(handler, trouble or twice.get(handler.task_type), redact) for handler in handlers
        ],
        "quotas": [] if trouble else _quotas(handlers, redact),
    }


def _quotas(handlers: Sequence[Handler], redact: Redactor) -> list[dict[str, Any]]:
    """What is left of outside quotas; handlers that share one tell it once."""
    found: list[dict[str, Any]] = []
    for handler in handlers:
        try:
            with plugin_code(f"quotas() of {handler.task_type}"):
                shown = [
                    {**asdict(quota), "left": quota.left, "resets_at": _instant(quota.resets_at)}
                    for quota in handler.quotas()
                ]
        except PluginRaised as error:  # one plugin must not hide the others
            shown = [{"error": str(error)}]
        found += [one for one in redact.value(shown) if one not in found]
    return found


def _instant(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _list_quotas(quotas: Sequence[Mapping[str, Any]]) -> None:
    for one in quotas:
        if "error" in one:
            tell(one_line(f"  {one['error']}"))
            continue
        until = f" until {one['resets_at']}" if one["resets_at"] else ""
        blocked = f"  ({one['blocked']})" if one["blocked"] else ""
        tell(one_line(f"  {one['name']:<24}  {one['left']:>6} of {one['limit']} left{until}{blocked}"))
    if not quotas:
        tell("  no quotas")


def _type(handler: Handler, trouble: str | None, redact: Redactor) -> dict[str, Any]:
    unready = trouble or why_unready(handler)
    return {
        "task_type": handler.task_type,
        "handler": handler.origin,
        "time_limit_seconds": handler.time_limit,
        "unready": None if unready is None else redact.text(unready),
        "params_schema": handler.params.schema,
        "result_schema": handler.result_schema,
    }


def _publish(plugins: Iterable[LoadedPlugin], client: TaskManagerClient, *, allow_breaking: bool) -> bool:
    """Registers each type and tells in a line of what came of it; whether none was refused."""
    known = _known(client)
    refused = False
    for plugin in plugins:
        for handler in plugin.handlers:
            wanted: dict[str, Any] = {
                "version": plugin.version or NO_VERSION,
                "param_schema": handler.params.schema,
                "result_schema": handler.result_schema,
            }
            if handler.limits is not None and client.limits.counted:
                wanted["limits"] = list(handler.limits)
            came = "unchanged"
            try:
                there = known.get(handler.task_type, {})
                if any(there.get(name) != value for name, value in wanted.items()):
                    found = client.publish(handler.task_type, **wanted, allow_breaking=allow_breaking)
                    came = "unchanged" if found.get("unchanged") else "published"
            except RequestRefused as error:
                reason = str(error).replace("send allow_breaking", "give --allow-breaking")
                came, refused = f"refused: {reason}", True
            tell(one_line(f"{handler.task_type}  {came}"))
    return not refused


def _known(client: TaskManagerClient) -> dict[str, dict[str, Any]]:
    """The types that are registered, as far as the server lists them."""
    try:
        return {str(one.get("name")): one for one in client.task_types()}
    except NotSupported:
        return {}
