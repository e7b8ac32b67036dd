"""What every route needs: writer and reader, the time, and who asks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from fastapi import Request

from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.taskmanager.checking import Checks, LongCheck
from prismq_worker_sdk.taskmanager.claiming import settle
from prismq_worker_sdk.taskmanager.config import Scope, TaskManagerConfig
from prismq_worker_sdk.taskmanager.problems import Problem
from prismq_worker_sdk.taskmanager.reader import Reader
from prismq_worker_sdk.taskmanager.waiting import Waiting
from prismq_worker_sdk.taskmanager.writer import Operation, Writer

__all__ = ["Desk", "admitted"]

A = TypeVar("A")
T = TypeVar("T")
CHECKS = 2
"""Checks that may take seconds, at the same time."""


@dataclass(slots=True)
class Desk:
    """What every route needs.

    Attributes:
        reader: What only looks goes here; the writer itself where nobody else can read its database.
        instance: The id that was made with the database.
        waiting: Claims that wait for work.
        checkers: The threads of checks that may take seconds.
    """

    config: TaskManagerConfig
    clock: Clock
    writer: Writer
    reader: Reader | Writer
    instance: str
    waiting: Waiting = field(default_factory=Waiting)
    checkers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(CHECKS, "taskmanager-check")
    )
    _latest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> float:
        """Seconds since 1970, UTC; never runs back, whatever is done to the machine's clock."""
        with self._lock:
            self._latest = max(self._latest, self.clock.utc().timestamp())
            return self._latest

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result, once it is durable; checks that take long hold nobody up."""
        checks = Checks()
        while True:
            try:
                return await self.writer.run(checks.looked_up_in(operation))
            except LongCheck as check:
                await self.apart(checks.decide, check)

    async def apart(self, work: Callable[[A], T], argument: A) -> T:
        """What work gives that may take seconds; done beside everything else."""
        return await asyncio.get_running_loop().run_in_executor(self.checkers, work, argument)

    async def look(self, operation: Operation[T], *, settled: float | None = None) -> T:
        """What an operation reads that writes nothing.

        Args:
            settled: A time; what ran out until then is shown as failed.
        """
        if settled is not None:
            await self.writer.run(lambda db: settle(db, settled))
        return await self.reader.run(operation)


def admitted(*scopes: Scope) -> Callable[[Request], Awaitable[None]]:
    """A check that the caller's key has one of these scopes; `admin` always has."""

    async def check(request: Request) -> None:
        desk: Desk = request.app.state.desk
        if not desk.config.keys:
            return
        given = request.headers.get("X-API-Key", "")
        found = [key.scope for key in desk.config.keys if key.fits(given)]
        if not found:
            raise Problem(401, "the API key is missing or wrong; send it as X-API-Key")
        if not any(scope is Scope.ADMIN or scope in scopes for scope in found):
            wanted = " or ".join(scopes) or "admin"
            raise Problem(403, f"this API key is not for this; it takes one of scope {wanted}")

    return check
