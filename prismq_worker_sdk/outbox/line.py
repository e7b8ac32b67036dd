"""The line of waiting reports in memory, as long as it is short: what is due then costs no look at the disk."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from prismq_worker_sdk.model.claim import TaskKey
from prismq_worker_sdk.model.report import Report

LONGEST = 1_024
LARGEST = 8 * 1024 * 1024
"""What is kept in memory at most, in reports and in characters of their results; beyond that the disk is asked."""


@dataclass(slots=True)
class _Waiting:
    report: Report
    due_at: float


class Line:
    """The waiting reports of one server, oldest first; a copy of what is on the disk, changed in the same order.

    It is whole, or it knows nothing and the disk is asked: whatever it is not told of exactly ends it.
    Everything but the questions is called where transactions are made, one after the other.
    Its instants are monotonic, so a clock that is set back does not make a report wait longer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, _Waiting] | None = None
        self._size = 0

    @property
    def whole(self) -> bool:
        """Whether it knows every waiting report."""
        return self._waiting is not None

    def begin(self) -> None:
        """Nothing waits: from here on it knows."""
        with self._lock:
            self._waiting, self._size = {}, 0

    def end(self) -> None:
        """Something happened that it does not know exactly: the disk is asked until nothing waits."""
        with self._lock:
            self._waiting, self._size = None, 0

    def add(self, reports: Iterable[Report], due_at: float) -> None:
        """These wait now, behind all others."""
        with self._lock:
            for report in reports:
                if self._waiting is None or report.number is None:
                    return
                self._waiting[report.number] = _Waiting(report, due_at)
                self._size += _size(report)
                if len(self._waiting) > LONGEST or self._size > LARGEST:
                    self._waiting, self._size = None, 0

    def remove(self, reports: Iterable[Report]) -> None:
        """These have left the line."""
        with self._lock:
            for report in reports:
                if self._waiting is not None and self._waiting.pop(report.number or 0, None) is not None:
                    self._size -= _size(report)

    def again(self, report: Report, due_at: float) -> None:
        """It was sent without a verdict."""
        with self._lock:
            if self._waiting is not None and report.number in self._waiting:
                self._waiting[report.number] = _Waiting(report, due_at)

    def checkpointed(self, key: TaskKey, value: str) -> None:
        """A task has a new checkpoint, which a report of it takes along (R30)."""
        with self._lock:
            for waiting in (self._waiting or {}).values():
                if waiting.report.checkpoint is not None and waiting.report.identity.task_key == key:
                    waiting.report = replace(waiting.report, checkpoint=value)

    def due(self, now: float, limit: int) -> Sequence[Report] | None:
        """What is due, oldest first; None where the disk must be asked."""
        with self._lock:
            if self._waiting is None:
                return None
            found = []
            for waiting in self._waiting.values():
                if waiting.due_at <= now:
                    found.append(waiting.report)
                    if len(found) >= limit:
                        break
            return found

    def next_due(self) -> float | None:
        """The instant at which the first report is due, None when nothing waits."""
        with self._lock:
            return min((one.due_at for one in (self._waiting or {}).values()), default=None)


def _size(report: Report) -> int:
    result = getattr(report.outcome, "result", "")
    return len(result) + sum(len(child.params) for child in report.children)
