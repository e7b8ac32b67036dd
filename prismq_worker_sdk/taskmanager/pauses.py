"""Task types that the whole fleet leaves alone for a while: waiting tasks stay, running ones go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.db.service_tables import type_pauses
from prismq_worker_sdk.taskmanager.db.statements import Statement

_STANDING = Statement("SELECT * FROM type_pauses WHERE until IS NULL OR until > :now ORDER BY type")
_OVER = sa.delete(type_pauses).where(type_pauses.c.until <= sa.bindparam("now"))
_OF_TYPE = type_pauses.c.type == sa.bindparam("name")


def standing(db: sa.Connection, now: float) -> dict[str, Any]:
    """The pauses that have not ended, by type."""
    return {row.type: row for row in _STANDING.rows(db, now=now)}


def not_paused(db: sa.Connection, types: Sequence[str], now: float) -> list[str]:
    """Those of the types that are not paused, each once, in their order."""
    paused = standing(db, now)
    return [one for one in dict.fromkeys(types) if one not in paused]


def pause(
    db: sa.Connection, name: str, until: float | None, reason: str | None, who: str, now: float
) -> None:
    """Lets no task of a type be claimed; takes the place of an earlier pause.

    Args:
        until: Seconds since 1970; None for until it is resumed.
    """
    resume(db, name, now)
    new = {"type": name, "until": until, "reason": reason, "paused_at": now, "paused_by": who}
    db.execute(type_pauses.insert(), new)


def resume(db: sa.Connection, name: str, now: float) -> None:
    """Lets tasks of a type be claimed again; that it was paused is not needed."""
    db.execute(_OVER, {"now": now})
    db.execute(sa.delete(type_pauses).where(_OF_TYPE), {"name": name})
