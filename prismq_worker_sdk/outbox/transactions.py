"""How operations become transactions: one writer thread with group commit, or at once."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, TypeAlias, TypeVar

from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.outbox.damage import is_damage

T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]
Then: TypeAlias = Callable[[T], None]

BATCH = 256
"""Operations in one transaction at most."""


CLOSE_SECONDS = 5.0
"""How long the end waits for a disk that hangs; what was committed is on it, the rest was never promised."""


class Transactions(Protocol):
    """Runs each operation in a transaction and returns once it is durable."""

    damage: str | None
    """Why the file cannot be used any more, None while it can."""

    trouble: str | None
    """Why the last operation could not be stored, None once one could."""

    def run(self, operation: Operation[T], *, within: float | None = None, then: Then[T] | None = None) -> T:
        """The operation's result, after its commit; raises OutboxError when it could not be stored.

        Args:
            within: Seconds after which nobody waits for the result any more, where nothing is stored by it.
            then: Is told the result before any later operation begins; raises nothing.
        """
        ...

    def close(self) -> None:
        """Ends after what was begun."""
        ...


class Immediate:
    """Each operation at once, in a transaction of its own, on the calling thread; for tools and simulations."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.damage: str | None = None
        self.trouble: str | None = None
        self._connection = connection

    def run(
        self,
        operation: Operation[T],
        *,
        within: float | None = None,  # noqa: ARG002 - it is done at once
        then: Then[T] | None = None,
    ) -> T:
        """The operation's result, after its commit; raises OutboxError when it could not be stored."""
        try:
            found = _transaction(self._connection, operation)
        except sqlite3.Error as error:
            self.damage = damage_of(error) or self.damage
            self.trouble = _trouble(error)
            raise OutboxError(self.trouble) from error
        self.trouble = None
        if then is not None:
            then(found)
        return found

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


class GroupCommit:
    """One writer thread; whatever waits shares a transaction, so a full sync is paid once for all (R11)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.damage: str | None = None
        self.trouble: str | None = None
        self._connection = connection
        self._queue: queue.SimpleQueue[tuple[Operation[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._closed = False
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="prismq-outbox", daemon=True)
        self._thread.start()

    def run(self, operation: Operation[T], *, within: float | None = None, then: Then[T] | None = None) -> T:
        """The operation's result, after its commit; raises OutboxError when it could not be stored.

        Args:
            within: Seconds after which nobody waits for the result any more, where nothing is stored by it.
            then: Is told the result before any later operation begins.
        """
        future: Future[T] = Future()
        if then is not None:
            future.add_done_callback(
                lambda done: None if done.cancelled() or done.exception() else then(done.result())
            )
        self._put(operation, future)
        try:
            return future.result(within)
        except futures.TimeoutError:
            future.cancel()
            raise OutboxError(self.trouble or f"the outbox has not answered within {within:g} s") from None

    def _put(self, operation: Operation[T], future: Future[T]) -> None:
        with self._door:
            if self._closed:
                raise OutboxError("the outbox is closed; the worker has stopped")
            self._queue.put((operation, future))

    def close(self) -> None:
        """Ends after what was begun, and closes the file."""
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._connection.close()

    def _write(self) -> None:
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
            if wanted := [one for one in batch if one[1].set_running_or_notify_cancel()]:
                self._commit(wanted)
            if last:
                return

    def _commit(self, batch: list[tuple[Operation[Any], Future[Any]]]) -> None:
        try:
            results = _transaction(
                self._connection, lambda db: [operation(db) for operation, _future in batch]
            )
        except Exception as error:  # noqa: BLE001 - one bad operation must not spoil its neighbours: each alone now
            if isinstance(error, sqlite3.Error) and _is_locked(error):
                self._refuse(batch, _trouble(error))  # each alone would wait as long, and for the same
            else:
                self._one_by_one(batch)
            return
        self.trouble = None
        for (_operation, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _refuse(self, batch: list[tuple[Operation[Any], Future[Any]]], trouble: str) -> None:
        self.trouble = trouble
        for _operation, future in batch:
            future.set_exception(OutboxError(trouble))

    def _one_by_one(self, batch: list[tuple[Operation[Any], Future[Any]]]) -> None:
        for operation, future in batch:
            try:
                found = _transaction(self._connection, operation)
                self.trouble = None
                future.set_result(found)
            except sqlite3.Error as error:
                self.damage = damage_of(error) or self.damage
                self.trouble = _trouble(error)
                future.set_exception(OutboxError(self.trouble))
            except Exception as error:  # noqa: BLE001 - it is raised where the operation was asked for
                future.set_exception(error)


def _transaction(connection: sqlite3.Connection, operation: Operation[T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = operation(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends the transaction by itself
            connection.execute("ROLLBACK")
        raise
    return result


def _trouble(error: sqlite3.Error) -> str:
    """What happened, and what to do about it."""
    if (damage := damage_of(error)) is not None:
        return damage
    if _is_locked(error):
        return (
            f"another program holds the outbox locked ({error}), so nothing can be stored; end what reads or copies "
            "it (prismq-worker outbox list locks nothing)"
        )
    return f"the outbox could not be written ({error}); free disk space or mend the state folder"


def _is_locked(error: sqlite3.Error) -> bool:
    return "is locked" in str(error)


def damage_of(error: sqlite3.Error) -> str | None:
    """What to do about a file that is broken, None when the error says something else."""
    if not is_damage(error):
        return None
    return (
        f"the outbox is damaged ({error}); start the worker again: it sets the file aside and goes on with all that "
        "can be read"
    )
