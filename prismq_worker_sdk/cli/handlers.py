"""The handlers of plugins as commands use them: with their settings in place, and asked whether they are ready."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from prismq_worker_sdk.handlers.discovery import LoadedPlugin, Plugins
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code


def report_broken(plugins: Plugins) -> None:
    """Logs every plugin that does not load, with its traceback."""
    for broken in plugins.broken:
        logging.getLogger("prismq.plugins").error(
            "plugin %s does not load and is left out:\n%s", broken.name, broken.traceback
        )


def ready_handlers(plugins: Iterable[LoadedPlugin], learn: Callable[[str], None]) -> list[Handler]:
    """The handlers with the settings of their plugin in place.

    Args:
        learn: Is told every secret among the settings, now and whenever one changes.

    Raises:
        SettingsError: A plugin's settings cannot be used.
    """
    found: list[Handler] = []
    for plugin in plugins:
        handlers = list(plugin.handlers)
        for cls in plugin.settings_classes:
            from prismq_worker_sdk.plugin_settings import plugin_settings_source

            source = plugin_settings_source(cls)
            handlers = [handler.with_settings_from(source) for handler in handlers]
            source.tell(learn)
        found += handlers
    return found


def why_unready(handler: Handler) -> str | None:
    """Why a type cannot be claimed now, also where its `ready()` raises; None when it can."""
    try:
        with plugin_code("ready()"):
            answer = handler.unready()
            return None if answer is None else str(answer)
    except PluginRaised as error:
        return str(error)
