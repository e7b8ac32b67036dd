"""Claims and reports as the outbox has them, column by column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from operator import attrgetter
from typing import Any

from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.log import LogPart
from prismq_worker_sdk.model.outcome import (
    FOLLOWER_KEY,
    Child,
    Completed,
    Failed,
    Follower,
    Outcome,
    Released,
)
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.outbox.schema import IDENTITY_COLUMNS

REPORT_COLUMNS = (
    f"number, {IDENTITY_COLUMNS}, attempt, kind, body, children, tries, maybe_seen, passed, log, trace"
)
_named = attrgetter(*IDENTITY_COLUMNS.split(", ")[:-1])


def identity_row(one: Identity) -> tuple[str, ...]:
    """The columns of an identity; "no token" is the empty text, so that it can be part of a key."""
    return (*_named(one), one.token or "")


def identity_of(row: Sequence[Any]) -> Identity:
    """The identity in a row of IDENTITY_COLUMNS."""
    server, dialect, task_id, task_type, digest, worker_id, token = row
    return Identity(server, dialect, task_id, task_type, digest, worker_id, token or None)


def encoded(outcome: Outcome) -> tuple[str, str]:
    """The kind and the body of an outcome; the body of a completed one is its result as it is."""
    match outcome:
        case Completed(result=result):
            return "completed", result
        case Failed():
            return "failed", json.dumps(asdict(outcome))
        case Released():
            return "released", json.dumps(asdict(outcome))


def children_text(children: tuple[Child, ...]) -> str:
    """The children of an outcome as JSON."""
    return json.dumps(list(map(_child_row, children))) if children else "[]"


def _child_row(child: Child) -> dict[str, Any]:
    trace = {} if child.trace is None else {"trace": child.trace.text()}
    return {"key": child.key, "type": child.type, "params": child.params, "priority": child.priority} | trace


def _child_of(kept: dict[str, Any]) -> Child:
    if "trace" in kept:
        kept["trace"] = TraceContext.parse(kept["trace"])
    return Follower(**kept) if kept["key"] == FOLLOWER_KEY else Child(**kept)


def report_of(row: Sequence[Any]) -> Report:
    """The report in a row of REPORT_COLUMNS."""
    attempt, kind, body, children, tries, maybe_seen, passed, log, trace = row[8:]
    outcome = Completed(body) if kind == "completed" else _UNFINISHED[kind](**json.loads(body))
    told = tuple(_child_of(child) for child in json.loads(children))
    return Report(
        row[0],
        identity_of(row[1:8]),
        outcome,
        told,
        attempt,
        tries,
        bool(maybe_seen),
        passed,
        log=_log(log) if log else None,
        trace=TraceContext.parse(trace) if trace else None,
    )


def _log(text: str) -> LogPart | None:
    """The last lines of a report; it goes without those that cannot be read."""
    with suppress(ValueError, TypeError):
        return LogPart.parse(text)
    return None


_UNFINISHED: dict[str, type[Failed | Released]] = {"failed": Failed, "released": Released}
