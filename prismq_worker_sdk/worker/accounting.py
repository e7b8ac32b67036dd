"""Counts where every claim and every outcome goes, for the sums of R38."""

from __future__ import annotations

import threading
from collections import Counter

from prismq_worker_sdk.decide.accounts import faults
from prismq_worker_sdk.model.report import Settlement


class Accounting:
    """The worker's own books; the statistics that people see are kept from the events, apart.

    Attributes:
        claimed: Claims taken since the start, less those that went back untouched: they are no runs.
        ended: Claims that have ended since the start, less those that went back untouched.
        waiting: Reports without a verdict, by the books.
        settled: How reports left the line.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.claimed = self.ended = self.waiting = 0
        self._committed = self._recovered = 0
        self.settled: Counter[Settlement] = Counter()

    def claim(self, number: int = 1) -> None:
        """More claims."""
        with self._lock:
            self.claimed += number

    def untouched(self) -> None:
        """A prefetched task goes back: its end is to come."""
        with self._lock:
            self.claimed -= 1
            self.ended -= 1

    def end(self, number: int) -> None:
        """Claims ended."""
        with self._lock:
            self.ended += number

    def commit(self, number: int = 1) -> None:
        """More outcomes stand in the line, or were offered from memory and settled (R12)."""
        with self._lock:
            self._committed += number
            self.waiting += number

    def recover(self, number: int) -> None:
        """Reports of earlier processes were found."""
        with self._lock:
            self._recovered += number
            self.waiting += number

    def settle(self, settlement: Settlement, number: int = 1) -> None:
        """Reports left the line."""
        with self._lock:
            self.settled[settlement] += number
            self.waiting -= number

    def faults(self, *, waiting: int) -> tuple[str, ...]:
        """The sums that are off, one sentence each; empty when they hold.

        Args:
            waiting: Reports in the line now.
        """
        with self._lock:
            return faults(
                claimed=self.claimed,
                ended=self.ended,
                committed=self._committed,
                recovered=self._recovered,
                gone=sum(self.settled.values()) + waiting,
            )
