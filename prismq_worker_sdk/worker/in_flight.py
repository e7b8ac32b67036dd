"""Reports that are on their way to the server now: no task is reported by two loops at once (R26)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from prismq_worker_sdk.model.report import Report


class InFlight:
    """The tasks of one server that are being reported; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: set[str] = set()

    def __len__(self) -> int:
        """How many reports there are."""
        return len(self._tasks)

    def take(
        self, look: Callable[[], Sequence[Report]], fitting: Callable[[list[Report]], Sequence[Report]]
    ) -> Sequence[Report]:
        """Reports that may be sent together now; they are the caller's until it lands them.

        Args:
            look: Gives what is to be sent; while it looks, nobody takes or lands anything, so that what it finds was
                not dealt with by another loop meanwhile.
            fitting: Which of the reports whose tasks nobody reports now go along in one call.
        """
        with self._lock:
            chosen = fitting([one for one in look() if one.identity.task_id not in self._tasks])
            self._tasks.update(one.identity.task_id for one in chosen)
            return chosen

    def land(self, reports: Iterable[Report]) -> None:
        """What became of these is known and stored."""
        with self._lock:
            self._tasks.difference_update(one.identity.task_id for one in reports)
