"""Slots: how many tasks run at a time, and the threads that run them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from prismq_worker_sdk.worker.attempt import Attempt


class SlotThreads:
    """Threads that take tasks from one line, so that a task waits for no other one.

    Nothing is ever done to a thread of somebody else: they are the worker's own.

    Args:
        work: Runs one attempt to its end; raises nothing.
    """

    def __init__(self, work: Callable[[Attempt], None]) -> None:
        self._work = work
        self._queue: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._made = 0

    def begin(self, attempts: Sequence[Attempt], threads: int) -> None:
        """Begins; returns at once.

        Args:
            threads: How many there must be, those of strays included.
        """
        for number in range(self._made, threads):
            name = f"prismq-slot-{number}"
            threading.Thread(target=self._run, name=name, daemon=True).start()
            self._made += 1
        for attempt in attempts:
            self._queue.put(attempt)

    def close(self) -> None:
        """Takes no more; what runs goes on."""
        for _ in range(self._made):
            self._queue.put(None)

    def _run(self) -> None:
        while (attempt := self._queue.get()) is not None:
            self._work(attempt)
            if attempt.stray:
                return  # its slot is lost: there is another thread for the next one


class SlotPool:
    """The slots of a worker: reserved before a claim is sent, taken by its tasks, lost to strays (R4, R16).

    Args:
        begin: Begins attempts, with so many threads at least.
    """

    def __init__(self, size: int, begin: Callable[[Sequence[Attempt], int], None]) -> None:
        self._lock = threading.Lock()
        self._size = size
        self._begin = begin
        self._reserved = 0
        self._running: set[Attempt] = set()
        self._lost = 0

    @property
    def free(self) -> int:
        """Slots that are neither reserved, nor busy, nor lost to a stray."""
        with self._lock:
            return self._size - self._reserved - len(self._running) - self._lost

    @property
    def lost(self) -> int:
        """Slots that were lost to strays."""
        with self._lock:
            return self._lost

    @property
    def all_lost(self) -> bool:
        """Whether every slot was lost to a stray (R16)."""
        with self._lock:
            return self._lost >= self._size

    @property
    def reserved(self) -> int:
        """Slots kept for claims whose answer is not known yet."""
        with self._lock:
            return self._reserved

    def reserve(self, number: int) -> None:
        """Keeps free slots for the tasks of a claim about to be sent (R4)."""
        with self._lock:
            self._reserved += number

    def unreserve(self, number: int) -> None:
        """Gives back what a claim did not need."""
        with self._lock:
            self._reserved -= number

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Runs attempts in reserved slots."""
        with self._lock:
            self._reserved -= len(attempts)
            self._running.update(attempts)
            self._begin(attempts, len(self._running) + self._lost)

    def finished(self, attempts: Sequence[Attempt]) -> None:
        """Attempts left their slots; the slot of a stray is not used again (R16)."""
        with self._lock:
            self._running.difference_update(attempts)

    def lose(self, attempt: Attempt) -> None:
        """Gives up the slot of an attempt that does not end."""
        with self._lock:
            self._running.discard(attempt)
            self._lost += 1
