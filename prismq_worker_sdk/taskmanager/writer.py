"""One thread that writes: whatever waits shares a transaction, so one-at-a-time clients are fast too."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import sqlalchemy as sa

__all__ = ["Operation", "Writer"]

T = TypeVar("T")
Operation = Callable[[sa.Connection], T]
BATCH = 256


class Writer:
    """Runs operations in transactions; each is answered after a full commit (R11)."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[tuple[Operation[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="taskmanager-writer", daemon=True)
        self._thread.start()

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result, once it is durable; raises what the operation raises."""
        future: Future[T] = Future()
        self._queue.put((operation, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Ends after what was asked for."""
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        with self._engine.connect() as db:
            while (first := self._queue.get()) is not None:
                batch = [first]
                last = False
                with suppress(queue.Empty):
                    while len(batch) < BATCH:
                        item = self._queue.get_nowait()
                        if item is None:
                            last = True
                            break
                        batch.append(item)
                self._commit(db, batch)
                if last:
                    return

    def _commit(self, db: sa.Connection, batch: list[tuple[Operation[Any], Future[Any]]]) -> None:
        try:
            with db.begin():
                results = [operation(db) for operation, _future in batch]
        except Exception as error:  # noqa: BLE001 - one that fails must not spoil its neighbours: each alone now
            if len(batch) == 1:
                _give(batch[0][1], error=error)
                return
            for one in batch:
                self._commit(db, [one])
            return
        for (_operation, future), result in zip(batch, results, strict=True):
            _give(future, result=result)


def _give(future: Future[Any], *, result: Any = None, error: Exception | None = None) -> None:
    """Answers, unless the client has hung up meanwhile."""
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
