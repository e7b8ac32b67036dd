"""How an error leaves the command line: one sentence on stderr and an exit code."""

from __future__ import annotations

import json
import logging
import os

import click

from prismq_worker_sdk.errors import PrismqError, UsageError

__all__ = ["carried_out"]


def carried_out(command: click.Command, arguments: list[str]) -> int:
    """Runs a command; the exit code: 0 done, 1 the server's fault, 2 wrong use, 130 interrupted.

    A traceback is shown with `--debug` (or DEBUG=1) only; with `--log-format json` the sentence is one JSON object.
    """
    debug = "--debug" in arguments or os.environ.get("DEBUG", "").lower() in {"1", "true", "yes", "on"}
    try:
        code = command.main(args=arguments, prog_name="prismq-worker", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        return _say(arguments, error.format_message(), error.exit_code)
    except PrismqError as error:
        if debug:
            logging.getLogger("prismq").critical("traceback", exc_info=error)
        return _say(arguments, str(error), 2 if isinstance(error, UsageError) else 1)
    except Exception as error:
        if debug:
            logging.getLogger("prismq").critical("traceback", exc_info=error)
        text = (
            f"unexpected {type(error).__name__}: {error}; run it again with --debug and report the traceback"
        )
        return _say(arguments, text, 1)
    return code if isinstance(code, int) else 0


def _say(arguments: list[str], text: str, code: int) -> int:
    from prismq_worker_sdk.decide.redaction import Redactor

    clean = Redactor().text(text)
    line = (
        json.dumps({"level": "CRITICAL", "message": clean, "exit_code": code})
        if _as_json(arguments)
        else None
    )
    click.echo(line or f"prismq-worker: {clean}", err=True)
    return code


def _as_json(arguments: list[str]) -> bool:
    """Whether lines of stderr are JSON: by the argument, the environment, or the logging that is set up."""
    said = " ".join(arguments).replace("=", " ")
    if "--log-format" in said:
        return "--log-format json" in said
    if os.environ.get("PRISMQ_WORKER_LOG_FORMAT") == "json":
        return True
    return any(
        type(handler.formatter).__name__ == "JsonFormatter" for handler in logging.getLogger().handlers
    )
