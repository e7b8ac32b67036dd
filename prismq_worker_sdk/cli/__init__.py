"""The command line: one group, its commands loaded when they are used."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from prismq_worker_sdk.cli.lazy import LazyGroup

__all__ = ["main", "prismq_worker"]


@click.group(
    cls=LazyGroup,
    default="run",
    commands={
        "run": "prismq_worker_sdk.cli.run:run",
        "doctor": "prismq_worker_sdk.cli.doctor:doctor",
        "plugins": "prismq_worker_sdk.cli.plugins:plugins",
        "try": "prismq_worker_sdk.cli.try_:try_",
        "submit": "prismq_worker_sdk.cli.submit:submit",
        "tasks": "prismq_worker_sdk.cli.tasks:tasks",
        "outbox": "prismq_worker_sdk.cli.outbox:outbox",
        "taskmanager": "prismq_worker_sdk.cli.taskmanager:taskmanager",
        "demo": "prismq_worker_sdk.cli.demo:demo",
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="prismq-worker-sdk")
def prismq_worker() -> None:
    """Run PrismQ workers, and develop them.

    Without a command it runs a worker:

    \b
        prismq-worker --plugin youtube_shorts
        prismq-worker --plugin my_handlers.py --api-url http://localhost:8000/api

    Installed plugins may add commands; a name that nobody knows is answered with theirs.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit code.

    Args:
        arguments: Those of this process, which is the command's own then, unless given.
    """
    from prismq_worker_sdk.cli.answers import until_the_end
    from prismq_worker_sdk.cli.ending import end_process
    from prismq_worker_sdk.cli.failures import carried_out

    if arguments is None:
        until_the_end()
        return end_process(carried_out(prismq_worker, sys.argv[1:]))
    return carried_out(prismq_worker, list(arguments))
