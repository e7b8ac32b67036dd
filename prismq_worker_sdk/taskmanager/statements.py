"""SQL that is compiled once and then given to the driver: building and binding a statement costs more than its work."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Generator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError


class Statement:
    """A statement with parameters `:name`.

    A constant stands in its text: by it SQLite knows that an index of some rows will do.

    Args:
        locks: Whether the rows that are read are about to be changed. SQLite's writer has the database to itself;
            other databases are told.
    """

    def __init__(self, text: str, *, locks: bool = False) -> None:
        self._text = text
        self._locks = locks
        self._compiled: dict[str, tuple[str, list[str] | None]] = {}
        self._row: Callable[[Any], Any] | None = None

    def rows(self, db: sa.Connection, **values: Any) -> Generator[Any, None, None]:
        """The rows of a query, with their columns as attributes; read as far as they are asked for."""
        text, order = self._for(db.dialect)
        cursor = execute(db, text, values if order is None else [values[name] for name in order])
        try:
            yield from map(self._row or self._reader(cursor), cursor)
        finally:
            cursor.close()

    def first(self, db: sa.Connection, **values: Any) -> Any:
        """The first row, None where there is none."""
        return next(self.rows(db, **values), None)

    def first_of_each(self, db: sa.Connection, name: str, values: Sequence[Any]) -> list[Any]:
        """The first row for each value of a parameter."""
        text, order = self._for(db.dialect)
        cursor, found = db.connection.cursor(), []
        for value in values:
            cursor.execute(text, {name: value} if order is None else (value,))
            row = cursor.fetchone()
            found.append(None if row is None else (self._row or self._reader(cursor))(row))
        cursor.close()
        return found

    def run(self, db: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts or updates for each row of values, in the order in which the text names them, each once."""
        if rows:
            text, order = self._for(db.dialect)
            given: Sequence[Any] = rows
            if order is None:
                names = list(sa.text(self._text).compile().params)
                given = [dict(zip(names, row, strict=True)) for row in rows]
            execute(db, text, given, many=True).close()

    def _for(self, dialect: sa.Dialect) -> tuple[str, list[str] | None]:
        """The text, and the order of its parameters where they have no names."""
        kind = f"{dialect.name} {dialect.driver}"
        if kind not in self._compiled:
            lock = " FOR UPDATE" if self._locks and dialect.name != "sqlite" else ""
            compiled = sa.text(self._text + lock).compile(dialect=dialect)
            self._compiled[kind] = (str(compiled), compiled.positiontup)
        return self._compiled[kind]

    def _reader(self, cursor: Any) -> Callable[[Any], Any]:
        row: Any = namedtuple("_Row", [column[0] for column in cursor.description or ()])  # type: ignore[misc]  # noqa: PYI024
        self._row = row._make
        return self._row


def insert(table: sa.Table, columns: Sequence[str]) -> Statement:
    """An insert of these columns."""
    values = ", ".join(f":{name}" for name in columns)
    return Statement(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values})")


def execute(db: sa.Connection, text: str, values: Any = (), *, many: bool = False) -> Any:
    """Gives a statement to the driver; its cursor. An error of the driver is raised as SQLAlchemy would."""
    cursor = db.connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(text, values)
    except db.dialect.loaded_dbapi.Error as error:
        raise OperationalError(text, None, error) from error
    return cursor
