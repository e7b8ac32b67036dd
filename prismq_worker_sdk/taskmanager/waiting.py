"""Claims that wait for work on the server (R6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Waiting"]

LOOK_EVERY = 0.5
"""Seconds after which a wait looks again by itself: tasks come due, claims run out."""

Answer = dict[str, Any]


@dataclass(slots=True)
class _Wait:
    answer: asyncio.Future[Answer]
    over: bool = False


@dataclass(slots=True)
class Waiting:
    """The claims that wait now; used on the event loop only."""

    closing: bool = False
    _open: dict[tuple[str, str], _Wait] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be work, and replaced: one that was taken before a look tells of what came since."""

    def notify(self) -> None:
        """There may be work: every wait looks again."""
        self.news.set()
        self.news = asyncio.Event()

    def close(self) -> None:
        """The server ends: every wait ends empty."""
        self.closing = True
        self.notify()

    async def joined(self, worker_id: str, request_id: str | None) -> Answer | None:
        """Ends the wait of the same request, where it still waits; both get the same answer, which may be empty.

        None when nothing of it waits.
        """
        wait = self._open.get((worker_id, request_id or ""))
        if wait is None:
            return None
        wait.over = True
        self.notify()
        return await asyncio.shield(wait.answer)

    async def wait(
        self,
        key: tuple[str, str | None],
        seconds: float,
        look: Callable[[], Awaitable[Answer | None]],
        gone: Callable[[], Awaitable[bool]],
        news: asyncio.Event,
    ) -> Answer | None:
        """What `look` finds within the seconds; None when time is over, the wait was ended, or nobody listens.

        Args:
            key: Worker and request id; a request without an id cannot be joined.
            gone: Whether the client has hung up.
            news: As it was before the last look.
        """
        place = (key[0], key[1]) if key[1] is not None else None
        wait = _Wait(asyncio.get_running_loop().create_future())
        if place is not None:
            self._open[place] = wait
        found: Answer | None = None
        try:
            found = await self._until(wait, seconds, look, gone, news)
        finally:
            if place is not None:
                del self._open[place]
            wait.answer.set_result(found or {})
        return found

    async def _until(
        self,
        wait: _Wait,
        seconds: float,
        look: Callable[[], Awaitable[Answer | None]],
        gone: Callable[[], Awaitable[bool]],
        news: asyncio.Event,
    ) -> Answer | None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not (wait.over or self.closing) and (left := end - loop.time()) > 0:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(news.wait(), min(left, LOOK_EVERY))
            news = self.news
            if await gone():
                return None
            if (found := await look()) is not None:
                return found
        return None
