"""Types of columns that mean the same on every database: text is compared byte by byte, instants keep microseconds."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeEngine

MARIADB_BYTES, MYSQL_BYTES = "utf8mb4_nopad_bin", "utf8mb4_0900_bin"
"""Collations for which texts are equal when their bytes are, blanks at the end included."""

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the database counts up; SQLite counts `INTEGER` only."""

Instant = sa.Float().with_variant(sa.Double(), "mysql", "mariadb")
"""Seconds since 1970, UTC; of the double precision that keeps microseconds."""

Number = Instant
"""Any other number that is no integer."""


class Name(sa.types.TypeDecorator[str]):
    """A short text that is looked up by: a type, a key, an id."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """With the collation that compares bytes."""
        if dialect.name not in {"mysql", "mariadb"}:
            return dialect.type_descriptor(sa.String(self.length))
        from sqlalchemy.dialects import mysql

        return dialect.type_descriptor(
            mysql.VARCHAR(self.length, charset="utf8mb4", collation=_bytes(dialect))
        )


class Payload(sa.types.TypeDecorator[str]):
    """A text of any length: params, results, errors."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """With room for a result of 8 MiB."""
        if dialect.name not in {"mysql", "mariadb"}:
            return dialect.type_descriptor(sa.Text())
        from sqlalchemy.dialects import mysql

        return dialect.type_descriptor(mysql.LONGTEXT(charset="utf8mb4", collation=_bytes(dialect)))


def _bytes(dialect: Dialect) -> str:
    return MARIADB_BYTES if getattr(dialect, "is_mariadb", False) else MYSQL_BYTES
