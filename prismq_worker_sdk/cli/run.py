"""`prismq-worker run`: a worker with plugins, in the foreground."""

from __future__ import annotations

import logging
from typing import Any

import click

from prismq_worker_sdk.cli.options import plugin_option, setting_options


@click.command
@plugin_option
@setting_options()
def run(names: tuple[str, ...], **given: Any) -> int:
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
    from prismq_worker_sdk.processes import lead_as_init
    from prismq_worker_sdk.settings import SETTINGS, configured_plugins, load_settings
    from prismq_worker_sdk.system import ignore_stop_signals
    from prismq_worker_sdk.worker.worker import Worker

    lead_as_init()
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
    worker = Worker(handlers, settings=settings.config(secrets=secrets), listeners=plugins.listeners())
    code = worker.run()
    ignore_stop_signals()
    return code
