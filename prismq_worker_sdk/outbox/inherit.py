"""Takes over what the free instances of a state folder left behind (R39)."""

from __future__ import annotations

from sqlite3 import Connection, Error

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.outbox.folder import Instance
from prismq_worker_sdk.outbox.schema import TABLES, open_database

SUMMED = "times = times + excluded.times, last_at = max(last_at, excluded.last_at) WHERE excluded.last_at <> last_at"
"""At the same instant it is the same row, copied before a crash."""
BOTH_KNOW = {
    "crashes": SUMMED,
    "lapses": SUMMED,
    "checkpoints": "value = excluded.value, stored_at = excluded.stored_at WHERE excluded.stored_at > stored_at",
    "pauses": "until = excluded.until, reason = excluded.reason, seconds = excluded.seconds"
    " WHERE excluded.until > until",
}
"""What becomes of a row that both outboxes have; in any other table the own one stays."""


def inherit(own: Connection, sibling: Instance) -> None:
    """Moves everything of a free instance into the own outbox.

    It is copied and committed here before it is deleted there: a crash in between leaves two copies of an
    outcome with one `uid`, of which the second is ignored.

    Args:
        own: The connection of this worker's outbox, not in use by anybody else yet.
        sibling: Locked by the caller.

    Raises:
        StateFolderError: The sibling's file cannot be read, or the own one not written.
    """
    other = open_database(sibling.database)
    try:
        own.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            _copy(own, other, table)
        own.execute("COMMIT")
        other.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            other.execute(f"DELETE FROM {table}")
        other.execute("COMMIT")
    except Error as error:
        if own.in_transaction:
            own.execute("ROLLBACK")
        raise StateFolderError(
            f"the outbox {sibling.database} of an earlier worker cannot be taken over ({error}); "
            "free disk space, or move its folder aside and keep it"
        ) from error
    finally:
        other.close()


def _copy(own: Connection, other: Connection, table: str) -> None:
    columns = [row[1] for row in other.execute(f"PRAGMA table_info({table})")]
    kept = ", ".join(column for column in columns if column != "number")
    marks = ", ".join("?" for column in columns if column != "number")
    order = " ORDER BY number" if "number" in columns else ""
    known = f" ON CONFLICT DO UPDATE SET {BOTH_KNOW[table]}" if table in BOTH_KNOW else ""
    own.executemany(
        f"INSERT OR IGNORE INTO {table} ({kept}) VALUES ({marks}){known}",
        other.execute(f"SELECT {kept} FROM {table}{order}"),
    )
