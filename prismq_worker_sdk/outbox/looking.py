"""What lies in a state folder, for people: read only, also while workers run on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.outbox.folder import DATABASE, not_ours
from prismq_worker_sdk.outbox.schema import VERSION, read_only

KNOWN = "server, dialect, task_id, task_type, worker_id, token, attempt"
REPORTS = f"SELECT number, state, kind, {KNOWN}, committed_at, tries, next_try, detail"
HOLDS = f"SELECT NULL, 'held', 'claim', {KNOWN}, held_at, 0, NULL, ''"


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored report, or a claim that has no outcome yet.

    Attributes:
        number: Of a report, None of a claim.
        state: Of a report `waiting` or `parked`, else `held`.
        kind: `completed`, `failed` or `released` for a report, `claim` for a claim.
        since: When it was committed or held, seconds since 1970.
        next_try: The same, for a report.
        detail: Why it is parked.
        body: The outcome as JSON text; None unless it was asked for.
        children: The same.
    """

    instance: str
    number: int | None
    state: str
    kind: str
    server: str
    dialect: str
    task_id: str
    task_type: str
    worker_id: str
    token: str
    attempt: int | None
    since: float
    tries: int
    next_try: float | None
    detail: str
    body: str | None = None
    children: str | None = None

    @property
    def ref(self) -> str:
        """How an operator names it, `instance-0/17`."""
        return f"{self.instance}/{'-' if self.number is None else self.number}"


def look(instance: Path) -> list[Entry]:
    """Every report and claim of an instance, oldest first, without their bodies.

    Raises:
        StateFolderError: Its outbox cannot be read.
    """
    return _read(
        instance,
        lambda db: [
            *db.execute(f"{REPORTS} FROM outcomes ORDER BY number"),
            *db.execute(f"{HOLDS} FROM holds ORDER BY held_at"),
        ],
    )


def look_closely(instance: Path, number: int) -> Entry | None:
    """One report with its outcome and its children, None when there is none.

    Raises:
        StateFolderError: The outbox cannot be read.
    """
    found = _read(
        instance,
        lambda db: list(db.execute(f"{REPORTS}, body, children FROM outcomes WHERE number = ?", (number,))),
    )
    return found[0] if found else None


def _read(instance: Path, read: Callable[[sqlite3.Connection], list[tuple[Any, ...]]]) -> list[Entry]:
    path = instance / DATABASE
    try:
        if not path.stat().st_size:  # nothing yet; SQLite would throw away a log that lies beside it
            return []
        with closing(read_only(path)) as db:
            db.text_factory = lambda text: text.decode("utf-8", "replace")
            db.execute("BEGIN")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise StateFolderError(
                    f"{path} has format {version}, but this version of the SDK knows only up to {VERSION}; "
                    "use the newer SDK"
                )
            return [Entry(instance.name, *row) for row in read(db)] if version else []
    except PermissionError as error:
        raise StateFolderError(not_ours(instance)) from error
    except (sqlite3.Error, OSError) as error:
        raise StateFolderError(
            f"{path} cannot be read ({error}); a worker that starts on it sets a damaged file aside"
        ) from error
