"""An outbox without a writer thread, and one end or verdict at a time."""

from __future__ import annotations

import sqlite3
from typing import Any, TypeVar

from prismq_worker_sdk.decide.delivery import Judgement
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.outcome import Outcome
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.store import Commit
from prismq_worker_sdk.outbox.transactions import Operation, Then, damage_of, transaction, trouble_of

T = TypeVar("T")


class Immediate:
    """Each operation at once, in a transaction of its own, on the calling thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.damage: str | None = None
        self.trouble: str | None = None
        self._connection = connection

    def run(
        self,
        operation: Operation[T],
        *,
        within: float | None = None,
        then: Then[T] | None = None,
        here: bool = False,
    ) -> T:
        found: T
        try:
            (found,) = transaction(self._connection, [operation])
        except sqlite3.Error as error:
            self.damage = damage_of(error) or self.damage
            self.trouble = trouble_of(error)
            raise OutboxError(self.trouble) from error
        self.trouble = None
        if then is not None:
            then(found)
        return found

    def close(self) -> None:
        self._connection.close()


def commit(outbox: Outbox, identity: Identity, outcome: Outcome, **more: Any) -> bool:
    """Ends a claim with an outcome; whether that was its first end."""
    (first,) = outbox.end(Commit(identity, outcome, **more))
    return first


def settled(outbox: Outbox, report: Report, judgement: Judgement, *, retry_in: float = 0.0) -> bool:
    """Stores what became of a report; whether it was in the line still."""
    (done,), _ = outbox.settle_and_hold(((report, judgement, retry_in),), ())
    return done
