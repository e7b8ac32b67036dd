"""`prismq-worker doctor`: what a worker with the same options would meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from prismq_worker_sdk.cli.doctoring.finding import (
    Finding,
    as_dict,
    bad,
    line,
    ok,
    summary,
    warn,
    would_run,
)
from prismq_worker_sdk.cli.options import json_option, plugin_option, setting_options
from prismq_worker_sdk.cli.output import only_answers, tell, tell_json
from prismq_worker_sdk.cli.run import ready_handlers, why_unready
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.environment import keep_places, misdirected
from prismq_worker_sdk.errors import UsageError
from prismq_worker_sdk.handlers.discovery import Plugins, load
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.settings import SETTINGS, configured_plugins, load_settings, raw_value
from prismq_worker_sdk.worker.config import WorkerConfig

__all__ = ["doctor"]

TRACEBACKS = "prismq-worker plugins shows the traceback"


@click.command
@plugin_option
@json_option
@click.option(
    "--probe",
    is_flag=True,
    help="Also create a task of the type PrismQ.Doctor.Probe, claim it and complete it.",
)
@setting_options()
def doctor(names: tuple[str, ...], *, as_json: bool, probe: bool, **given: Any) -> int:
    """Check the server, the key, the task types, time zones, limits and the state folder for a worker.

    Takes the options, variables and config file of `run`. Changes nothing, unless --probe is given.

    \b
        prismq-worker doctor --plugin youtube_shorts
        prismq-worker doctor --plugin youtube_shorts --probe

    \b
    Exit codes: 0 a worker would run, maybe with warnings · 1 it would not, or not rightly
                2 wrong use or settings
    """
    from prismq_worker_sdk.cli.doctoring.examining import Examination

    settings = load_settings(given)
    keep_places(settings.state_dir)
    config = settings.config()
    redactor = Redactor(config.secrets)
    _log(config, redactor)
    with only_answers():
        handlers, plugins, found = _handlers(names, redactor)
        told = given["api_url"] is not None or raw_value("api_url") is not None
        examination = Examination(config, handlers, plugins, probe=probe, address_given=told)
        shown = []
        passed_over = (warn("settings", told) for told in misdirected(SETTINGS))
        for finding in (*passed_over, *found, *_ready(handlers), *examination.findings()):
            clean = Finding(
                finding.check, finding.level, redactor.text(finding.text), redactor.text(finding.remedy)
            )
            shown.append(clean)
            if not as_json:
                tell(line(clean))
        works = would_run(shown)
        if as_json:
            met = examination.found
            said = {
                "would_run": works,
                "api_url": config.api_url,
                "dialect": None if met is None else met.healthy.dialect,
                "checks": [as_dict(one) for one in shown],
            }
            tell_json(said)
        else:
            tell(summary(shown))
        return 0 if works else 1


def _handlers(names: Sequence[str], redactor: Redactor) -> tuple[list[Handler], list[str], list[Finding]]:
    """The handlers, their plugins as `--plugin` takes them, and what there is to say of them."""
    try:
        names = names or configured_plugins()
        plugins = load(names)
        handlers, secrets = ready_handlers(plugins)
        redactor.learn(*secrets)
        handlers = list(Registry(handlers).handlers)
    except UsageError as error:
        remedy = TRACEBACKS if "Traceback" in str(error) else ""
        return [], list(names), [bad("plugins", _gist(str(error)), remedy)]
    used = list(names) or [plugin.name for plugin in plugins.loaded if plugin.handlers]
    return handlers, used, [*_broken(plugins), _loaded(plugins, handlers)]


def _broken(plugins: Plugins) -> list[Finding]:
    return [
        warn("plugins", f"{one.name} does not load and is left out: {_gist(one.traceback)}", TRACEBACKS)
        for one in plugins.broken
    ]


def _loaded(plugins: Plugins, handlers: Sequence[Handler]) -> Finding:
    if not handlers:
        return bad("plugins", "there is no handler to run", "install a plugin, or name one with --plugin")
    names = ", ".join(plugin.name for plugin in plugins.loaded)
    return ok("plugins", f"{names}: {len(handlers)} task type{'s' * (len(handlers) != 1)}")


def _ready(handlers: Sequence[Handler]) -> list[Finding]:
    """Types that would not be claimed now."""
    found = []
    for handler in handlers:
        unready = why_unready(handler)
        if unready is not None:
            text = f"{handler.task_type} is not ready and would not be claimed: {unready}"
            found.append(warn("plugins", text, "mend that; a running worker asks again"))
    return found


def _gist(text: str) -> str:
    """The first line of a message, and of a traceback in it the last one, which says what happened."""
    lines = text.strip().splitlines() or [""]
    return (
        lines[-1]
        if lines[0].startswith("Traceback")
        else " ".join(dict.fromkeys((lines[0], lines[-1].strip())))
    )


def _log(config: WorkerConfig, redactor: Redactor) -> None:
    """What plugins and libraries log goes to stderr, without secrets."""
    from prismq_worker_sdk.observe.logs import set_up_logging

    level = "DEBUG" if config.debug else "WARNING"
    set_up_logging(log_format=config.log_format, level=level, redactor=redactor)
