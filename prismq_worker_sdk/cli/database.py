"""What commands do to the database of a TaskManager, whether its server runs or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from prismq_worker_sdk.errors import SettingsError, UsageError, missing_extra
from prismq_worker_sdk.files import place

if TYPE_CHECKING:
    import sqlalchemy as sa

T = TypeVar("T")
DEFAULT = "taskmanager.db"
WHO = "command line"
"""Who did it, for the audit."""


def _given(context: click.Context, _option: click.Parameter, value: str | None) -> str:
    return place_of(value or context.obj or DEFAULT)


database_option = click.option(
    "--database",
    callback=_given,
    help=f"SQLite file or SQLAlchemy URL of the TaskManager [that of `taskmanager`, else {DEFAULT}]",
)


def place_of(given: str) -> str:
    """The whole path of a file; an address, and what is kept in memory only, as they are."""
    if "://" in given or given == ":memory:":
        return given
    path = place(given, "--database")
    if not path.parent.is_dir():
        raise SettingsError(f"--database {given}: there is no folder {path.parent}; make it, or name another")
    return str(path)


def on_database(database: str, operation: Callable[[sa.Connection, float], T]) -> T:
    """What an operation of the server gives, in a transaction; a fresh database is made ready first.

    Raises:
        SettingsError: The database cannot be used.
        UsageError: The operation refuses.
    """
    need_extra()
    from sqlalchemy.exc import DBAPIError

    from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
    from prismq_worker_sdk.taskmanager.db.database import connect
    from prismq_worker_sdk.taskmanager.http import Problem

    opened = connect(TaskManagerConfig(database=database).url)
    try:
        with opened.writing.begin() as db:
            return operation(db, opened.now(db))
    except Problem as problem:
        raise UsageError(problem.detail) from None
    except DBAPIError as error:
        shown = opened.writing.url.render_as_string(hide_password=True)
        raise SettingsError(f"--database {shown} cannot be used: {error.orig}") from None
    finally:
        opened.close()


def need_extra() -> None:
    """Raises SettingsError unless the extra `taskmanager` is installed."""
    try:
        import fastapi  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise missing_extra(
            error, "the TaskManager", "taskmanager", "fastapi", "sqlalchemy", "uvicorn"
        ) from None
