"""Counts where every claim and every outcome goes, for the sums of R38."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from prismq_worker_sdk.decide.accounts import Accounts
from prismq_worker_sdk.model.events import End
from prismq_worker_sdk.model.report import Settlement


class Accounting:
    """The worker's own books; the statistics that people see are kept from the events, apart.

    Attributes:
        claimed: Claims taken since the start, less those that went back untouched: they are no runs.
        ended: Claims that have ended since the start, less those that went back untouched.
        waiting: Reports without a verdict, by the books.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.claimed = self.ended = self.waiting = 0
        self._committed = 0
        self._recovered = 0
        self._ends: Counter[End] = Counter()
        self._settled: Counter[Settlement] = Counter()
        self._untouched = 0

    @property
    def parked(self) -> int:
        """Reports parked since the start."""
        return self._settled[Settlement.PARKED]

    def claim(self, number: int = 1) -> None:
        """More claims."""
        with self._lock:
            self.claimed += number

    def untouched(self) -> None:
        """A prefetched task goes back."""
        with self._lock:
            self._untouched += 1
            self.claimed -= 1
            self.ended -= 1

    def end(self, ends: Iterable[End]) -> None:
        """Claims ended."""
        with self._lock:
            for end in ends:
                self._ends[end] += 1
                self.ended += 1

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
            self._settled[settlement] += number
            self.waiting -= number

    def accounts(self, *, waiting: int) -> Accounts:
        """The books as they stand.

        Args:
            waiting: Reports in the line now.
        """
        with self._lock:
            unconfirmed = self._settled[Settlement.UNCONFIRMED]
            return Accounts(
                claimed=self.claimed + self._untouched,
                completed=self._ends[End.COMPLETED],
                failed=self._ends[End.FAILED],
                released=self._ends[End.RELEASED],
                lapsed=self._ends[End.LAPSED],
                lost_claims=self._ends[End.LOST],
                committed=self._committed,
                recovered=self._recovered,
                accepted=self._settled[Settlement.ACCEPTED] + unconfirmed,
                unconfirmed=unconfirmed,
                superseded=self._settled[Settlement.SUPERSEDED],
                lost_reports=self._settled[Settlement.LOST],
                parked=self._settled[Settlement.PARKED],
                waiting=waiting,
            )
