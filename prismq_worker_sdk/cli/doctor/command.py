"""`prismq-worker doctor`: what a worker with the same options would meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import click

from prismq_worker_sdk.cli.doctor.encryption import check_encryption
from prismq_worker_sdk.cli.doctor.here import check_here
from prismq_worker_sdk.cli.doctor.server import Doctor, check_limits, check_server
from prismq_worker_sdk.cli.handlers import ready_handlers, why_unready
from prismq_worker_sdk.cli.options import json_option, plugin_option, setting_options
from prismq_worker_sdk.cli.output import only_answers, tell, tell_json
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.environment import keep_places, misdirected
from prismq_worker_sdk.errors import UsageError
from prismq_worker_sdk.handlers.discovery import Plugins, load
from prismq_worker_sdk.handlers.handler import Handler, Registry
from prismq_worker_sdk.observe.log_setup import set_up_logging
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.settings import SETTINGS, configured_plugins, load_settings, raw_value
from prismq_worker_sdk.wire.checks import CheckResult, Level, Recorder, fail, ok, warn

CHECKS: tuple[Callable[[Doctor], Iterable[CheckResult]], ...] = (
    check_server,
    check_encryption,
    check_limits,
    check_here,
)
"""What is looked at once the plugins are loaded; what a dialect adds comes with `check_server`."""

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
    settings = load_settings(given)
    keep_places(settings.state_dir)
    config = settings.config()
    redactor = Redactor(config.secrets)
    level = "DEBUG" if config.debug else "WARNING"
    set_up_logging(log_format=config.log_format, level=level, redactor=redactor)
    with only_answers():
        handlers, plugins, about_plugins = _handlers(names, redactor)
        examined = Doctor(
            config=config,
            handlers=handlers,
            plugins=plugins,
            server=Recorder(config.api_url, config.key, config.connection),
            probe=probe,
            address_given=given["api_url"] is not None or raw_value("api_url") is not None,
        )
        shown = []
        about_settings = (warn("settings", reason) for reason in misdirected(SETTINGS))
        for result in chain(about_settings, about_plugins, results_of(examined)):
            text, remedy = redactor.text(result.text), redactor.text(result.remedy)
            shown.append(replace(result, text=text, remedy=remedy))
            if not as_json:
                tell(line(shown[-1]))
        if as_json:
            dialect = None if examined.met is None else examined.met.dialect
            checks = [{**asdict(result), "remedy": result.remedy or None} for result in shown]
            works = would_run(shown)
            tell_json({"would_run": works, "api_url": config.api_url, "dialect": dialect, "checks": checks})
        else:
            tell(summary(shown))
        return 0 if would_run(shown) else 1


def results_of(doctor: Doctor) -> Iterator[CheckResult]:
    """What all checks find."""
    for check in CHECKS:
        yield from check(doctor)


def would_run(results: Sequence[CheckResult]) -> bool:
    """Whether a worker would run and work rightly."""
    return all(result.level is not Level.FAIL for result in results)


def line(result: CheckResult) -> str:
    """A result on one line."""
    level = "FAIL" if result.level is Level.FAIL else result.level
    remedy = f"; {result.remedy}" if result.remedy else ""
    return one_line(f"{level:<5} {result.check:<11} {result.text}{remedy}")


def summary(results: Sequence[CheckResult]) -> str:
    """What it comes to, in one sentence."""
    fails = sum(result.level is Level.FAIL for result in results)
    warnings = sum(result.level is Level.WARN for result in results)
    also = f", {warnings} warning{'s' * (warnings != 1)}" if warnings else ""
    if fails:
        return f"a worker would not run as it should: {fails} check{'s' * (fails != 1)} failed{also}"
    return f"a worker would run{also}"


def _handlers(names: Sequence[str], redactor: Redactor) -> tuple[list[Handler], list[str], list[CheckResult]]:
    """The handlers, their plugins as `--plugin` takes them, and what there is to say of them."""
    try:
        names = names or configured_plugins()
        plugins = load(names)
        handlers = list(Registry(ready_handlers(plugins.loaded, redactor.learn)).handlers)
    except UsageError as error:
        remedy = TRACEBACKS if "Traceback" in str(error) else ""
        return [], list(names), [fail("plugins", _gist(str(error)), remedy)]
    used = list(names) or [plugin.name for plugin in plugins.loaded if plugin.handlers]
    return handlers, used, list(_about_plugins(plugins, handlers))


def _about_plugins(plugins: Plugins, handlers: Sequence[Handler]) -> Iterator[CheckResult]:
    for one in plugins.broken:
        text = f"{one.name} does not load and is left out: {_gist(one.traceback)}"
        yield warn("plugins", text, TRACEBACKS)
    if handlers:
        names = ", ".join(plugin.name for plugin in plugins.loaded)
        yield ok("plugins", f"{names}: {len(handlers)} task type{'s' * (len(handlers) != 1)}")
    else:
        yield fail("plugins", "there is no handler to run", "install a plugin, or name one with --plugin")
    for handler in handlers:
        if (reason := why_unready(handler)) is not None:
            text = f"{handler.task_type} is not ready and would not be claimed: {reason}"
            yield warn("plugins", text, "mend that; a running worker asks again")


def _gist(text: str) -> str:
    """The first line of a message, and of a traceback in it the last one, which says what happened."""
    lines = text.strip().splitlines() or [""]
    if lines[0].startswith("Traceback"):
        return lines[-1]
    return " ".join(dict.fromkeys((lines[0], lines[-1].strip())))
