"""When a worker tells its server of itself: with a call that is made anyway, where something has changed."""

from __future__ import annotations

from math import inf

from prismq_worker_sdk.model.told_status import ToldStatus

LOOK_EVERY = 2.0
"""Seconds between two looks at what there is to say, at least."""
TELL_AGAIN = 600.0
"""Seconds after which it is said again: the server may have forgotten it."""


class StatusTeller:
    """What the server was told last; may be used from any thread, where two may tell the same.

    Args:
        started_at: When the worker was started: RFC 3339.
    """

    def __init__(self, started_at: str) -> None:
        self.started_at = started_at
        self._look_at = -inf
        self._tell_again_at = -inf
        self._told: ToldStatus | None = None

    def looks(self, now: float) -> bool:
        """Whether it is time for a look."""
        return now >= self._look_at

    def news(self, status: ToldStatus, now: float) -> ToldStatus | None:
        """What was looked at, where it is to be told."""
        self._look_at = now + LOOK_EVERY
        return status if status != self._told or now >= self._tell_again_at else None

    def heard(self, status: ToldStatus | None, now: float) -> None:
        """The server has it; None where no good answer came: the next call takes it along."""
        if status is None:
            self._look_at = -inf
        else:
            self._told, self._tell_again_at = status, now + TELL_AGAIN
