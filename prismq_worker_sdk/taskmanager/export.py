"""Tasks as JSON lines, each with its history and logs; and the files that take them before they are deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.taskmanager import audit, queries, views
from prismq_worker_sdk.taskmanager.db.service_tables import task_logs
from prismq_worker_sdk.taskmanager.db.tables import tasks
from prismq_worker_sdk.taskmanager.http import json_text

PAGE = 100
"""Tasks that are looked for at once."""
PIECE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tasks are exported.

    Attributes:
        ended_before: Seconds since 1970; with it only finished ones are.
    """

    status: str | None = None
    type: str | None = None
    ended_before: float | None = None


def exported(engine: sa.Engine, wanted: Wanted) -> Iterator[str]:
    """A line for each task, in the order of their creation; each page of them as it was at one moment."""
    query = sa.select(tasks.c.seq).order_by(tasks.c.seq).limit(PAGE)
    for column, value in ((tasks.c.status, wanted.status), (tasks.c.type, wanted.type)):
        if value is not None:
            query = query.where(column == value)
    if wanted.ended_before is not None:
        query = query.where(tasks.c.completed_at <= wanted.ended_before)
    last = 0
    while True:
        with engine.connect() as db, db.begin():
            found = list(db.scalars(query.where(tasks.c.seq > last)))
            yield from filter(None, (task_line(db, seq) for seq in found))
        if not found:
            return
        last = found[-1]


def task_line(db: sa.Connection, seq: int) -> str | None:
    """A task as it is shown, with its dedupe key and its logs; None where it is gone."""
    row = db.execute(sa.select(tasks).where(tasks.c.seq == seq)).first()
    if row is None:
        return None
    found = db.execute(sa.select(task_logs).where(task_logs.c.task_id == row.id).order_by(task_logs.c.id))
    more = {"dedupe_key": row.dedupe_key, "logs": [line for one in found for line in _lines(one)]}
    shown = views.task_with_history(row._asdict(), queries.history(db, row.id), audit.of_task(db, row.id))
    return f"{shown[:-1]},{json_text(more)[1:]}"


def log_lines(db: sa.Connection, ids: Sequence[int]) -> list[str]:
    """Lines of logs, each with its task."""
    found = db.execute(sa.select(task_logs).where(task_logs.c.id.in_(ids)).order_by(task_logs.c.id))
    return [json_text({"task_id": row.task_id, **line}) for row in found for line in _lines(row)]


def append(folder: Path, kind: str, now: float, lines: Iterable[str]) -> None:
    """Adds lines to the file of the day, which holds them on disk then, or none of them.

    Args:
        kind: What the lines are; the beginning of the file's name.
        now: Seconds since 1970.

    Raises:
        OSError: It cannot be, for example because the disk is full.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind}-{datetime.fromtimestamp(now, UTC):%Y-%m-%d}.jsonl"
    with path.open("a+b", buffering=0) as file:
        before = _end_of_last_line(file)
        file.truncate(before)
        try:
            for line in lines:
                _write(file, f"{line}\n".encode())
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(before)
            raise
    if not before:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Puts on disk which files a folder holds, where that can be done."""
    with suppress(OSError):  # a folder cannot be opened everywhere
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lines(row: Any) -> Iterator[dict[str, Any]]:
    for at, level, text in json.loads(row.content):
        yield {"attempt": row.attempt, "at": views.instant(at), "level": level, "text": text}


def _end_of_last_line(file: IO[bytes]) -> int:
    """Where the last line ends that is whole: a crash may have cut one, whose task was not deleted then."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - PIECE)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write(file: IO[bytes], data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
