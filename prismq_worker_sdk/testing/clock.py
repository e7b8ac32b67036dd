"""A clock that stands until it is turned."""

from __future__ import annotations

from datetime import datetime, timedelta

from prismq_worker_sdk.compat import UTC

__all__ = ["FakeClock"]


class FakeClock:
    """A clock that stands until it is turned.

    Args:
        start: The first instant, UTC.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._passed = 0.0

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._passed

    def utc(self) -> datetime:
        """The instant now."""
        return self._start + timedelta(seconds=self._passed)

    def turn(self, seconds: float) -> None:
        """Lets time pass, 0 or more seconds."""
        if seconds < 0:
            raise ValueError(f"turn({seconds!r}): time does not run back")
        self._passed += seconds

    def jump(self, seconds: float) -> None:
        """Sets the wall clock forwards or back; `monotonic` does not notice."""
        self._start += timedelta(seconds=seconds)
