"""`prismq-worker run`: a worker with plugins, in the foreground."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from prismq_worker_sdk.environment import keep_places, misdirected
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.discovery import Plugins, load
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.init import lead_as_init
from prismq_worker_sdk.settings import (
    WorkerSettings,
    configured_plugins,
    load_settings,
    plugin_settings_source,
)
from prismq_worker_sdk.system import ignore_stop_signals

if TYPE_CHECKING:
    from prismq_worker_sdk.observe.log_guard import LogGuard

__all__ = ["ready_handlers", "report_broken", "run", "why_unready", "worker_options"]


def worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds every worker setting as an option; unset ones come from the environment or the config file."""
    options = (
        click.option(
            "--api-url", metavar="URL", help="TaskManager, TASKMANAGER_API_URL [http://localhost:8000/api]"
        ),
        click.option("--worker-id", metavar="ID", help="WORKER_ID [generated]"),
        click.option("--poll-interval", metavar="TIME", help="Longest idle wait, POLL_INTERVAL [10s]"),
        click.option("--max-runs", metavar="N", help="Stop after N tasks, MAX_RUNS [0: never]"),
        click.option("--concurrency", metavar="N", help="Tasks at the same time [4]"),
        click.option("--isolation", metavar="KIND", help="Where handlers run: thread or process [thread]"),
        click.option(
            "--max-memory-per-child", metavar="SIZE", help="Replace a process above it, 512M [0: never]"
        ),
        click.option("--state-dir", metavar="DIR", help="Where results wait for delivery; a local folder"),
        click.option("--instance", metavar="NAME", help="Part of the state folder [lowest free number]"),
        click.option("--grace-period", metavar="TIME", help="From the stop signal to the exit [25s]"),
        click.option(
            "--startup-timeout", metavar="TIME", help="How long to try an unreachable server at start [30s]"
        ),
        click.option("--unreachable-timeout", metavar="TIME", help="How long to try it later [0: for ever]"),
        click.option("--max-consecutive-errors", metavar="N", help="Errors in a row that pause a type [5]"),
        click.option(
            "--max-attempts", metavar="N", help="Claims of a task that never ends, then it fails [20]"
        ),
        click.option(
            "--claim-order", metavar="ORDER", help="fifo, lifo or priority (prismq-client) [the server's]"
        ),
        click.option(
            "--server-claim-timeout", metavar="TIME", help="Claim timeout of a server without renewal [300s]"
        ),
        click.option(
            "--server-max-attempts",
            metavar="N",
            help="Its MAX_TASK_ATTEMPTS, to give tasks back [0: unknown]",
        ),
        click.option("--health-port", metavar="PORT", help="Serve /healthz, /readyz, /metrics [off]"),
        click.option("--health-host", metavar="HOST", help="Where to serve them [127.0.0.1]"),
        click.option("--log-format", metavar="FORMAT", help="console or json [console]"),
        click.option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR [INFO]"),
        click.option("--dialect", metavar="NAME", help="auto, v1 or prismq-client [auto]"),
        click.option("--debug", is_flag=True, default=None, help="Log everything, show tracebacks, DEBUG"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Run a worker (the default).")
@click.option(
    "--plugin",
    "names",
    multiple=True,
    metavar="NAME",
    help="Entry point, module or .py file; may be repeated [all installed plugins]",
)
@worker_options
def run(names: tuple[str, ...], **given: Any) -> int:
    """Claim tasks, run their handlers, report the outcomes, until SIGTERM, Ctrl-C, or the terminal's end.

    \b
    Exit codes: 0 nothing left · 1 API not reachable at start, or too many errors
                2 wrong use or settings · 75 results are left: start me again
    """
    from prismq_worker_sdk.worker.worker import Worker

    lead_as_init()
    settings = load_settings(given)
    keep_places(settings.state_dir)
    guard = _log_from_the_first_line(settings)
    _tell_misdirected()
    plugins = load(names or configured_plugins())
    guard.keep()  # a plugin's import may have set logging up anew
    report_broken(plugins)
    handlers, secrets = ready_handlers(plugins)
    if not handlers:
        raise PluginError(
            "there is no handler to run: install a plugin, or name one with --plugin NAME (see prismq-worker plugins)"
        )
    worker = Worker(handlers, settings=settings.with_secrets(secrets), listeners=plugins.listeners())
    code = worker.run()
    ignore_stop_signals()
    return code


def ready_handlers(plugins: Plugins) -> tuple[list[Handler], tuple[str, ...]]:
    """The handlers with their plugin's settings in place, and the secrets among those.

    Raises:
        SettingsError: A plugin's settings cannot be used.
    """
    handlers: list[Handler] = []
    secrets: list[str] = []
    for plugin in plugins.loaded:
        own = list(plugin.handlers)
        for cls in plugin.settings_classes:
            source = plugin_settings_source(cls)
            own = [handler.with_settings_from(source) for handler in own]
            source.tell(secrets.append)
        handlers.extend(own)
    return handlers, tuple(secrets)


def why_unready(handler: Handler) -> str | None:
    """Why a type cannot be claimed now, also where its `ready()` raises; None when it can."""
    try:
        with plugin_code("ready()"):
            answer = handler.unready()
            return None if answer is None else str(answer)
    except PluginRaised as error:
        return str(error)


def _log_from_the_first_line(settings: WorkerSettings) -> LogGuard:
    """With --log-format json every line of stderr is one JSON object, those before the worker starts too."""
    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.observe.logs import set_up_logging

    config = settings.config()
    level = "DEBUG" if config.debug else config.log_level
    return set_up_logging(log_format=config.log_format, level=level, redactor=Redactor(config.secrets))


def _tell_misdirected() -> None:
    """Logs which variables are passed over as somebody else's, or as misspelt."""
    import logging

    for told in misdirected(WorkerSettings.model_fields):
        logging.getLogger("prismq.settings").warning("%s", told)


def report_broken(plugins: Plugins) -> None:
    """Logs every plugin that does not load, with its traceback."""
    import logging

    for broken in plugins.broken:
        logging.getLogger("prismq.plugins").error(
            "plugin %s does not load and is left out:\n%s", broken.name, broken.traceback
        )
