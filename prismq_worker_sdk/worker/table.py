"""The table of the tasks that are worked on here."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from prismq_worker_sdk.worker.attempt import Attempt


class AttemptTable:
    """Every attempt whose thread has not ended, strays included; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: dict[tuple[str, str], Attempt] = {}

    def add(self, attempts: Iterable[Attempt]) -> None:
        """From now on they are watched."""
        with self._lock:
            self._attempts.update((_key(attempt), attempt) for attempt in attempts)

    def remove(self, attempts: Iterable[Attempt]) -> None:
        """Their threads have ended."""
        with self._lock:
            for attempt in attempts:
                if self._attempts.get(_key(attempt)) is attempt:
                    del self._attempts[_key(attempt)]

    def all(self) -> tuple[Attempt, ...]:
        """Every attempt, strays included."""
        with self._lock:
            return tuple(self._attempts.values())

    def live(self) -> tuple[Attempt, ...]:
        """The attempts that may still end by themselves."""
        return tuple(attempt for attempt in self.all() if not attempt.stray)

    def of_task(self, server: str, task_id: str) -> Attempt | None:
        """The attempt that works on this task here, None when there is none (R9)."""
        return self._attempts.get((server, task_id))


def _key(attempt: Attempt) -> tuple[str, str]:
    identity = attempt.claim.identity
    return identity.server, identity.task_id
