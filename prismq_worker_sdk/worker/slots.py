"""Slots: how many tasks run at a time, in all and of a type that has a limit, their threads, and the table of them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from prismq_worker_sdk.decide.rate_limits import Bucket
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.worker.attempt import Abandoned, Attempt


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
            if isinstance(attempt.state, Abandoned):
                return  # its slot is lost: there is another thread for the next one


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
        return tuple(attempt for attempt in self.all() if not isinstance(attempt.state, Abandoned))

    def of_task(self, server: str, task_id: str) -> Attempt | None:
        """The attempt that works on this task here, None when there is none (R9)."""
        return self._attempts.get((server, task_id))


@dataclass(slots=True)
class _Limit:
    """What holds the tasks of one type to a number at a time, or to a rate."""

    most: int | None
    bucket: Bucket | None
    running: int = 0
    reserved: int = 0

    def room(self, now: float) -> int:
        limits = [] if self.most is None else [self.most - self.running]
        if self.bucket is not None:
            limits.append(self.bucket.tokens(now))
        return min(limits) - self.reserved


class SlotPool:
    """The slots of a worker: reserved before a claim is sent, taken by its tasks, lost to strays (R4, R16).

    Tasks that were prefetched wait here, first come first, for a handler to end: the next one begins without a round
    trip, and without waiting until the end before it is stored.

    Args:
        begin: Begins attempts, with so many threads at least.
        handlers: Whose limits are kept.
    """

    def __init__(
        self, size: int, begin: Callable[[Sequence[Attempt], int], None], handlers: Iterable[Handler] = ()
    ) -> None:
        self._lock = threading.Lock()
        self._limits = {
            one.task_type: _Limit(one.max_concurrent, _bucket(one))
            for one in handlers
            if one.max_concurrent is not None or one.rate is not None
        }
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

    def rooms(self, types: Iterable[str], now: float) -> dict[str, int | None]:
        """Those of the types that may be claimed, and how many tasks of each may begin: None for as many as come."""
        with self._lock:
            rooms = {name: limit.room(now) for name, limit in self._limits.items()}
        return {name: rooms.get(name) for name in types if rooms.get(name, 1) > 0}

    def next_room(self, opens: Mapping[str, float], now: float) -> float | None:
        """Seconds until there is room for tasks of another type, None when only an event can make some.

        Args:
            opens: When tasks of each type may begin, in seconds from now.
        """
        with self._lock:
            buckets = {name: limit.bucket for name, limit in self._limits.items()}
        waits = (
            max(opens[name], bucket.wait(now) if (bucket := buckets.get(name)) else 0.0) for name in opens
        )
        return min((wait for wait in waits if wait > 0), default=None)

    def reserve(self, types: Iterable[str], number: int) -> None:
        """Keeps places for the tasks of a claim about to be sent, whichever of these types they are of (R4)."""
        with self._lock:
            self._reserved += number
            self._reserve_types(types, number)

    def unreserve(self, types: Iterable[str], number: int, *, left: int) -> None:
        """A claim is over.

        Args:
            number: Places that were kept for it.
            left: Those of them that it did not need.
        """
        with self._lock:
            self._reserved -= left
            self._reserve_types(types, -number)

    def start(self, attempts: Sequence[Attempt], now: float) -> None:
        """Runs attempts whose places were reserved, each as soon as a slot is free.

        Args:
            now: Clock reading.
        """
        with self._lock:
            self._reserved -= len(attempts)
            for limit in self._limits_of(attempts):
                limit.running += 1
                if limit.bucket is not None:
                    limit.bucket = limit.bucket.take(now)
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
            if attempt in self._running and not isinstance(attempt.state, Abandoned):
                self._running.remove(attempt)
                self._ended.add(attempt)
                self._begin_next()

    def finished(self, attempts: Sequence[Attempt]) -> None:
        """Attempts left their slots; the slot of a stray is not used again (R16)."""
        with self._lock:
            self._running.difference_update(attempts)
            self._ended.difference_update(attempts)
            for limit in self._limits_of(attempts):
                limit.running -= 1
            self._begin_next()

    def lose(self, attempt: Attempt) -> None:
        """Gives up the slot of an attempt that does not end."""
        with self._lock:
            self._running.discard(attempt)
            self._lost += 1

    def _reserve_types(self, types: Iterable[str], number: int) -> None:
        for name in self._limits.keys() & types if self._limits else ():
            self._limits[name].reserved += number

    def _limits_of(self, attempts: Sequence[Attempt]) -> list[_Limit]:
        if not self._limits:
            return []
        types = (attempt.claim.task.type for attempt in attempts)
        return [self._limits[name] for name in types if name in self._limits]

    def _begin_next(self) -> None:
        """Begins what waits, as far as slots are free; for whoever holds the lock."""
        free = self._size - len(self._running) - self._lost
        begun = [self._prefetched.popleft() for _ in range(min(free, len(self._prefetched)))]
        if begun:
            self._running.update(begun)
            self._begin(begun, len(self._running) + self._lost)


def _bucket(handler: Handler) -> Bucket | None:
    if handler.rate is None:
        return None
    return Bucket(handler.rate.count, handler.rate.period, float(handler.rate.count), 0.0)


def _key(attempt: Attempt) -> tuple[str, str]:
    identity = attempt.claim.identity
    return identity.server, identity.task_id
