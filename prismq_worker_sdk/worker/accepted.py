"""Results that the server took just now: a claim that was on its way meanwhile must not run them again."""

from __future__ import annotations

import threading
from collections import OrderedDict

from prismq_worker_sdk.model.claim import TaskKey

__all__ = ["Accepted"]

MOST = 1024


class Accepted:
    """When the last results were accepted; may be used from any thread.

    A base server knows claims by worker id only. A worker that slept past the claim timeout may be handed the very
    task that it is about to report: the report counts for the new claim, and the answer to the claim comes after it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: OrderedDict[TaskKey, float] = OrderedDict()

    def note(self, key: TaskKey, now: float) -> None:
        """The result of a task was accepted."""
        with self._lock:
            self._times[key] = now
            self._times.move_to_end(key)
            if len(self._times) > MOST:
                self._times.popitem(last=False)

    def since(self, key: TaskKey, sent_at: float) -> bool:
        """Whether that was after a claim was sent.

        Args:
            sent_at: Clock reading.
        """
        with self._lock:
            return self._times.get(key, -1.0) >= sent_at
