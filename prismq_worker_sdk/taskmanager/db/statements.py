"""SQL that is compiled once and then given to the driver: building and binding a statement costs more than its work."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Generator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

_NAME = re.compile(r"(?<!:):([a-z_]+)")
_UPDATE = re.compile(r"UPDATE (\w+) SET (.*) WHERE (.*)", re.DOTALL)


class Lock(Enum):
    """What becomes of the rows that a query reads; SQLite's writer has the whole database to itself."""

    NONE = ""
    WAIT = " FOR UPDATE"
    SKIP = " FOR UPDATE SKIP LOCKED"


class Statement:
    """A statement with parameters `:name`.

    A constant stands in its text: by it SQLite knows that an index of some rows will do.

    Args:
        lock: Of the rows that are about to be changed.
    """

    def __init__(self, text: str, *, lock: Lock = Lock.NONE) -> None:
        self._text = text
        self._lock = lock
        self._names: list[str] = list(dict.fromkeys(_NAME.findall(text)))
        self._compiled: dict[tuple[str, int], tuple[str, list[str] | None]] = {}
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

    def first_of_each(self, db: sa.Connection, name: str, values: Sequence[Any], **more: Any) -> list[Any]:
        """The first row for each value of one parameter, which a column of the same name is compared with.

        Args:
            more: The values of the other parameters.
        """
        if db.dialect.name != "sqlite" and len(values) > 1:
            return self._found_together(db, name, values, more)
        text, order = self._for(db.dialect)
        found = []
        for value in values:
            given = {name: value, **more}
            cursor = execute(db, text, given if order is None else [given[one] for one in order])
            row = cursor.fetchone()
            found.append(None if row is None else (self._row or self._reader(cursor))(row))
            cursor.close()
        return found

    def rows_of_each(
        self, db: sa.Connection, rows: Sequence[tuple[Any, ...]], within: str = "{}", **more: Any
    ) -> list[Any]:
        """The rows for each row of values, in one round trip and in no order; not for SQLite, which knows no such text.

        Args:
            within: A query around all of them; its rows have the columns that come in their place.
            more: The values of its parameters.
        """
        kind = (f"{db.dialect.name} {db.dialect.driver} {within}", len(rows))
        if kind not in self._compiled:
            whole = f"({self._text}{self._lock.value})"
            parts = (_NAME.sub(rf":\1_{place}", whole) for place in range(len(rows)))
            self._compiled[kind] = _compiled(db.dialect, within.format(" UNION ALL ".join(parts)))
        given = {
            f"{name}_{place}": value
            for place, row in enumerate(rows)
            for name, value in zip(self._names, row, strict=True)
        }
        cursor = execute(db, self._compiled[kind][0], given | more)
        found = list(map(_reader(cursor), cursor))
        cursor.close()
        return found

    def run(self, db: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts or updates for each row of values, in the order in which the text names them, each once."""
        if not rows:
            return
        if db.dialect.name != "sqlite" and len(rows) > 1 and self._text.startswith("UPDATE"):
            for start in range(0, len(rows), MOST_TOGETHER):
                self._update_together(db, rows[start : start + MOST_TOGETHER])
            return
        text, order = self._for(db.dialect)
        given: Sequence[Any] = rows
        if order is None or order != self._names:
            named = [dict(zip(self._names, row, strict=True)) for row in rows]
            given = named if order is None else [[row[name] for name in order] for row in named]
        execute(db, text, given, many=True).close()

    def _found_together(
        self, db: sa.Connection, name: str, values: Sequence[Any], more: Mapping[str, Any]
    ) -> list[Any]:
        """One round trip for all of them."""
        wanted = list(dict.fromkeys(values))
        size = 1 << (len(wanted) - 1).bit_length()  # few texts to compile
        text = self._text.replace(
            f"= :{name}", f"IN ({', '.join(f':{name}{place}' for place in range(size))})"
        )
        compiled, order = self._for(db.dialect, size, text)
        given = {f"{name}{place}": wanted[min(place, len(wanted) - 1)] for place in range(size)} | dict(more)
        cursor = execute(db, compiled, given if order is None else [given[one] for one in order])
        found: dict[Any, Any] = {}
        for row in map(self._row or self._reader(cursor), cursor):
            found.setdefault(getattr(row, name), row)
        cursor.close()
        return [found.get(value) for value in values]

    def _update_together(self, db: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """One round trip for all of them: the table joined with the values."""
        match = _UPDATE.fullmatch(self._text)
        assert match is not None, self._text
        table, changes, condition = match.groups()
        names = [f"p_{name}" for name in self._names]
        lines = [
            "SELECT " + ", ".join(f":{name}_{place} AS {name}" for name in names)
            for place in range(len(rows))
        ]
        changes, condition = (_NAME.sub(r"given.p_\1", part) for part in (changes, condition))
        joined = f"UPDATE {table} JOIN ({' UNION ALL '.join(lines)}) AS given ON {condition} SET {changes}"
        text, order = self._for(db.dialect, -len(rows), joined)
        given = {
            f"{name}_{place}": value
            for place, row in enumerate(rows)
            for name, value in zip(names, row, strict=True)
        }
        execute(db, text, given if order is None else [given[one] for one in order]).close()

    def _for(self, dialect: sa.Dialect, size: int = 0, text: str = "") -> tuple[str, list[str] | None]:
        """The text, and the order of its parameters where they have no names."""
        kind = (f"{dialect.name} {dialect.driver}", size)
        if kind not in self._compiled:
            lock = "" if dialect.name == "sqlite" else self._lock.value
            self._compiled[kind] = _compiled(dialect, (text or self._text) + lock)
        return self._compiled[kind]

    def _reader(self, cursor: Any) -> Callable[[Any], Any]:
        self._row = _reader(cursor)
        return self._row


MOST_TOGETHER = 128
"""Rows of one statement that changes many."""


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


def _compiled(dialect: sa.Dialect, text: str) -> tuple[str, list[str] | None]:
    compiled = sa.text(text).compile(dialect=dialect)
    return str(compiled), compiled.positiontup


def _reader(cursor: Any) -> Callable[[Any], Any]:
    return _row_of(tuple(column[0] for column in cursor.description or ()))


@lru_cache(maxsize=256)
def _row_of(columns: tuple[str, ...]) -> Callable[[Any], Any]:
    row: Any = namedtuple("_Row", columns)  # type: ignore[misc]  # noqa: PYI024
    make: Callable[[Any], Any] = row._make
    return make
