"""The reports of one call: no task is reported by two loops at once (R26), and what the answer says of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.protocol import ExchangeReply, ExchangeResponse, ReportReply, Unreachable
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


BATCH_BYTES = 1024 * 1024
"""Bytes in one call, or one report (R23)."""


def replies_of(whole: ExchangeReply, number: int) -> tuple[ReportReply, ...]:
    """One reply for each report, whatever came."""
    silent = Unreachable("the server did not say what became of the report")
    if not isinstance(whole, ExchangeResponse):
        return (whole,) * number
    replies = whole.reports
    return (*replies[:number], *(silent,) * (number - len(replies)))


def within_bytes(reports: Sequence[Report]) -> tuple[Report, ...]:
    """The first reports of a line that fit into one call; at least one (R23)."""
    room = BATCH_BYTES
    for place, report in enumerate(reports):
        room -= _bytes(report)
        if room < 0 and place:
            return tuple(reports[:place])
    return tuple(reports)


def _bytes(report: Report) -> int:
    size = len(report.outcome.result) if isinstance(report.outcome, Completed) else 1024
    return size + sum(len(child.params) for child in report.children) + 512
