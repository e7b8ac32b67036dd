"""`prismq-worker demo`: the whole path on one screen."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import click

from prismq_worker_sdk.cli.database import need_extra
from prismq_worker_sdk.cli.handlers import ready_handlers
from prismq_worker_sdk.cli.options import live_option
from prismq_worker_sdk.cli.output import json_text
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.discovery import Plugins, load
from prismq_worker_sdk.handlers.hookspecs import Demo
from prismq_worker_sdk.model.task import Task, TaskStatus, short_id
from prismq_worker_sdk.observe.live import LiveView, live_view
from prismq_worker_sdk.observe.terminal import Screen

SECONDS = 120.0
"""How long the sample tasks may take together."""


@click.command
@click.option(
    "--plugin",
    "names",
    multiple=True,
    default=("youtube_shorts",),
    show_default=True,
    metavar="NAME",
    help="Plugin.",
)
@live_option
def demo(names: tuple[str, ...], *, live: bool) -> int:
    """Start a TaskManager and a worker, submit sample tasks over REST, and show what comes of them.

    Everything happens in a temporary folder on this machine. The exit code is 0 when every task completed.
    """
    need_extra()
    redactor = Redactor()
    screen = Screen(redactor=redactor)
    plugins = load(names)
    with ExitStack() as stack:
        demos = _started(plugins, stack)
        if not demos:
            raise PluginError(f"{', '.join(names)} has no demo; it would come from the hook prismq_demo")
        for one in demos:
            os.environ.update(one.environment)
            screen.say(one.note)
        view = live_view(screen.console) if live else None
        finished = _run(plugins, demos, screen, redactor, stack, view)
    for task, one in finished:
        screen.heading(f"{task.type} {_json(task)}: {task.status}")
        if task.error:
            screen.say(f"  {task.error}")
        elif task.result is not None:
            screen.table(_rows(one, task.result))
    screen.heading(
        "Next: your own handler, in docs/quickstart.md; what a plugin offers: prismq-worker plugins"
    )
    return 0 if all(task.status is TaskStatus.COMPLETED for task, _one in finished) else 1


def _started(plugins: Plugins, stack: ExitStack) -> list[Demo]:
    """The demo of every plugin that has one; what it started is stopped, whatever another plugin does."""
    demos: list[Demo] = []
    for plugin in plugins.loaded:
        for _plugin, found in Plugins((plugin,)).call("prismq_demo"):
            if isinstance(found, Demo):
                stack.callback(found.close)
                demos.append(found)
    return demos


def _run(
    plugins: Plugins,
    demos: Sequence[Demo],
    screen: Screen,
    redactor: Redactor,
    stack: ExitStack,
    view: LiveView | None,
) -> list[tuple[Task, Demo]]:
    """The sample tasks once they are finished."""
    from prismq_worker_sdk.observe.log_setup import set_up_logging
    from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
    from prismq_worker_sdk.taskmanager.server import RunningServer
    from prismq_worker_sdk.wire.producer import TaskManagerClient
    from prismq_worker_sdk.worker.config import WorkerConfig
    from prismq_worker_sdk.worker.worker import Worker

    secrets: list[str] = []
    handlers = ready_handlers(plugins.loaded, secrets.append)
    redactor.learn(*secrets)
    set_up_logging(log_format="console", level="ERROR", redactor=redactor)
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix="prismq-demo-", ignore_cleanup_errors=True))
    )
    config = TaskManagerConfig(database=str(folder / "taskmanager.db"), port=0)
    server = stack.enter_context(RunningServer(config))
    screen.say(f"TaskManager at {server.url}, SQLite at {config.database}")
    settings = WorkerConfig(
        api_url=server.url, state_dir=folder / "state", poll_interval=0.5, secrets=tuple(secrets)
    )
    client = TaskManagerClient(server.url)
    stack.callback(client.close)
    listeners: list[Callable[[Any], None]] = [] if view is None else [view]
    worker = Worker(handlers, settings=settings, listeners=[screen, *listeners, *plugins.listeners()])
    samples = [(client.submit(task.type, task.params), one) for one in demos for task in one.tasks]
    for handle, _one in samples:
        screen.say(f"POST /api/tasks -> task {short_id(handle.id)}  {handle.task.type} {_json(handle.task)}")
    with nullcontext() if view is None else view.shown(worker.status), worker:
        finished = [(handle.wait(SECONDS), one) for handle, one in samples]
    screen.heading("Worker statistics")
    screen.lines(worker.stats.lines())
    return finished


def _json(task: Task) -> str:
    """Parameters as they are typed."""
    return json_text(dict(task.params))


def _rows(one: Demo, result: Any) -> Sequence[Mapping[str, str]]:
    if one.rows is not None:
        return one.rows(result)
    shown = result if isinstance(result, dict) else {"result": result}
    return [{name: str(value) for name, value in shown.items()}]
