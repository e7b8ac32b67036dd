"""Keys that are not known here: one may have been made a moment ago by another process, so it is looked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from prismq_worker_sdk.taskmanager.callers import KeyRing
from prismq_worker_sdk.taskmanager.config import digest_of

SOONEST = 0.1
"""Seconds between the beginnings of two looks, whatever comes."""
MOST_WRONG = 1000
"""Wrong keys that are remembered: a key is made of chance, so that one which is none never becomes one."""


class NewKeys:
    """Looks for keys that are not known; used on the event loop only.

    Args:
        known: Those that are.
        look: Takes up which keys hold now.
    """

    def __init__(self, known: KeyRing, look: Callable[[], Awaitable[None]]) -> None:
        self._known, self._look = known, look
        self._wrong: dict[str, None] = {}
        self._coming: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._begun = -SOONEST

    async def find(self, key: str) -> None:
        """Returns once a key is known, or known to be none; all who ask meanwhile share a look."""
        digest = digest_of(key)
        if self._known.knows(digest) or digest in self._wrong:
            return
        if self._coming is None:
            self._coming = asyncio.get_running_loop().create_task(self._look_in_turn())
        await asyncio.shield(self._coming)
        if not self._known.knows(digest):
            self._wrong[digest] = None
            if len(self._wrong) > MOST_WRONG:
                del self._wrong[next(iter(self._wrong))]

    async def _look_in_turn(self) -> None:
        async with self._turn:
            await asyncio.sleep(self._begun + SOONEST - time.monotonic())
            self._begun, self._coming = time.monotonic(), None  # whoever comes from now on needs the next one
            await self._look()
