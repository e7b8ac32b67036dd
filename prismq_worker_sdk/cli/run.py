"""`prismq-worker run`: a worker with plugins, in the foreground."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from prismq_worker_sdk.cli.options import live_option, plugin_option, setting_options

if TYPE_CHECKING:
    from prismq_worker_sdk.observe.live import LiveView


@click.command
@plugin_option
@setting_options()
@live_option
def run(names: tuple[str, ...], *, live: bool, **given: Any) -> int:
    """Claim tasks, run their handlers, report the outcomes, until SIGTERM, Ctrl-C, or the terminal's end.

    \b
    Exit codes: 0 nothing left · 1 API not reachable at start, or too many errors
                2 wrong use or settings · 75 results are left: start me again
    """
    from prismq_worker_sdk.cli.handlers import ready_handlers, report_broken
    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.environment import keep_places, misdirected
    from prismq_worker_sdk.errors import PluginError
    from prismq_worker_sdk.handlers.discovery import load
    from prismq_worker_sdk.observe.log_setup import set_up_logging
    from prismq_worker_sdk.observe.span_export import span_export
    from prismq_worker_sdk.processes import lead_as_init
    from prismq_worker_sdk.sd_notify import service_manager
    from prismq_worker_sdk.settings import SETTINGS, configured_plugins, load_settings
    from prismq_worker_sdk.system import ignore_stop_signals
    from prismq_worker_sdk.worker.worker import Worker

    lead_as_init()
    service_manager()  # before a plugin starts what would inherit its variables
    settings = load_settings(given)
    keep_places(settings.state_dir)
    config = settings.config()
    guard = set_up_logging(
        log_format=config.log_format, level=config.level, redactor=Redactor(config.secrets)
    )
    for reason in misdirected(SETTINGS):
        logging.getLogger("prismq.settings").warning("%s", reason)
    plugins = load(names or configured_plugins())
    guard.keep()  # a plugin's import may have set logging up anew
    report_broken(plugins)
    secrets: list[str] = []
    handlers = ready_handlers(plugins.loaded, secrets.append)
    if not handlers:
        raise PluginError(
            "there is no handler to run: install a plugin, or name one with --plugin NAME (see prismq-worker plugins)"
        )
    spans = span_export(lambda text: logging.getLogger("prismq.settings").warning("%s", text))
    view = _view() if live else None
    listeners: list[Callable[[Any], None]] = [one for one in (view, spans) if one is not None]
    worker = Worker(
        handlers, settings=settings.config(secrets=secrets), listeners=[*listeners, *plugins.listeners()]
    )
    with nullcontext() if view is None else view.shown(worker.status):
        code = worker.run()
    ignore_stop_signals()
    if spans is not None:
        spans.close()
    return code


def _view() -> LiveView | None:
    """Where the log goes, if that is a terminal; rich is imported for it alone."""
    from rich.console import Console

    from prismq_worker_sdk.observe.live import live_view

    return live_view(Console(stderr=True, highlight=False))
