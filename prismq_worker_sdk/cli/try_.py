"""`prismq-worker try`: one run of a handler, without a server."""

from __future__ import annotations

import json
from typing import Any

import click

from prismq_worker_sdk.cli.run import ready_handlers, report_broken, why_unready
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.model.outcome import Completed, Failed, Released

__all__ = ["json_object", "try_"]


@click.command("try", short_help="Run a handler once, without a server.")
@click.argument("task_type", metavar="TYPE")
@click.argument("params", default="{}")
@click.option(
    "--plugin", "names", multiple=True, metavar="NAME", help="Entry point, module or .py file [all installed]"
)
def try_(task_type: str, params: str, names: tuple[str, ...]) -> int:
    """Run the handler of TYPE with PARAMS (a JSON object) and print the result.

    \b
        prismq-worker try PrismQ.YouTube.ScrapeShorts '{"search_query": "startup ideas"}'

    The exit code is 0 for completed, 1 for failed or given back.
    """
    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.observe.logs import set_up_logging
    from prismq_worker_sdk.testing.harness import HandlerHarness

    given = json_object(params)
    redact = Redactor()
    set_up_logging(log_format="console", level="WARNING", redactor=redact)
    plugins = load(names or None)
    report_broken(plugins)
    handlers, secrets = ready_handlers(plugins)
    redact.learn(*secrets)
    handler = Registry(handlers).get(task_type)
    unready = why_unready(handler)
    if unready is not None:
        raise SettingsError(f"{task_type} is not ready: {unready}")
    found = HandlerHarness(handler).run(given)
    for level, message, fields in found.logs:
        said = " ".join(f"{name}={value}" for name, value in redact.value(fields).items())
        click.echo(redact.text(f"{level.lower()}: {message} {said}".rstrip()), err=True)
    match found.outcome:
        case Completed():
            click.echo(json.dumps(found.result, indent=2, ensure_ascii=False))
            return 0
        case Failed(error=error):
            click.echo(redact.text(f"failed: {error}"), err=True)
        case Released(reason=reason, delay_seconds=seconds):
            click.echo(redact.text(f"given back for {seconds:.0f} s: {reason}"), err=True)
    return 1


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in an argument.

    Raises:
        click.BadParameter: It is none.
    """
    try:
        found = json.loads(text, parse_constant=_refuse)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(
            f'{text!r} is no JSON ({error}); quote it: \'{{"name": "value"}}\'', param_hint="PARAMS"
        ) from None
    if not isinstance(found, dict):
        raise click.BadParameter(
            f'{text!r} is no JSON object; write \'{{"name": "value"}}\'', param_hint="PARAMS"
        )
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")
