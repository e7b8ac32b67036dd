"""Slots: how many tasks run at a time, and the threads that run them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence

from prismq_worker_sdk.worker.attempt import Attempt


class SlotThreads:
    """Threads that take tasks from one line, so that a task waits for no other one.

    Nothing is ever done to a thread of somebody else: they are the worker's own.

    Attributes:
        work: Runs one attempt to its end and raises nothing; set before the first one begins.
    """

    work: Callable[[Attempt], None]

    def __init__(self) -> None:
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
            self.work(attempt)
            if attempt.stray:
                return  # its slot is lost: there is another thread for the next one


class SlotPool:
    """The slots of a worker: reserved before a claim is sent, taken by its tasks, lost to strays (R4, R16).

    Tasks that were prefetched wait here, first come first, for a handler to end: the next one begins without a round
    trip, and without waiting until the end before it is stored.

    Args:
        begin: Begins attempts, with so many threads at least.
    """

    def __init__(self, size: int, begin: Callable[[Sequence[Attempt], int], None]) -> None:
        self._lock = threading.Lock()
        self._size = size
        self._begin = begin
        self._reserved = 0
        self._prefetched: deque[Attempt] = deque()
        self._running: set[Attempt] = set()
        self._ended: set[Attempt] = set()
        self._lost = 0

    @property
    def free(self) -> int:
        """Slots that are neither reserved, nor busy, nor lost to a stray, less the tasks that wait for one.

        A slot is busy until its task's end is stored (R12).
        """
        with self._lock:
            held = len(self._prefetched) + len(self._running) + len(self._ended)
            return self._size - self._reserved - held - self._lost

    @property
    def prefetched(self) -> tuple[Attempt, ...]:
        """The tasks that wait for a slot, the next one first."""
        with self._lock:
            return tuple(self._prefetched)

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
        """Keeps places for the tasks of a claim about to be sent (R4)."""
        with self._lock:
            self._reserved += number

    def unreserve(self, number: int) -> None:
        """Gives back what a claim did not need."""
        with self._lock:
            self._reserved -= number

    def start(self, attempts: Sequence[Attempt], now: float) -> None:
        """Runs attempts whose places were reserved, each as soon as a slot is free.

        Args:
            now: Clock reading.
        """
        with self._lock:
            self._reserved -= len(attempts)
            self._prefetched.extend(attempts)
            self._begin_next()
            for attempt in attempts[-len(self._prefetched) :] if self._prefetched else ():
                attempt.prefetch(now)

    def withdraw(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Takes back attempts that wait for a slot; those that were still waiting: the others begin, or have begun."""
        with self._lock:
            back = [attempt for attempt in attempts if attempt in self._prefetched]
            for attempt in back:
                self._prefetched.remove(attempt)
            self._ended.update(back)
        return back

    def returned(self, attempt: Attempt) -> None:
        """A handler has ended: the next task that waits begins; the slot is free once the end is stored (R12)."""
        with self._lock:
            if attempt in self._running and not attempt.stray:
                self._running.remove(attempt)
                self._ended.add(attempt)
                self._begin_next()

    def finished(self, attempts: Sequence[Attempt]) -> None:
        """Attempts left their slots; the slot of a stray is not used again (R16)."""
        with self._lock:
            self._running.difference_update(attempts)
            self._ended.difference_update(attempts)
            self._begin_next()

    def lose(self, attempt: Attempt) -> None:
        """Gives up the slot of an attempt that does not end."""
        with self._lock:
            self._running.discard(attempt)
            self._lost += 1

    def _begin_next(self) -> None:
        """Begins what waits, as far as slots are free; for whoever holds the lock."""
        free = self._size - len(self._running) - self._lost
        begun = [self._prefetched.popleft() for _ in range(min(free, len(self._prefetched)))]
        if begun:
            self._running.update(begun)
            self._begin(begun, len(self._running) + self._lost)
