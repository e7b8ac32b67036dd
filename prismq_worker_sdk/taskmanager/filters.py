"""Which tasks are meant, as conditions of a query: the same for what is listed and for what is done to many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.callers import Caller
from prismq_worker_sdk.taskmanager.db.deadline import TooSlow, within
from prismq_worker_sdk.taskmanager.db.tables import tasks
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.messages import TaskSet

Condition = sa.ColumnElement[bool]
_EQUAL = (tasks.c.type, tasks.c.worker_id, tasks.c.parent_id, tasks.c.error_type)
_SEARCHED = (tasks.c.id, tasks.c.type, tasks.c.params, tasks.c.error)
_SPANS = (
    (tasks.c.created_at, "created", sa.true()),
    (tasks.c.completed_at, "ended", tasks.c.status.in_(("completed", "failed"))),
)
SEARCH_SECONDS = 10.0
_UNINDEXED = (
    "worker_id",
    "error_type",
    "error",
    "q",
    "created_after",
    "created_before",
    "ended_after",
    "ended_before",
)
_LETTER = re.compile(r"[A-Za-z]")


def matching(db: sa.Connection, wanted: TaskSet) -> list[Condition]:
    """What a task must meet, for queries that walk in the order of `seq`.

    No index is used for its times: all tasks of a span would be sorted for each page.
    """
    found: list[Condition] = []
    if wanted.status is not None:
        found.append(in_status(wanted.status))
    found += [column == value for column in _EQUAL if (value := getattr(wanted, column.name)) is not None]
    for column, name, _ in _SPANS:
        found += _between(column + 0, wanted, name)
    if wanted.error:
        found.append(_contains(db, tasks.c.error, wanted.error))
    if wanted.q:
        found.append(sa.or_(*(_contains(db, column, wanted.q) for column in _SEARCHED)))
    return found


def must_be_seen(wanted: TaskSet, caller: Caller) -> None:
    """Raises Problem 403 for a search in texts that the caller does not see: it would tell what they say."""
    if wanted.q or wanted.error:
        caller.must_see_payloads("finds nothing by their texts")


def walks(wanted: TaskSet) -> bool:
    """Whether tasks are looked through one by one: no index finds those that are wanted."""
    return any(getattr(wanted, name) is not None for name in _UNINDEXED)


@contextmanager
def searching(db: sa.Connection, wanted: TaskSet) -> Iterator[None]:
    """What is looked for inside may take a while.

    Raises:
        Problem: 422 it took too long.
    """
    try:
        with within(db, SEARCH_SECONDS) if walks(wanted) else nullcontext():
            yield
    except TooSlow:
        raise Problem(
            422,
            f"the search was broken off after {SEARCH_SECONDS:g} s, since there is too much to look through; "
            "narrow it by type, status, parent_id or times",
        ) from None


def in_status(status: str) -> Condition:
    """Whether a task is in it; a constant, by which SQLite knows that an index of some rows will do."""
    return tasks.c.status == sa.literal_column(f"'{status}'")


def nearby(db: sa.Connection, wanted: TaskSet) -> list[Condition]:
    """Where to look for tasks of the times that are wanted, so that a walk passes over all before and after them."""
    found: list[Condition] = []
    for column, name, those in _SPANS:
        if span := _between(column, wanted, name):
            ends = sa.select(sa.func.min(tasks.c.seq), sa.func.max(tasks.c.seq)).where(those, *span)
            first, last = db.execute(ends).one()
            found.append(sa.false() if first is None else tasks.c.seq.between(first, last))
    return found


def _between(column: sa.ColumnElement[Any], wanted: TaskSet, name: str) -> list[Condition]:
    after, before = getattr(wanted, f"{name}_after"), getattr(wanted, f"{name}_before")
    found = [] if after is None else [column >= after]
    return found if before is None else [*found, column < before]


def _contains(db: sa.Connection, column: sa.ColumnElement[Any], text: str) -> Condition:
    """Whether a column has this text in it; letters of ASCII in either case, all else byte by byte, as SQLite does."""
    if db.dialect.name == "sqlite" or not _LETTER.search(text):
        like = f"%{text.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        return column.like(like, escape="!")
    either = (f"[{one.lower()}{one.upper()}]" if _LETTER.match(one) else re.escape(one) for one in text)
    return column.regexp_match("".join(either))
