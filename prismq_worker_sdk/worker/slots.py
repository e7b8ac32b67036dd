"""Slots: where handlers run. The port, and slots that are threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Protocol

from prismq_worker_sdk.worker.attempt import Attempt

Work = Callable[[Attempt], None]
"""Runs one attempt to its commit; raises nothing."""


class Slot(Protocol):
    """A place where one handler runs at a time."""

    def start(self, attempt: Attempt) -> None:
        """Begins; returns at once."""
        ...

    def close(self) -> None:
        """Takes no more; what runs goes on."""
        ...


class ThreadSlot:
    """A slot that is a thread of its own, so that nothing is ever done to somebody else's thread."""

    def __init__(self, number: int, work: Work, done: Callable[[Slot, Attempt], None]) -> None:
        self._work = work
        self._done = done
        self._queue: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"prismq-slot-{number}", daemon=True)
        self._thread.start()

    def start(self, attempt: Attempt) -> None:
        """Begins; returns at once."""
        self._queue.put(attempt)

    def close(self) -> None:
        """Takes no more; what runs goes on."""
        self._queue.put(None)

    def _run(self) -> None:
        while (attempt := self._queue.get()) is not None:
            try:
                self._work(attempt)
            finally:
                self._done(self, attempt)


class SlotPool:
    """The slots of a worker: reserved before a claim is sent, taken by its tasks, lost to strays (R4, R16)."""

    def __init__(self, size: int, make: Callable[[int], Slot]) -> None:
        self._lock = threading.Lock()
        self._size = size
        self._make = make
        self._made = 0
        self._idle: list[Slot] = []
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

    def start(self, attempt: Attempt) -> None:
        """Runs an attempt in a reserved slot."""
        with self._lock:
            self._reserved -= 1
            self._running.add(attempt)
            if self._idle:
                slot = self._idle.pop()
            else:
                slot = self._make(self._made)
                self._made += 1
        slot.start(attempt)

    def finished(self, slot: Slot, attempt: Attempt) -> None:
        """An attempt left its slot; the slot of a stray is not used again (R16)."""
        with self._lock:
            if attempt in self._running:
                self._running.remove(attempt)
                self._idle.append(slot)
                return
        slot.close()

    def lose(self, attempt: Attempt) -> bool:
        """Gives up the slot of an attempt that does not end; False when it has just ended after all."""
        with self._lock:
            if attempt not in self._running:
                return False
            self._running.remove(attempt)
            self._lost += 1
            return True

    def close(self) -> None:
        """Ends the idle slots."""
        with self._lock:
            idle, self._idle = self._idle, []
        for slot in idle:
            slot.close()
