"""Transactions: what waits shares one, and is answered after its full commit; reads have threads of their own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from prismq_worker_sdk.taskmanager.db.database import Database
from prismq_worker_sdk.taskmanager.db.statements import execute

T = TypeVar("T")
Operation = Callable[[sa.Connection, float], T]
"""What is done in a transaction, with the time of its beginning, seconds since 1970; it may be run more than once."""

MAX_BATCH = 256
"""Operations of one transaction."""
READS_AT_ONCE = 4
WRITES_AT_ONCE = 4
"""Transactions that write at the same time, where the database takes more than one."""
TRIES = 8
"""Of an operation whose transaction the database broke off."""

BROKEN_OFF = {1020, 1062, 1205, 1213}
"""MySQL's codes of transactions that may succeed when they are run again: changed since it was read (snapshot),
inserted by another, waited too long for a lock, deadlock."""


class Unsure(Exception):  # noqa: N818 - the RFC's way of speaking: nobody knows
    """The connection was lost while a transaction was being committed: whether it was stored is not known."""


@dataclass(slots=True)
class _Asked:
    """An operation, and then how it went."""

    operation: Operation[Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def run_beside_others(self, db: sa.Connection, now: float) -> None:
        """Takes back what it did where it is refused; raises only what puts the whole transaction in doubt."""
        execute(db, "SAVEPOINT one").close()
        self.error = None
        try:
            self.result = self.operation(db, now)
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's, and must not spoil its neighbours
            self.error = error
            execute(db, "ROLLBACK TO SAVEPOINT one").close()
        execute(db, "RELEASE SAVEPOINT one").close()

    def answer(self) -> None:
        if self.future.done():  # the client has hung up
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Runs operations in threads; what waits shares a transaction, and is answered after its full commit (R11)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        number = WRITES_AT_ONCE if database.many_write else 1
        self._threads = [
            threading.Thread(target=self._write, name=f"taskmanager-writer-{place}", daemon=True)
            for place in range(number)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result, once it is durable; raises what the operation raises."""
        asked = _Asked(operation, asyncio.get_running_loop().create_future())
        self._queue.put(asked)
        found: T = await asked.future
        return found

    @property
    def works(self) -> bool:
        """Whether all its threads run; none ends before `close`."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Ends after what was asked for."""
        for _thread in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            with suppress(queue.Empty):
                while len(batch) < MAX_BATCH:
                    item = self._queue.get_nowait()
                    if item is None:
                        self._queue.put(None)  # this thread's, once more
                        break
                    batch.append(item)
            self._commit(batch)
            _answer(batch)

    def _commit(self, batch: list[_Asked]) -> None:
        try:
            self._transaction(batch)
        except Exception as error:  # noqa: BLE001 - one that fails must not spoil its neighbours: each alone now
            for asked in batch:
                if len(batch) > 1 and not isinstance(error, Unsure):
                    self._commit([asked])
                elif _is_worth_repeating(error):
                    self._repeat(asked)
                else:
                    asked.error = error

    def _repeat(self, asked: _Asked) -> None:
        """Runs it again, alone, until its transaction is not broken off."""
        for _ in range(TRIES):
            try:
                return self._transaction([asked])
            except Exception as error:  # noqa: BLE001 - it is the caller's
                asked.error = error
                if not _is_worth_repeating(error):
                    break
        return None

    def _transaction(self, batch: list[_Asked]) -> None:
        with self._database.writing.connect() as db:
            transaction = db.begin()
            try:
                now = self._database.now(db)
                db.info["later"] = self._database.later
                if len(batch) == 1:
                    batch[0].result, batch[0].error = batch[0].operation(db, now), None
                else:
                    for asked in batch:
                        asked.run_beside_others(db, now)
            except BaseException as error:
                if _is_lost(db, error):
                    db.invalidate()
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if not self._database.many_write or not _is_lost(db, error):
                    raise
                db.invalidate()
                raise Unsure(str(error.orig)) from error


def _is_lost(db: sa.Connection, error: BaseException) -> bool:
    """Whether the connection is of no more use."""
    orig: Any = error.orig if isinstance(error, DBAPIError) else None
    return orig is not None and db.dialect.is_disconnect(orig, None, None)


def _is_worth_repeating(error: Exception) -> bool:
    """Whether the database took back what was done, for a reason that passes."""
    args: tuple[Any, ...] = getattr(error.orig, "args", ()) if isinstance(error, DBAPIError) else ()
    return args[:1] != () and args[0] in BROKEN_OFF


def _answer(batch: list[_Asked]) -> None:
    """Wakes each loop once."""

    def answer(some: list[_Asked]) -> None:
        for asked in some:
            asked.answer()

    loops = {asked.future.get_loop() for asked in batch}
    for loop in loops:
        with suppress(RuntimeError):  # it was closed meanwhile, so nobody listens
            loop.call_soon_threadsafe(answer, [asked for asked in batch if asked.future.get_loop() is loop])


class Reader:
    """Runs operations that only read; each sees the database as it was at one moment, what was answered included."""

    def __init__(self, database: Database, at_once: int = READS_AT_ONCE) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(at_once, "taskmanager-reader")

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result; raises what the operation raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, operation)

    def close(self) -> None:
        """Ends after what was asked for."""
        self._threads.shutdown()

    def _read(self, operation: Operation[T]) -> T:
        with self._database.reading.connect() as db, db.begin():
            return operation(db, self._database.now(db))
