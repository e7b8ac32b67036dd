"""`prismq-worker taskmanager export|backup`: what copies the tasks of a TaskManager, running or not."""

from __future__ import annotations

import time
from pathlib import Path

import click

from prismq_worker_sdk.cli.database import database_option, need_extra
from prismq_worker_sdk.cli.options import duration_option, text
from prismq_worker_sdk.cli.output import note, tell
from prismq_worker_sdk.files import place


@click.command(short_help="Print tasks as JSON lines.")
@database_option
@click.option("--status", type=click.Choice(["pending", "processing", "completed", "failed"]))
@click.option("--type", "task_type", metavar="TYPE", callback=text)
@duration_option("--older-than", help="Only tasks that ended so long ago")
def export(database: str, status: str | None, task_type: str | None, older_than: float | None) -> None:
    """Print tasks as JSON lines, the first one first, each with its history and its logs.

    \b
        prismq-worker taskmanager export --status failed --older-than 30d > failed.jsonl
    """
    need_extra()
    from prismq_worker_sdk.taskmanager.db.database import open_to_read
    from prismq_worker_sdk.taskmanager.export import Wanted, exported

    before = None if older_than is None else time.time() - older_than
    engine = open_to_read(_url(database))
    for line in exported(engine, Wanted(status=status, type=task_type, ended_before=before)):
        tell(line)
    engine.dispose()


@click.command(short_help="Copy the SQLite file of a TaskManager.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@database_option
def backup(file: Path, database: str) -> None:
    """Copy the SQLite file of a TaskManager that may be running to FILE, and check the copy.

    \b
        prismq-worker taskmanager backup /backup/taskmanager.db --database /var/lib/prismq/taskmanager.db

    It is the database at one moment; nobody waits for it. What FILE was before stays until the copy is whole.
    """
    need_extra()
    from prismq_worker_sdk.taskmanager.backup import back_up

    target = place(file, "FILE")
    found = back_up(_url(database), target)
    note(f"{target}: {found} tasks, checked")


def _url(database: str) -> str:
    from prismq_worker_sdk.taskmanager.config import TaskManagerConfig

    return TaskManagerConfig(database=database).url
