"""Brings a database to the tables of this version, one process at a time."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager, nullcontext

import sqlalchemy as sa

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.db.service_tables import metadata
from prismq_worker_sdk.taskmanager.db.tables import meta, tasks

HEAD = "0002"
"""The newest revision; a test holds it to those in migrations/versions."""
WITHOUT, BEFORE_ALEMBIC = "none", "0001"
"""A database whose tables have no revision, and which they are."""
LOCK_SECONDS = 60
revision = sa.table("alembic_version", sa.column("version_num", sa.String(32)))
OLD_INDEXES = ("tasks_pending", "tasks_expiring", "tasks_worker", "tasks_dedupe")
"""Of version 0.1.0."""


def migrate(engine: sa.Engine) -> None:
    """Makes the tables of a fresh database, and changes those of an older one.

    Raises:
        SettingsError: It is of a newer version.
        SQLAlchemyError: It cannot be done; nothing was changed where the database can take changes of tables back.
    """
    locked = nullcontext() if engine.dialect.name == "sqlite" else _locked(engine)
    with locked:
        with engine.begin() as db:
            found = _revision(db)
            if found is None:
                _create(db)
                found = HEAD
            elif found == WITHOUT:
                _adopt(db)
            if found == HEAD:
                _look(db)
        if found != HEAD:
            from prismq_worker_sdk.taskmanager.db.upgrade import upgrade

            with engine.begin() as db:
                upgrade(db, found, HEAD)
                _look(db)


def instance_of(engine: sa.Engine) -> str:
    """The id that was made with the database."""
    with engine.connect() as db:
        return str(db.scalar(sa.select(meta.c.value).where(meta.c.name == "instance")))


def _revision(db: sa.Connection) -> str | None:
    """What the tables are of, None where there are none."""
    names = set(sa.inspect(db).get_table_names())
    if revision.name in names:
        return str(db.scalar(sa.select(revision.c.version_num)))
    return WITHOUT if tasks.name in names else None


def _create(db: sa.Connection) -> None:
    metadata.create_all(db)
    _stamp(db, HEAD)
    db.execute(meta.insert().values(name="instance", value=str(uuid.uuid4())))


def _look(db: sa.Connection) -> None:
    """Raises unless every table is there, with its columns."""
    quote = db.dialect.identifier_preparer.quote
    for table in metadata.tables.values():
        columns = ", ".join(quote(column.name) for column in table.columns)
        db.exec_driver_sql(f"SELECT {columns} FROM {quote(table.name)} LIMIT 0")


def _adopt(db: sa.Connection) -> None:
    """Says of the tables of a database without a revision which they are."""
    known = {index["name"] for index in sa.inspect(db).get_indexes(tasks.name)}
    for name in known.intersection(OLD_INDEXES):
        db.exec_driver_sql(f"DROP INDEX {name}")
    _stamp(db, BEFORE_ALEMBIC)


def _stamp(db: sa.Connection, found: str) -> None:
    db.exec_driver_sql(f"CREATE TABLE {revision.name} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    db.execute(revision.insert().values(version_num=found))


@contextmanager
def _locked(engine: sa.Engine) -> Generator[None, None, None]:
    """Lets one replica at a time in; on a connection of its own, since alembic's must be fresh."""
    with engine.connect() as db:
        name = f"prismq-migrations:{engine.url.database}"[:64]
        got = db.scalar(sa.text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": LOCK_SECONDS})
        if not got:
            raise SettingsError(
                f"another TaskManager has been changing the tables of this database for {LOCK_SECONDS} s; "
                "look what it does, and start this one again"
            )
        try:
            yield
        finally:
            db.execute(sa.text("SELECT RELEASE_LOCK(:name)"), {"name": name})
