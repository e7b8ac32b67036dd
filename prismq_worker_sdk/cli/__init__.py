"""The command line: one group, its commands loaded when they are used."""

from __future__ import annotations

from collections.abc import Sequence

import click

from prismq_worker_sdk.cli.group import LazyGroup

PLACE = "prismq_worker_sdk.cli"


@click.group(
    cls=LazyGroup,
    default="run",
    commands={
        "run": (f"{PLACE}.run:run", "Run a worker (the default)."),
        "doctor": (f"{PLACE}.doctor.command:doctor", "Check what a worker would meet, and what to do."),
        "plugins": (f"{PLACE}.plugins:plugins", "List the installed plugins and their task types."),
        "try": (f"{PLACE}.try_:try_", "Run a handler once, without a server."),
        "submit": (f"{PLACE}.tasks:submit", "Create a task on the server."),
        "tasks": (f"{PLACE}.steering:tasks", "List, show and steer tasks."),
        "status": (f"{PLACE}.status:status", "Show what goes on at the server."),
        "top": (f"{PLACE}.status:top", "The same, live."),
        "workers": (f"{PLACE}.workers:workers", "List workers, and steer them."),
        "types": (f"{PLACE}.task_types:types", "List task types, pause and resume them."),
        "schedules": (f"{PLACE}.schedules:schedules", "List and steer what the server runs by the clock."),
        "limits": (f"{PLACE}.limits:limits", "List the limits of the whole fleet, set and pause them."),
        "alerts": (f"{PLACE}.alerts:alerts", "List alerts, and set what webhooks are told."),
        "outbox": (f"{PLACE}.outbox:outbox", "Look at stored results, and deal with them."),
        "taskmanager": (f"{PLACE}.taskmanager:taskmanager", "Run a TaskManager for development and tests."),
        "conformance": (f"{PLACE}.conformance:conformance", "Hold a server to the protocol, check by check."),
        "demo": (f"{PLACE}.demo:demo", "See it work: a TaskManager, a worker and three tasks."),
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
    from prismq_worker_sdk.cli.output import main_of_process, run_command

    return main_of_process(prismq_worker) if arguments is None else run_command(prismq_worker, [*arguments])
