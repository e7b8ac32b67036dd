"""Reads on connections of their own: a slow search stops no claim."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.writer import Operation

__all__ = ["Reader"]

T = TypeVar("T")
READS_AT_ONCE = 4


class Reader:
    """Runs operations that only read; each sees the database as it was at one moment, what was answered included.

    Args:
        engine: Of connections that cannot write.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(READS_AT_ONCE, "taskmanager-reader")

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result; raises what the operation raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, operation)

    def close(self) -> None:
        """Ends after what was asked for."""
        self._threads.shutdown()
        self._engine.dispose()

    def _read(self, operation: Operation[T]) -> T:
        with self._engine.connect() as db, db.begin():
            return operation(db)
