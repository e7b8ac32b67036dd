"""Housekeeping that runs by itself, in every process that serves: what a chore does is safe when several do it at once.

The loop's real time paces chores; what is due is judged by the database's `now`, so that all replicas agree.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.db.service_tables import dedupe_locks, waits
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.db.transactions import Unsure

_LOG = logging.getLogger("prismq.taskmanager")
FIRST_WITHIN = 60.0
"""Seconds: the first run is at a random time before, so that replicas that start together stay apart."""
FORGET_AFTER = 3600.0
"""Seconds since somebody used them after which rows of waits and of locks go."""
SLICE = 500
"""Rows of one transaction."""

_OLD_LOCKS = Statement(
    f"SELECT digest AS name FROM dedupe_locks WHERE used_at < :before ORDER BY used_at LIMIT {SLICE}",
    lock=Lock.SKIP,
)
_OLD_WAITS = Statement(
    f"SELECT wait_id AS name FROM waits WHERE since < :before ORDER BY since LIMIT {SLICE}", lock=Lock.SKIP
)


@dataclass(frozen=True, slots=True)
class Chore:
    """What a server does again and again.

    Attributes:
        name: For the log: what it does, as "delete old tasks".
        every: Seconds between the end of a run and the next one.
    """

    name: str
    every: float
    run: Callable[[AppState], Awaitable[None]]


@asynccontextmanager
async def done_by_themselves(chores: Sequence[Chore], state: AppState) -> AsyncGenerator[None, None]:
    """Does them until the end of the context, which waits for none of them."""
    dice = Random()  # noqa: S311 - spreads first runs
    loop = asyncio.get_running_loop()
    running = [
        loop.create_task(_again_and_again(chore, state, first_wait(chore.every, dice.random())))
        for chore in chores
    ]
    try:
        yield
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def first_wait(every: float, jitter: float) -> float:
    """Seconds until the first run.

    Args:
        jitter: 0 to 1.
    """
    return jitter * min(every, FIRST_WITHIN)


async def forget_old_locks(state: AppState) -> None:
    """Deletes the rows of waits and of locks that nobody needs any more."""
    age = max(FORGET_AFTER, 2 * state.config.max_wait)
    for old, column in ((_OLD_LOCKS, dedupe_locks.c.digest), (_OLD_WAITS, waits.c.wait_id)):
        while await state.run(partial(_forget, old, column, age)):
            pass


FORGET_OLD_LOCKS = Chore("forget old locks", FORGET_AFTER / 4, forget_old_locks)


def _forget(old: Statement, column: sa.Column[str], age: float, db: sa.Connection, now: float) -> bool:
    """Whether there may be more."""
    found = [row.name for row in old.rows(db, before=now - age)]
    if found:
        db.execute(sa.delete(column.table).where(column.in_(found)))
    return len(found) == SLICE


async def _again_and_again(chore: Chore, state: AppState, first: float) -> None:
    told: set[str] = set()
    await asyncio.sleep(first)
    while True:
        try:
            await chore.run(state)
        except (OperationalError, InternalError, InterfaceError, Unsure) as error:
            if "the database" not in told:
                told.add("the database")
                reason = error.orig if isinstance(error, DBAPIError) else error
                _LOG.error("the database failed, %s goes on when it is back: %s", chore.name, reason)
        except Exception as error:  # noqa: BLE001 - the next run may do better
            if type(error).__name__ not in told:
                told.add(type(error).__name__)
                _LOG.exception("%s failed; it is tried again every %g s", chore.name, chore.every)
        else:
            if "the database" in told:
                told.discard("the database")
                _LOG.info("%s goes on", chore.name)
        await asyncio.sleep(chore.every)
