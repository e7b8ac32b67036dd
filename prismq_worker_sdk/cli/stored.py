"""What lies in a state folder, on the command line: how it is named, opened and shown."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.errors import StateFolderError, UsageError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.outbox.damage import mend
from prismq_worker_sdk.outbox.folder import DATABASE, LOCK, instances, not_ours, remains_of
from prismq_worker_sdk.outbox.looking import Entry
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.system import FileLock, SystemClock

SHOWN_OF_A_TOKEN = 4
COLUMNS = 80
PLAIN = ("state", "kind", "task_id", "task_type", "attempt", "server", "dialect", "worker_id")
"""What is shown of an entry as it is."""


def reference(value: str) -> tuple[str, int]:
    """The instance and the number in `instance-0/17`.

    Raises:
        BadParameter: It names no report.
    """
    found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)/(\d{1,18})", value)
    if found is None:
        raise click.BadParameter(f"{value!r} names no report; write for example instance-0/17")
    return found[1], int(found[2])


@contextmanager
def taken(instance: Path, *, report: Callable[[str], None]) -> Iterator[Outbox]:
    """The outbox of an instance that no worker runs on, locked meanwhile.

    A worker keeps books of what is in its outbox; nobody else may change it then.

    Args:
        report: Is told what was found damaged, and set aside.

    Raises:
        UsageError: A worker runs on it, or there is none.
        StateFolderError: It cannot be used, or only what a dead worker left running holds it.
    """
    if instance not in instances(instance.parent):
        raise UsageError(f"there is no {instance.name} in {instance.parent}; see prismq-worker outbox list")
    try:
        lock = FileLock.acquire(instance / LOCK)
    except PermissionError as error:
        raise StateFolderError(not_ours(instance)) from error
    except OSError as error:
        raise StateFolderError(f"{instance} cannot be locked ({error.strerror or error})") from error
    if lock is None and (held := remains_of(instance)) is not None:
        raise StateFolderError(held)
    if lock is None:
        raise UsageError(f"a worker runs on {instance.name}: stop it first (SIGTERM), then say this again")
    try:
        clock = SystemClock()
        if (damage := mend(instance / DATABASE, clock.utc())) is not None:
            report(damage)
        outbox = Outbox.open(instance / DATABASE, clock)
        try:
            yield outbox
        finally:
            outbox.close()
    finally:
        lock.release()


def line(entry: Entry) -> str:
    """An entry on one line."""
    now = time.time()
    age, wait = round(max(0.0, now - entry.since)), round((entry.next_try or 0.0) - now)
    words = [f"{entry.ref:<16}", f"{entry.state:<8}", f"{entry.kind:<10}", f"{duration.text(age):>8}"]
    if entry.state == "waiting":
        words.append(f"{entry.tries} tries, next {'now' if wait <= 0 else 'in ' + duration.text(wait)}")
    words += [one_line(entry.task_id), one_line(entry.task_type)]
    return "  ".join([*words, *([one_line(entry.detail[:COLUMNS])] if entry.detail else [])])


def as_dict(entry: Entry) -> dict[str, Any]:
    """An entry as plain values; of its token only the beginning, and its outcome where it was read."""
    shown = {
        "ref": entry.ref,
        **{name: getattr(entry, name) for name in PLAIN},
        "token": f"{entry.token[:SHOWN_OF_A_TOKEN]}…" if entry.token else None,
        "since": _instant(entry.since),
        "age_seconds": round(max(0.0, time.time() - entry.since), 3),
        "tries": entry.tries,
        "next_try": None if entry.next_try is None else _instant(entry.next_try),
        "detail": entry.detail or None,
    }
    if entry.body is not None:
        shown["outcome"] = _json(entry.body)
        shown["children"] = _json(entry.children or "[]")
    return shown


def _json(text: str) -> Any:
    """The value of JSON text, or the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
