"""Statements that may take only so long: the database breaks them off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

STEPS = 1000
"""Of SQLite's machine between two looks at the clock."""
BROKEN_OFF = {1969, 3024}
"""Codes of MariaDB and MySQL."""


class TooSlow(Exception):  # noqa: N818 - what became of it
    """It took longer than it may."""


@contextmanager
def within(db: sa.Connection, seconds: float) -> Iterator[None]:
    """Breaks off what is read inside: on SQLite all of it together, elsewhere each statement.

    Raises:
        TooSlow: It took longer.
    """
    connection: Any = db.connection.driver_connection
    over = time.monotonic() + seconds
    if db.dialect.name == "sqlite":
        connection.set_progress_handler(lambda: time.monotonic() > over, STEPS)
    else:
        _let_take(db, seconds)
    try:
        yield
    except DBAPIError as error:
        args = getattr(error.orig, "args", ())
        if args[:1] == ("interrupted",) or (args and args[0] in BROKEN_OFF):
            raise TooSlow from None
        raise
    finally:
        if db.dialect.name == "sqlite":
            connection.set_progress_handler(None, 0)
        elif not db.invalidated:  # a connection that was lost takes its setting along
            _let_take(db, 0)


def _let_take(db: sa.Connection, seconds: float) -> None:
    """0 for as long as it takes."""
    if getattr(db.dialect, "is_mariadb", False):
        db.exec_driver_sql(f"SET max_statement_time = {seconds:.3f}")
    else:
        db.exec_driver_sql(f"SET max_execution_time = {round(seconds * 1000)}")
