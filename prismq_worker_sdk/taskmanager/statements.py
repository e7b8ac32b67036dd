"""Statements that are compiled once and then given to the driver: building and binding one costs more than its work."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Generator, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.exc import OperationalError


class Statement:
    """A statement whose parameters are known by their names; none of them is expanded.

    Args:
        names: Of the parameters, in the order in which `run` and `first_of_each` get their values.
    """

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update, names: Sequence[str] = ()) -> None:
        self._statement = statement
        self._names = list(names)
        self._compiled: dict[str, tuple[str, dict[str, Any], list[str] | None]] = {}
        if isinstance(statement, sa.Select):
            row: Any = namedtuple("_Row", statement.selected_columns.keys())  # type: ignore[misc]  # noqa: PYI024
            self._row: Callable[[Any], Any] = row._make

    def rows(self, db: sa.Connection, **values: Any) -> Generator[Any, None, None]:
        """The rows of a query, with their columns as attributes; read as far as they are asked for."""
        text, defaults, order = self._for(db.dialect)
        given: Any = {**defaults, **values}
        if order is not None:
            given = [given[name] for name in order]
        cursor = execute(db, text, given)
        try:
            yield from map(self._row, cursor)
        finally:
            cursor.close()

    def first(self, db: sa.Connection, **values: Any) -> Any:
        """The first row, None where there is none."""
        return next(self.rows(db, **values), None)

    def first_of_each(self, db: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The first row for each row of values."""
        text, given = self._given(db, rows)
        cursor, found = db.connection.cursor(), []
        for values in given:
            cursor.execute(text, values)
            found.append(cursor.fetchone())
        cursor.close()
        return [None if row is None else self._row(row) for row in found]

    def run(self, db: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts or updates for each row of values."""
        if rows:
            text, given = self._given(db, rows)
            execute(db, text, given, many=True).close()

    def _given(self, db: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> tuple[str, Sequence[Any]]:
        """The text, and each row of values as the driver takes it."""
        text, _defaults, order = self._for(db.dialect)
        if order == self._names:
            return text, rows
        if order is None:
            return text, [dict(zip(self._names, row, strict=True)) for row in rows]
        return text, list(map(itemgetter(*map(self._names.index, order)), rows))

    def _for(self, dialect: sa.Dialect) -> tuple[str, dict[str, Any], list[str] | None]:
        """Its text, what its parameters are unless given, and their order where they have no names."""
        kind = f"{dialect.name} {dialect.driver}"
        if kind not in self._compiled:
            compiled = self._statement.compile(dialect=dialect)
            self._compiled[kind] = (str(compiled), dict(compiled.params), compiled.positiontup)
        return self._compiled[kind]


def insert(table: sa.Table, names: Sequence[str]) -> Statement:
    """An insert; the values are these columns."""
    return Statement(table.insert().values({name: bindparam(name) for name in names}), names)


def update(
    table: sa.Table,
    names: Sequence[str],
    by: Sequence[str],
    *,
    unless_none: Sequence[str] = (),
    where: Sequence[sa.ColumnElement[bool]] = (),
    **fixed: sa.ColumnElement[Any],
) -> Statement:
    """An update; the values are `names`, `unless_none`, then `by`.

    Args:
        names: Columns that are set.
        by: Columns that say which row.
        unless_none: Columns that a value of None leaves as they are.
        where: What also must hold.
        fixed: Columns that are set to the same for every row.
    """
    values: dict[str, Any] = {name: bindparam(name) for name in names} | fixed
    values |= {name: sa.func.coalesce(bindparam(name, type_=sa.Text), table.c[name]) for name in unless_none}
    which = [table.c[name] == bindparam(f"the_{name}") for name in by]
    statement = table.update().where(*which, *where).values(values)
    return Statement(statement, [*names, *unless_none, *(f"the_{name}" for name in by)])


def literal(value: str | int) -> sa.ColumnElement[Any]:
    """A constant that stands in the statement itself: by it a planner knows that an index of some rows will do."""
    return sa.literal_column(repr(value))


def execute(db: sa.Connection, text: str, values: Any = (), *, many: bool = False) -> Any:
    """Gives a statement to the driver; its cursor. An error of the driver is raised as SQLAlchemy would."""
    cursor = db.connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(text, values)
    except db.dialect.loaded_dbapi.Error as error:
        raise OperationalError(text, None, error) from error
    return cursor
