"""How an error leaves the command line: one sentence on stderr and an exit code."""

from __future__ import annotations

import logging

import click

from prismq_worker_sdk.cli.answers import escape_what_does_not_fit
from prismq_worker_sdk.errors import PrismqError, UsageError

__all__ = ["carried_out", "say", "wants_traceback"]

ON = frozenset({"1", "true", "t", "yes", "y", "on"})


def carried_out(command: click.Command, arguments: list[str]) -> int:
    """Runs a command; the exit code: 0 done, 1 the server's fault, 2 wrong use, 130 interrupted.

    A traceback is shown with `--debug` (or DEBUG=1) only; with `--log-format json` the sentence is one JSON object.
    """
    escape_what_does_not_fit()
    try:
        code = command.main(args=arguments, prog_name="prismq-worker", standalone_mode=False)
        _flush_logs()
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        return say(error.format_message(), arguments, code=error.exit_code)
    except PrismqError as error:
        ends = 2 if isinstance(error, UsageError) else 1
        return say(str(error), arguments, code=ends, error=error)
    except Exception as error:  # noqa: BLE001 - whatever it is, people get a sentence
        text = (
            f"unexpected {type(error).__name__}: {error}; run it again with --debug and report the traceback"
        )
        return say(text, arguments, code=1, error=error)
    return code if isinstance(code, int) else 0


def say(text: str, arguments: list[str], *, code: int = 0, error: Exception | None = None) -> int:
    """Writes one sentence to stderr, without the secrets that the logging knows; the exit code.

    Args:
        arguments: Of the whole command line: whether it wants JSON, and tracebacks.
        error: Whose traceback is shown when tracebacks are wanted.
    """
    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.observe.logs import ConsoleFormatter, JsonFormatter

    _flush_logs()
    level = logging.CRITICAL if code else logging.WARNING
    record = logging.LogRecord("prismq", level, __file__, 0, text, None, None)
    if error is not None and wants_traceback(arguments):
        record.exc_info = type(error), error, error.__traceback__
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    ours = [one for one in formatters if isinstance(one, JsonFormatter | ConsoleFormatter)]
    in_use = ours[0] if ours else ConsoleFormatter(Redactor(), "")
    clean, _fields, trace = in_use.parts(record)
    if isinstance(in_use, JsonFormatter) or _wants_json(arguments):
        record.msg, record.exc_info = clean, None
        fields = {"exit_code": code or None, "exception": trace or None}
        record.fields = {name: value for name, value in fields.items() if value is not None}
        click.echo(JsonFormatter(Redactor(), "").format(record), err=True)
    else:
        click.echo(f"{trace}\n" * bool(trace) + f"prismq-worker: {clean}", err=True)
    return code


def _flush_logs() -> None:
    """What was logged comes before what is said now, and before the prompt."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _wants_json(arguments: list[str]) -> bool:
    """Whether lines of stderr are JSON objects, by the command line, the environment or the config file."""
    said = " ".join(arguments).replace("=", " ")
    if "--log-format" in said:
        return "--log-format json" in said
    return _asked_for("log_format") == "json"


def wants_traceback(arguments: list[str]) -> bool:
    """Whether tracebacks are wanted, by this command line, the environment or the config file."""
    return "--debug" in arguments or _asked_for("debug").lower() in ON


def _asked_for(name: str) -> str:
    from prismq_worker_sdk.settings import asked_for

    return str(asked_for(name))
