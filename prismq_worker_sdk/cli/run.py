"""`prismq-worker run`: a worker with plugins, in the foreground."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from prismq_worker_sdk.cli.options import plugin_option, setting_options

if TYPE_CHECKING:
    from prismq_worker_sdk.handlers.discovery import LoadedPlugin, Plugins
    from prismq_worker_sdk.handlers.handler import Handler
    from prismq_worker_sdk.observe.log_guard import LogGuard
    from prismq_worker_sdk.settings import WorkerSettings


@click.command
@plugin_option
@setting_options()
def run(names: tuple[str, ...], **given: Any) -> int:
    """Claim tasks, run their handlers, report the outcomes, until SIGTERM, Ctrl-C, or the terminal's end.

    \b
    Exit codes: 0 nothing left · 1 API not reachable at start, or too many errors
                2 wrong use or settings · 75 results are left: start me again
    """
    from prismq_worker_sdk.environment import keep_places
    from prismq_worker_sdk.errors import PluginError
    from prismq_worker_sdk.handlers.discovery import load
    from prismq_worker_sdk.init import lead_as_init
    from prismq_worker_sdk.settings import configured_plugins, load_settings
    from prismq_worker_sdk.system import ignore_stop_signals
    from prismq_worker_sdk.worker.worker import Worker

    lead_as_init()
    settings = load_settings(given)
    keep_places(settings.state_dir)
    guard = _log_from_the_first_line(settings)
    plugins = load(names or configured_plugins())
    guard.keep()  # a plugin's import may have set logging up anew
    report_broken(plugins)
    handlers, secrets = ready_handlers(plugins)
    if not handlers:
        raise PluginError(
            "there is no handler to run: install a plugin, or name one with --plugin NAME (see prismq-worker plugins)"
        )
    worker = Worker(handlers, settings=settings.config(secrets=secrets), listeners=plugins.listeners())
    code = worker.run()
    ignore_stop_signals()
    return code


def ready_handlers(plugins: Plugins) -> tuple[list[Handler], tuple[str, ...]]:
    """The handlers with their plugin's settings in place, and the secrets among those.

    Raises:
        SettingsError: A plugin's settings cannot be used.
    """
    secrets: list[str] = []
    handlers = [handler for plugin in plugins.loaded for handler in with_settings(plugin, secrets.append)]
    return handlers, tuple(secrets)


def with_settings(plugin: LoadedPlugin, learn: Callable[[str], None]) -> list[Handler]:
    """The handlers of a plugin with its settings in place.

    Args:
        learn: Is told every secret among the settings, now and whenever one changes.

    Raises:
        SettingsError: The settings cannot be used.
    """
    handlers = list(plugin.handlers)
    for cls in plugin.settings_classes:
        from prismq_worker_sdk.plugin_settings import plugin_settings_source

        source = plugin_settings_source(cls)
        handlers = [handler.with_settings_from(source) for handler in handlers]
        source.tell(learn)
    return handlers


def why_unready(handler: Handler) -> str | None:
    """Why a type cannot be claimed now, also where its `ready()` raises; None when it can."""
    from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code

    try:
        with plugin_code("ready()"):
            answer = handler.unready()
            return None if answer is None else str(answer)
    except PluginRaised as error:
        return str(error)


def report_broken(plugins: Plugins) -> None:
    """Logs every plugin that does not load, with its traceback."""
    import logging

    for broken in plugins.broken:
        logging.getLogger("prismq.plugins").error(
            "plugin %s does not load and is left out:\n%s", broken.name, broken.traceback
        )


def _log_from_the_first_line(settings: WorkerSettings) -> LogGuard:
    """Sets logging up before the worker starts, and logs which variables are passed over as not meant for it."""
    import logging

    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.environment import misdirected
    from prismq_worker_sdk.observe.logs import set_up_logging
    from prismq_worker_sdk.settings import SETTINGS

    config = settings.config()
    guard = set_up_logging(
        log_format=config.log_format, level=config.level, redactor=Redactor(config.secrets)
    )
    for reason in misdirected(SETTINGS):
        logging.getLogger("prismq.settings").warning("%s", reason)
    return guard
