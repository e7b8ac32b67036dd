"""Checking params in a transaction, which must be short: what takes longer is decided outside of it, then looked up."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TypeVar

import sqlalchemy as sa

from prismq_worker_sdk.errors import Fault, InvalidParams
from prismq_worker_sdk.handlers.patterns import Matcher, NeedsTime
from prismq_worker_sdk.handlers.values import ParamsSpec
from prismq_worker_sdk.model.json import DRAFT
from prismq_worker_sdk.taskmanager.db.transactions import Operation
from prismq_worker_sdk.taskmanager.http import Problem

T = TypeVar("T")
Check = tuple[str, str]
"""A schema and params, both as JSON text."""
Decided = dict[Check, tuple[Fault, ...]]


class LongChecks(Exception):  # noqa: N818 - not an error by itself
    """Checks that take longer than a transaction may; the operation is run again once they are decided."""

    def __init__(self, checks: list[Check]) -> None:
        super().__init__()
        self.checks = checks


def knowing(decided: Decided, operation: Operation[T]) -> Operation[T]:
    """The same operation, which finds there what was decided outside."""

    def run(db: sa.Connection, now: float) -> T:
        db.info["decided"] = decided
        return operation(db, now)

    return run


def faults_of(db: sa.Connection, check: Check) -> tuple[Fault, ...]:
    """Where the params do not fit a stored schema.

    Raises:
        LongChecks: That is not to be decided in a transaction.
        Problem: 503 no process can be had for it.
    """
    decided: Decided = db.info.get("decided", {})
    if check in decided:
        return decided[check]
    try:
        return decide(check, Matcher(0))
    except NeedsTime:
        raise LongChecks([check]) from None


def decide(check: Check, matcher: Matcher | None = None) -> tuple[Fault, ...]:
    """The same; takes the time that it takes, bounded all the same."""
    schema, params = check
    try:
        _spec(schema).check(json.loads(params), matcher)
    except InvalidParams as error:
        return error.faults
    except RecursionError:
        return (Fault("", "its schema refers to itself without end"),)
    except OSError as error:
        raise Problem(503, f"a pattern cannot be matched now ({error}); try again") from None
    return ()


@lru_cache(maxsize=256)
def _spec(schema: str) -> ParamsSpec:
    """What a stored schema takes; it was checked before it was stored."""
    return ParamsSpec({"type": "object", **json.loads(schema), "$schema": DRAFT})
