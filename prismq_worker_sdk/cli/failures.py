"""How an error leaves the command line: one sentence on stderr and an exit code."""

from __future__ import annotations

import os
import sys

import click

from prismq_worker_sdk.errors import PrismqError, UsageError

__all__ = ["carried_out"]


def carried_out(command: click.Command, arguments: list[str]) -> int:
    """Runs a command; the exit code: 0 done, 1 the server's fault, 2 wrong use, 130 interrupted.

    A traceback is shown with `--debug` (or DEBUG=1) only.
    """
    debug = "--debug" in arguments or os.environ.get("DEBUG", "").lower() in {"1", "true", "yes", "on"}
    try:
        code = command.main(args=arguments, prog_name="prismq-worker", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PrismqError as error:
        if debug:
            raise
        click.echo(f"prismq-worker: {error}", err=True)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return code if isinstance(code, int) else 0
