"""How operations become transactions: one writer thread with group commit, or the thread of a loop."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future
from typing import Any, Protocol, TypeAlias, TypeVar

from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.outbox.damage import is_damage

T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]
Then: TypeAlias = Callable[[T], None]
_Asked: TypeAlias = tuple[Operation[Any], Then[Any] | None, Future[Any]]

BATCH = 256
"""Operations in one transaction at most."""


CLOSED = "the outbox is closed; the worker has stopped"
CLOSE_SECONDS = 5.0
"""How long the end waits for a disk that hangs; what was committed is on it, the rest was never promised."""


class Transactions(Protocol):
    """Runs each operation in a transaction and returns once it is durable."""

    damage: str | None
    """Why the file cannot be used any more, None while it can."""

    trouble: str | None
    """Why the last operation could not be stored, None once one could."""

    def run(
        self,
        operation: Operation[T],
        *,
        within: float | None = None,
        then: Then[T] | None = None,
        here: bool = False,
    ) -> T:
        """The operation's result, after its commit; raises OutboxError when it could not be stored.

        Args:
            within: Seconds after which nobody waits for the result any more, where nothing is stored by it.
            then: Is told the result before any later operation begins; raises nothing.
            here: Whether it may run on this thread, where nobody else writes: one of the worker's own loops, which
                nothing interrupts.
        """
        ...

    def close(self) -> None:
        """Ends after what was begun, and closes the file."""
        ...


class GroupCommit:
    """One writer at a time; whatever waits shares a transaction, so a full sync is paid once for all (R11)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.damage: str | None = None
        self.trouble: str | None = None
        self._connection = connection
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._closed = False
        self._door = threading.Lock()
        self._asked = 0
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="prismq-outbox", daemon=True)
        self._thread.start()

    def run(
        self,
        operation: Operation[T],
        *,
        within: float | None = None,
        then: Then[T] | None = None,
        here: bool = False,
    ) -> T:
        """The operation's result, as `Transactions` says; two changes of threads cost more than a small transaction."""
        future: Future[T] = Future()
        if here and not self._asked and self._writing.acquire(blocking=False):
            try:
                if self._closed:
                    raise OutboxError(CLOSED)
                self._commit([(operation, then, future)])
                return future.result()
            finally:
                self._writing.release()
        with self._door:
            if self._closed:
                raise OutboxError(CLOSED)
            self._asked += 1
            self._queue.put((operation, then, future))
        try:
            return future.result(within)
        except futures.TimeoutError:
            future.cancel()
            raise OutboxError(self.trouble or f"the outbox has not answered within {within:g} s") from None

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
        last = False
        while not last:
            batch = [self._queue.get()]
            with self._writing:
                while len(batch) < BATCH and not self._queue.empty():  # nobody else takes from it
                    batch.append(self._queue.get())
                last = batch[-1] is None
                wanted = [one for one in batch if one is not None and one[2].set_running_or_notify_cancel()]
                with self._door:
                    self._asked -= len(batch) - last
                if wanted:
                    self._commit(wanted)

    def _commit(self, batch: Sequence[_Asked]) -> None:
        try:
            results = transaction(self._connection, [operation for operation, _, _ in batch])
        except Exception as error:  # noqa: BLE001 - one bad operation must not spoil its neighbours: each alone now
            if len(batch) > 1 and not _is_locked(error):  # for a lock each alone would wait as long
                for asked in batch:
                    self._commit([asked])
                return
            if isinstance(error, sqlite3.Error):
                self.damage = damage_of(error) or self.damage
                self.trouble = trouble_of(error)
            for _, _, future in batch:
                future.set_exception(OutboxError(self.trouble) if isinstance(error, sqlite3.Error) else error)
            return
        self.trouble = None
        for (_, then, future), result in zip(batch, results, strict=True):
            try:
                if then is not None:
                    then(result)
            except Exception as error:  # noqa: BLE001 - it is for the one that asked; the others go on
                future.set_exception(error)
            else:
                future.set_result(result)


def transaction(connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Any]:
    """What operations give, all stored in one transaction; nothing of them where one of them raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        results = [operation(connection) for operation in operations]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends the transaction by itself
            connection.execute("ROLLBACK")
        raise
    return results


def trouble_of(error: sqlite3.Error) -> str:
    """What happened, and what to do about it."""
    if (damage := damage_of(error)) is not None:
        return damage
    if _is_locked(error):
        return (
            f"another program holds the outbox locked ({error}), so nothing can be stored; end what reads or copies "
            "it (prismq-worker outbox list locks nothing)"
        )
    return f"the outbox could not be written ({error}); free disk space or mend the state folder"


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and "is locked" in str(error)


def damage_of(error: sqlite3.Error) -> str | None:
    """What to do about a file that is broken, None when the error says something else."""
    if not is_damage(error):
        return None
    return (
        f"the outbox is damaged ({error}); start the worker again: it sets the file aside and goes on with all that "
        "can be read"
    )
