"""Claims that wait for work on the server (R6): who is woken, and by what.

News of tasks wakes as many waits as it can feed, those first that came first. A wait that had no use for its news
passes it on, and one that took all that it may tells that there may be more. What nobody tells of here, a task whose
time has come, a claim that ran out, what another process did, is found by a look at the database a few times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

A = TypeVar("A")
LOOK_EVERY, LOOK_EVERY_SHARED = 0.5, 0.2
"""Seconds between two looks for what nobody told of; the second where several processes serve one database."""
LOOK_SOONEST = 0.01
"""Seconds between two looks where a limit is about to have room."""


@dataclass(frozen=True, slots=True)
class News:
    """What a look at the database found: types of which there may be tasks, workers that are told something.

    Attributes:
        over: Of the waits that are written down, those whose request another process was sent since (R6).
        again_in: Seconds after which a limit may have room again, None where time brings none.
    """

    types: Collection[str] = ()
    workers: Collection[str] = ()
    over: Collection[str] = ()
    again_in: float | None = None


Look: TypeAlias = Callable[[list[str], list[str]], Awaitable[News]]


@dataclass(eq=False, slots=True)
class Wait(Generic[A]):
    """A claim that waits, from before its first look.

    Attributes:
        key: Worker and request id.
        most: Tasks that it can take.
        answer: What it found in the end, None for nothing.
        fed: Tasks that it was woken for and has not looked for yet.
        over: Whether it is to end as it is, without another look.
        written: Its id in the database from when it stands there, None where no other process may be sent its repeat.
    """

    key: tuple[str, str | None]
    types: Collection[str]
    most: int
    answer: asyncio.Future[A | None]
    news: asyncio.Event = field(default_factory=asyncio.Event)
    fed: int = 0
    over: bool = False
    written: str | None = None

    def feed(self, tasks: int) -> int:
        """Wakes it for as many of the tasks as it can take; how many."""
        taken = min(tasks, self.most - self.fed)
        if taken:
            self.fed += taken
            self.news.set()
        return taken

    def end(self) -> None:
        """Lets it end."""
        self.over = True
        self.news.set()


class Waiting(Generic[A]):
    """The claims that wait now; used on the event loop only.

    Args:
        look: What there is of these types, which workers there is something to say to, and which of these waits that
            are written down are over; must not raise.
        every: Seconds between two looks.
    """

    def __init__(self, look: Look, every: float = LOOK_EVERY) -> None:
        self._look_at, self._every = look, every
        self._closed = False
        self._by_key: dict[tuple[str, str | None], Wait[A]] = {}
        self._by_type: dict[str, dict[Wait[A], None]] = {}
        self._looking: asyncio.Task[None] | None = None

    def enter(self, key: tuple[str, str | None], types: Collection[str], most: int) -> Wait[A]:
        """A new wait; what comes from now on wakes it."""
        answer: asyncio.Future[A | None] = asyncio.get_running_loop().create_future()
        wait = Wait(key, types, most, answer)
        if key[1] is not None:
            self._by_key[key] = wait
        for one in types:
            self._by_type.setdefault(one, {})[wait] = None
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look_again_and_again())
        if self._closed:
            wait.end()
        return wait

    def leave(self, wait: Wait[A], answer: A | None) -> None:
        """Its end, with what it found: whoever joined it gets the same; news that it had no use for is passed on."""
        if self._by_key.get(wait.key) is wait:
            del self._by_key[wait.key]
        for one in set(wait.types):
            del self._by_type[one][wait]
            if not self._by_type[one]:
                del self._by_type[one]
        wait.answer.set_result(answer)
        if wait.fed:
            self.notify(dict.fromkeys(wait.types, wait.fed))

    def notify(self, tasks: Mapping[str, int]) -> None:
        """There may be so many tasks of these types."""
        for task_type, left in tasks.items():
            for wait in self._by_type.get(task_type, ()):
                if left <= 0:
                    break
                left -= wait.feed(left)  # noqa: PLW2901 - what is left of them

    def notify_worker(self, worker_id: str) -> None:
        """There is something to say to a worker."""
        for wait in self._all():
            if wait.key[0] == worker_id:
                wait.feed(1)

    def close(self) -> None:
        """The server ends: every wait ends empty."""
        self._closed = True
        for wait in self._all():
            wait.end()

    async def joined(self, key: tuple[str, str | None]) -> tuple[A | None] | None:
        """Ends the wait of the same request, where it still waits; both get the same answer, in a tuple."""
        wait = self._by_key.get(key)
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

    def _all(self) -> set[Wait[A]]:
        return {wait for waits in self._by_type.values() for wait in waits}

    async def look(self) -> float:
        """Wakes one wait of each type of which there is something, and those whose worker is told something.

        Returns:
            Seconds after which to look again.
        """
        written = {wait.written: wait for wait in self._all() if wait.written is not None}
        news = await self._look_at(list(self._by_type), list(written))
        for one in news.over:
            written[one].end()
        self.notify(dict.fromkeys(news.types, 1))
        for worker_id in news.workers:
            self.notify_worker(worker_id)
        return self._every if news.again_in is None else min(self._every, max(LOOK_SOONEST, news.again_in))

    async def _look_again_and_again(self) -> None:
        pause = self._every
        try:
            while self._by_type:
                await asyncio.sleep(pause)
                pause = await self.look()
        finally:
            self._looking = None
