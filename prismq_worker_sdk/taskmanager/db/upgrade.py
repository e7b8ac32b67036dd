"""The migrations of an older database, by alembic; imported where there is one only."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from prismq_worker_sdk.errors import SettingsError


def upgrade(db: sa.Connection, found: str, wanted: str) -> None:
    """Brings the tables from one revision to another, in the transaction of the connection.

    Raises:
        SettingsError: There is no way from the one to the other: the database is of a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = db
    try:
        command.upgrade(config, wanted)
    except CommandError as error:
        raise SettingsError(
            f"the tables of this database are of revision {found}, which this TaskManager cannot bring to its own, "
            f"{wanted} ({error}); run the newer TaskManager, or name another --database"
        ) from None
