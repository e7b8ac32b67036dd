"""The clock that everything reads: two readings and nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, given in from outside, so that tests can turn it."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; goes on while the machine sleeps (R5)."""

    def utc(self) -> datetime:
        """The instant now, with time zone UTC."""
