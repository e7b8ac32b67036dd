"""Between the outbox's values and its rows."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from prismq_worker_sdk.model.claim import Identity, TaskKey
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Outcome, Released
from prismq_worker_sdk.model.report import Report

TASK_COLUMNS = "server, task_id, task_type, digest"
IDENTITY_COLUMNS = "server, dialect, task_id, task_type, digest, worker_id, token"
REPORT_COLUMNS = f"number, {IDENTITY_COLUMNS}, attempt, kind, body, children, tries, maybe_seen, passed"


def identity_row(identity: Identity) -> tuple[str, ...]:
    """The columns of an identity; "no token" is the empty text, so that it can be part of a key."""
    return (
        identity.server,
        identity.dialect,
        identity.task_id,
        identity.task_type,
        identity.digest,
        identity.worker_id,
        identity.token or "",
    )


def identity_of(row: tuple[Any, ...]) -> Identity:
    """The identity in a row of IDENTITY_COLUMNS."""
    server, dialect, task_id, task_type, digest, worker_id, token = row
    return Identity(server, dialect, task_id, task_type, digest, worker_id, token or None)


def task_row(key: TaskKey) -> tuple[str, ...]:
    """The columns of a task key."""
    return tuple(key)


def encode(outcome: Outcome) -> tuple[str, str]:
    """The kind and the body of an outcome; the body of a completed one is its result as it is."""
    match outcome:
        case Completed(result=result):
            return "completed", result
        case Failed():
            return "failed", json.dumps(asdict(outcome))
        case Released():
            return "released", json.dumps(asdict(outcome))


def children_text(children: tuple[Child, ...]) -> str:
    """Children as JSON text."""
    return json.dumps([asdict(child) for child in children]) if children else "[]"


def report_of(row: tuple[Any, ...]) -> Report:
    """The report in a row of REPORT_COLUMNS."""
    number, *identity = row[:8]
    attempt, *rest = row[8:]
    kind, body, children, tries, maybe_seen, passed = rest
    return Report(
        number=number,
        identity=identity_of(tuple(identity)),
        outcome=_decode(kind, body),
        children=tuple(Child(**child) for child in json.loads(children)),
        attempt=attempt,
        tries=tries,
        maybe_seen=bool(maybe_seen),
        passed=passed,
    )


def _decode(kind: str, body: str) -> Outcome:
    match kind:
        case "completed":
            return Completed(body)
        case "failed":
            return Failed(**json.loads(body))
        case "released":
            return Released(**json.loads(body))
        case _:
            raise ValueError(f"nobody knows an outcome of the kind {kind!r}")
