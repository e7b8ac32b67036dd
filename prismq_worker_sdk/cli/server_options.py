"""The options of every command that talks to a TaskManager as a producer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from prismq_worker_sdk.cli.answers import json_text
from prismq_worker_sdk.cli.local_server import await_local_server
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.settings import SERVER_FIELDS, load_settings
from prismq_worker_sdk.wire.producer import TaskManagerClient

__all__ = ["api_url_option", "client_of", "show_task", "task_line"]

COLUMNS = 80


def api_url_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --api-url."""
    return click.option(
        "--api-url", metavar="URL", help="TaskManager, TASKMANAGER_API_URL [http://localhost:8000/api]"
    )(command)


def client_of(api_url: str | None) -> TaskManagerClient:
    """A client for the TaskManager of the settings, with their key and dialect; one of this machine may still start."""
    settings = load_settings({"api_url": api_url}, only=SERVER_FIELDS)
    await_local_server(settings.api_url)
    return TaskManagerClient(settings.api_url, api_key=settings.key(), dialect=settings.dialect)


def task_line(task: Task) -> str:
    """A task on one line."""
    error = f"  {task.error[:COLUMNS]}" if task.error else ""
    return one_line(f"{task.id}  {task.status:<10}  {task.type}{error}")


def show_task(task: Task, *, as_json: bool) -> None:
    """Prints a finished task: its result, or why it failed."""
    if as_json:
        body = {
            "id": task.id,
            "type": task.type,
            "status": task.status,
            "result": task.result,
            "error": task.error,
        }
        click.echo(json_text(body))
        return
    click.echo(task_line(task))
    if task.result is not None:
        click.echo(json_text(task.result))
