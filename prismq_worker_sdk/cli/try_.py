"""`prismq-worker try`: one run of a handler in a worker of its own, without a server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import click

from prismq_worker_sdk.cli.answers import json_text, only_answers
from prismq_worker_sdk.cli.failures import wants_traceback
from prismq_worker_sdk.cli.params import given_params, params_argument
from prismq_worker_sdk.cli.run import ready_handlers, report_broken
from prismq_worker_sdk.errors import PrismqError, SettingsError
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.settings import asked_for, configured_plugins

__all__ = ["try_"]

Place = Literal["thread", "process"]
PLACES: tuple[Place, ...] = ("thread", "process")


@click.command("try", short_help="Run a handler once, without a server.")
@click.argument("task_type", metavar="TYPE")
@params_argument
@click.option(
    "--plugin", "names", multiple=True, metavar="NAME", help="Entry point, module or .py file [all installed]"
)
@click.option(
    "--isolation",
    type=click.Choice(PLACES),
    help="Where it runs unless it says so itself, PRISMQ_WORKER_ISOLATION [thread]",
)
@click.option("--debug", is_flag=True, help="Log everything, show whole tracebacks, DEBUG")
def try_(task_type: str, params: str, names: tuple[str, ...], *, isolation: str | None, debug: bool) -> int:
    """Run the handler of TYPE with PARAMS (a JSON object, @FILE or -) as a worker would, and print the result.

    \b
        prismq-worker try PrismQ.YouTube.ScrapeShorts '{"search_query": "startup ideas"}'

    It runs under its time limit, in a thread or a process as it says; what else it says is shown on stderr.
    The exit code is 0 for completed, 1 for failed or given back.
    """
    from prismq_worker_sdk.cli.screen import Screen
    from prismq_worker_sdk.cli.trying import run_once
    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.observe.logs import set_up_logging

    given = given_params(params)
    redact = Redactor()
    level = "DEBUG" if debug or wants_traceback([]) else "WARNING"
    set_up_logging(log_format="console", level=level, redactor=redact)
    with only_answers() as tell:
        plugins = load(names or configured_plugins())
        report_broken(plugins)
        handlers, secrets = ready_handlers(plugins)
        redact.learn(*secrets)
        handler = Registry(handlers).get(task_type)
        isolation = isolation or str(asked_for("isolation"))
        if handler.isolation is None and isolation in PLACES:
            handler = replace(handler, isolation=isolation)
        with Screen(redact) as screen:
            trial = run_once(handler, given, redact, screen.hear)
            if trial.unready is not None:
                raise SettingsError(f"{task_type} is not ready: {trial.unready}")
            if trial.report is None:
                raise PrismqError(f"the worker ended without an outcome of {task_type}; run it with --debug")
            screen.end(trial.report, trial.seconds)
        outcome = trial.report.outcome
        if not isinstance(outcome, Completed):
            return 1
        tell(json_text(json.loads(outcome.result)))
        return 0
