"""What handlers log: taken with renewals and reports, bounded for each claim, and shown by pages."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from prismq_worker_sdk.taskmanager import views
from prismq_worker_sdk.taskmanager.cursors import cursor_of, place_of
from prismq_worker_sdk.taskmanager.db.service_tables import task_logs
from prismq_worker_sdk.taskmanager.db.statements import Statement, insert
from prismq_worker_sdk.taskmanager.http import json_text, size_of
from prismq_worker_sdk.taskmanager.messages import HeldItem, LogItem, LogLine
from prismq_worker_sdk.taskmanager.queries import find
from prismq_worker_sdk.taskmanager.rules import MAX_LOG_BYTES, MAX_LOG_LINES

PAGE_BYTES = 1024 * 1024
"""Characters of a page, but for its last row."""
ROWS = 16
"""Rows that are read at a time."""
STEP = 2048
"""A place in a log is the id of a row times this, and how many of its lines lie before; it has fewer."""

_PUT = insert(task_logs, ("task_id", "claim", "attempt", "at", "content"))
_COUNT = Statement(
    "UPDATE claims SET log_lines = :lines, log_bytes = :size, log_last = :last, log_total = :total WHERE id = :claim"
)
_OF_TASK = f"SELECT * FROM task_logs WHERE task_id = :task_id AND id >= :row ORDER BY id LIMIT {ROWS}"
_ROWS = Statement(_OF_TASK)
_ROWS_OF_ATTEMPT = Statement(_OF_TASK.replace(" ORDER", " AND attempt = :attempt ORDER"))
_COUNTS = Statement(
    "SELECT attempt, log_lines, log_total FROM claims WHERE task_id = :task_id AND log_total IS NOT NULL ORDER BY id"
)


class LogFilter(BaseModel):
    """The query of `GET /tasks/{task_id}/logs`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    attempt: int | None = Field(None, ge=1, le=1_000_000)
    limit: int = Field(200, ge=1, le=1000)
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class LogSize:
    """How much of a claim's log has come.

    Attributes:
        lines: Those that are stored.
        size: Bytes of their texts.
        last: The number of the last line that came.
        total: How many the handler has logged.
    """

    lines: int = 0
    size: int = 0
    last: int = 0
    total: int = 0


def fitting(before: LogSize, log: LogItem) -> tuple[list[LogLine], LogSize]:
    """The lines that are new and within the bounds, and how much there is with them."""
    kept, lines, size = [], before.lines, before.size
    for line in log.lines[max(0, before.last + 1 - log.first) :]:
        more = size_of(line.text)
        if lines == MAX_LOG_LINES or size + more > MAX_LOG_BYTES:
            break
        kept.append(line)
        lines, size = lines + 1, size + more
    last = max(before.last, log.first + len(log.lines) - 1)
    return kept, LogSize(lines, size, last, max(before.total, last, log.logged))


class NewLines:
    """The lines that come together, to be written together."""

    def __init__(self) -> None:
        self._sizes: dict[int, LogSize] = {}
        self._rows: list[tuple[Any, ...]] = []

    def take(self, held: Any, item: HeldItem, now: float) -> None:
        """Takes what came with a renewal or report of a claim that goes on, or ends by it.

        The worker's clock may be wrong: no line is older than its task, none is of the future.
        """
        if item.log is None:
            return
        before = self._sizes.get(held.held)
        if before is None:
            counts = (held.log_lines, held.log_bytes, held.log_last, held.log_total)
            before = LogSize(*(one or 0 for one in counts))
        kept, self._sizes[held.held] = fitting(before, item.log)
        if kept:
            lines = [
                [round(min(now, max(held.created_at, line.at)), 3), line.level, line.text] for line in kept
            ]
            self._rows.append((item.task_id, held.held, held.attempt, now, json_text(lines)))

    def run(self, db: sa.Connection) -> None:
        """Writes them."""
        _PUT.run(db, self._rows)
        sizes = self._sizes.items()
        _COUNT.run(db, [(one.lines, one.size, one.last, one.total, claim) for claim, one in sizes])


def page(
    db: sa.Connection, task_id: str, wanted: LogFilter, types: Collection[str] | None = None
) -> dict[str, Any]:
    """Lines of a task, oldest first, and where the page behind them begins; later lines come behind those.

    An empty page is the end for now.

    Args:
        types: Tasks of others are not to be seen; None for none of that.

    Raises:
        Problem: 404 there is no such task, 422 the cursor is none.
    """
    find(db, task_id, types=types)
    row_id, skip = (0, 0) if wanted.cursor is None else divmod(place_of(wanted.cursor), STEP)
    lines: list[dict[str, Any]] = []
    cursor, size = wanted.cursor, 0
    while rows := _rows(db, task_id, row_id, wanted.attempt):
        for row in rows:
            found = json.loads(row.content)
            begin = skip if row.id == row_id else 0
            taken = found[begin : begin + wanted.limit - len(lines)]
            lines += [_shown(row.attempt, *line) for line in taken]
            cursor, size = cursor_of(row.id * STEP + begin + len(taken)), size + len(row.content)
            if len(lines) == wanted.limit or size > PAGE_BYTES:
                return _page(db, task_id, lines, cursor)
        row_id, skip = rows[-1].id + 1, 0
    return _page(db, task_id, lines, cursor)


def _rows(db: sa.Connection, task_id: str, row_id: int, attempt: int | None) -> Sequence[Any]:
    if attempt is None:
        return list(_ROWS.rows(db, task_id=task_id, row=row_id))
    return list(_ROWS_OF_ATTEMPT.rows(db, task_id=task_id, row=row_id, attempt=attempt))


def _shown(attempt: int, at: float, level: str, text: str) -> dict[str, Any]:
    return {"attempt": attempt, "at": views.instant(at), "level": level, "text": text}


def _page(db: sa.Connection, task_id: str, lines: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    counts: dict[int, list[int]] = {}
    for row in _COUNTS.rows(db, task_id=task_id):  # a claim that did not count has the number of the next one
        one = counts.setdefault(row.attempt, [0, 0])
        one[0] += row.log_lines
        one[1] += row.log_total - row.log_lines
    attempts = [
        {"attempt": attempt, "lines": stored, "dropped": dropped}
        for attempt, (stored, dropped) in counts.items()
    ]
    return {"lines": lines, "next_cursor": cursor, "attempts": attempts}
