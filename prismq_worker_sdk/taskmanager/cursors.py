"""Cursors of pages: where the next one begins, as a text that tells nobody more."""

from __future__ import annotations

import base64
from contextlib import suppress

from prismq_worker_sdk.taskmanager.http import Problem

MAX_PLACE = 2**63 - 1


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
