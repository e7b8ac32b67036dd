"""The table of the tasks that are worked on here."""

from __future__ import annotations

import threading

from prismq_worker_sdk.worker.attempt import Attempt

__all__ = ["AttemptTable"]


class AttemptTable:
    """Every attempt whose thread has not ended, strays included; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: list[Attempt] = []

    def add(self, attempt: Attempt) -> None:
        """From now on it is watched."""
        with self._lock:
            self._attempts.append(attempt)

    def remove(self, attempt: Attempt) -> None:
        """Its thread has ended."""
        with self._lock:
            if attempt in self._attempts:
                self._attempts.remove(attempt)

    def all(self) -> tuple[Attempt, ...]:
        """Every attempt, strays included."""
        with self._lock:
            return tuple(self._attempts)

    def live(self) -> tuple[Attempt, ...]:
        """The attempts that may still end by themselves."""
        return tuple(attempt for attempt in self.all() if not attempt.stray)

    def of_task(self, server: str, task_id: str) -> Attempt | None:
        """The attempt that works on this task here, None when there is none (R9)."""
        for attempt in self.all():
            identity = attempt.claim.identity
            if (identity.server, identity.task_id) == (server, task_id):
                return attempt
        return None
