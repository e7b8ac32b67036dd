"""Cursors of pages: where the next one begins, as a text that tells nobody more."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.http import Problem

MAX_PLACE = 2**63 - 1


def latest(
    db: sa.Connection, query: sa.Select[Any], key: sa.Column[int], limit: int, cursor: str | None
) -> tuple[list[sa.Row[Any]], str | None]:
    """The rows of a page, those with the highest keys first, and the cursor of the next page.

    Rows that come meanwhile do not shift the pages.
    """
    query = query.order_by(key.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(key < place_of(cursor))
    rows = list(db.execute(query))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, cursor_of(getattr(rows[-1], key.name)) if more else None


def cursor_of(place: int) -> str:
    """The cursor of a page that begins behind this number."""
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def place_of(cursor: str) -> int:
    """The number that a cursor was made of.

    Raises:
        Problem: 422 it was not made here.
    """
    with suppress(ValueError):
        place = int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if 0 < place <= MAX_PLACE:
            return place
    raise Problem(422, f"cursor {cursor[:80]!r} was not made by this server; leave it out to begin anew")
