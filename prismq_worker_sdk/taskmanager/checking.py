"""Checking params in a transaction, which must be short: what takes longer is decided outside of it, then looked up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa

from prismq_worker_sdk.errors import Fault, InvalidParams
from prismq_worker_sdk.handlers.patterns import Matcher, NeedsTime
from prismq_worker_sdk.handlers.schema import ParamsSpec
from prismq_worker_sdk.model.json import DRAFT
from prismq_worker_sdk.taskmanager.problems import Problem

T = TypeVar("T")


class LongCheck(Exception):  # noqa: N818 - not an error by itself
    """A check that takes longer than a transaction may; `Checks.decide` does it outside.

    Attributes:
        schema: JSON text.
    """

    def __init__(self, schema: str, params: dict[str, Any]) -> None:
        super().__init__()
        self.schema = schema
        self.params = params


class LongChecks(Exception):  # noqa: N818 - not an error by itself
    """All of those that an operation needs; it is run again once they are decided."""

    def __init__(self, checks: Sequence[LongCheck]) -> None:
        super().__init__()
        self.checks = checks


class Checks:
    """What was decided outside for one operation, so that its next run need not wait for it."""

    def __init__(self) -> None:
        self._decided: dict[tuple[str, str], tuple[Fault, ...]] = {}

    def decide(self, check: LongCheck) -> None:
        """Takes the time that it takes; bounded all the same."""
        self._decided[_key(check.schema, check.params)] = _faults(check.schema, check.params, Matcher())

    def looked_up_in(self, operation: Callable[[sa.Connection], T]) -> Callable[[sa.Connection], T]:
        """The same operation, which finds here what was decided."""

        def run(db: sa.Connection) -> T:
            token = _CHECKS.set(self)
            try:
                return operation(db)
            finally:
                _CHECKS.reset(token)

        return run

    def find(self, schema: str, params: dict[str, Any]) -> tuple[Fault, ...] | None:
        """What was decided, None when nothing was."""
        return self._decided.get(_key(schema, params)) if self._decided else None


_CHECKS: ContextVar[Checks | None] = ContextVar("checks", default=None)


def faults_of(schema: str, params: dict[str, Any]) -> tuple[Fault, ...]:
    """Where the params do not fit a stored schema.

    Raises:
        LongCheck: That is not to be decided here.
        Problem: 503 no process can be had for it.
    """
    checks = _CHECKS.get()
    found = None if checks is None else checks.find(schema, params)
    if found is not None:
        return found
    try:
        return _faults(schema, params, Matcher(0))
    except NeedsTime:
        raise LongCheck(schema, params) from None


def _faults(schema: str, params: dict[str, Any], matcher: Matcher) -> tuple[Fault, ...]:
    try:
        _spec(schema).check(params, matcher)
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


def _key(schema: str, params: dict[str, Any]) -> tuple[str, str]:
    return schema, json.dumps(params)
