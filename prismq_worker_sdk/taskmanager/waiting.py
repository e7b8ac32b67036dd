"""Claims that wait for work on the server (R6): who is woken, and by what.

News of tasks wakes as many waits as it can feed, those first that came first. A wait that had no use for its news
passes it on, and one that took all that it may tells that there may be more. What nobody tells of, a task whose time
has come or a claim that ran out, is found by a look every half second of one wait for each type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

A = TypeVar("A")
LOOK_EVERY = 0.5
"""Seconds between two looks for what nobody told of."""


@dataclass(eq=False, slots=True)
class Wait(Generic[A]):
    """A claim that waits, from before its first look.

    Attributes:
        most: Tasks that it can take.
        answer: What it found in the end, None for nothing.
        fed: Tasks that it was woken for and has not looked for yet.
        over: Whether it is to end as it is.
    """

    worker_id: str
    request_id: str | None
    types: Collection[str]
    most: int
    answer: asyncio.Future[A | None]
    news: asyncio.Event = field(default_factory=asyncio.Event)
    fed: int = 0
    over: bool = False

    def feed(self, tasks: int) -> int:
        """Wakes it for as many of the tasks as it can take; how many."""
        taken = min(tasks, self.most - self.fed)
        if taken:
            self.fed += taken
            self.news.set()
        return taken

    def end(self) -> None:
        """Lets it end without another look."""
        self.over = True
        self.news.set()


class Waiting(Generic[A]):
    """The claims that wait now; used on the event loop only."""

    def __init__(self) -> None:
        self._closed = False
        self._by_request: dict[tuple[str, str], Wait[A]] = {}
        self._by_type: dict[str, dict[Wait[A], None]] = {}
        self._next_look: asyncio.TimerHandle | None = None

    def enter(self, worker_id: str, request_id: str | None, types: Collection[str], most: int) -> Wait[A]:
        """A new wait; what comes from now on wakes it."""
        answer: asyncio.Future[A | None] = asyncio.get_running_loop().create_future()
        wait = Wait(worker_id, request_id, types, most, answer)
        if request_id is not None:
            self._by_request[worker_id, request_id] = wait
        for one in types:
            self._by_type.setdefault(one, {})[wait] = None
        if self._next_look is None:
            self._look_later()
        if self._closed:
            wait.end()
        return wait

    def leave(self, wait: Wait[A], answer: A | None) -> None:
        """Its end, with what it found: whoever joined it gets the same; news that it had no use for is passed on."""
        if self._by_request.get((wait.worker_id, wait.request_id or "")) is wait:
            del self._by_request[wait.worker_id, wait.request_id or ""]
        for one in wait.types:
            waits = self._by_type.get(one, {})
            waits.pop(wait, None)
            if not waits:
                self._by_type.pop(one, None)
        wait.answer.set_result(answer)
        if wait.fed:
            self.notify(dict.fromkeys(wait.types, wait.fed))

    def notify(self, tasks: Mapping[str, int]) -> None:
        """There may be so many tasks of these types."""
        for task_type, number in tasks.items():
            left = number
            for wait in self._by_type.get(task_type, ()):
                if left <= 0:
                    break
                left -= wait.feed(left)

    def notify_worker(self, worker_id: str) -> None:
        """There is something to say to a worker."""
        for wait in {wait for waits in self._by_type.values() for wait in waits}:
            if wait.worker_id == worker_id:
                wait.feed(1)

    def close(self) -> None:
        """The server ends: every wait ends empty."""
        self._closed = True
        for waits in self._by_type.values():
            for wait in waits:
                wait.end()

    async def joined(self, worker_id: str, request_id: str | None) -> tuple[A | None] | None:
        """Ends the wait of the same request, where it still waits; both get the same answer, in a tuple.

        None when nothing of it waits.
        """
        wait = self._by_request.get((worker_id, request_id or ""))
        if wait is None:
            return None
        wait.end()
        return (await asyncio.shield(wait.answer),)

    async def until(
        self,
        wait: Wait[A],
        seconds: float,
        look: Callable[[], Awaitable[A | None]],
        gone: Callable[[], Awaitable[bool]],
    ) -> A | None:
        """What `look` finds within the seconds; None when time is over, the wait was ended, or nobody listens.

        Args:
            gone: Whether the client has hung up.
        """
        timer = asyncio.get_running_loop().call_later(seconds, wait.end)
        try:
            while True:
                await wait.news.wait()
                if wait.over or await gone():
                    return None
                wait.news.clear()
                wait.fed = 0
                if (found := await look()) is not None:
                    return found
        finally:
            timer.cancel()

    def _look(self) -> None:
        self._next_look = None
        self.notify(dict.fromkeys(self._by_type, 1))
        if self._by_type:
            self._look_later()

    def _look_later(self) -> None:
        self._next_look = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)
