"""Whether the disk has room for every result that may come (R12)."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.outbox.bounds import empty_log
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.schema import JOURNAL_BYTES

MOST_REPORTS = 100_000
MOST_BYTES = 1 << 30
"""What may wait in the outbox, in reports and in bytes, before nothing more is claimed."""


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes that are free on the disk, and those of the outbox file and of its write-ahead log."""

    free: int
    stored: int = 0
    log: int = 0


class Disk(Protocol):
    """The disk of the state folder, as far as claiming depends on it."""

    def look(self) -> Space:
        """How full it is; raises OSError where it cannot be looked at."""
        ...

    def empty_log(self) -> str | None:
        """Empties the write-ahead log; why it stays large, None where it does not."""
        ...


class OutboxDisk:
    """The disk that an outbox file lies on.

    Args:
        database: The file, just opened.

    Raises:
        OSError: It is not there.
    """

    def __init__(self, database: Path) -> None:
        self._database, self._log = database, database.with_name(f"{database.name}-wal")
        self._file = _identity(database.stat())

    def look(self) -> Space:
        """How full it is.

        Raises:
            OSError: The folder cannot be looked at, or somebody replaced the outbox while it is in use.
        """
        found = self._database.stat()
        if _identity(found) != self._file:
            raise OSError(f"{self._database} was replaced while in use; start the worker again")
        try:
            log = self._log.stat().st_size
        except OSError:
            log = 0
        return Space(shutil.disk_usage(self._database.parent).free, found.st_size, log)

    def empty_log(self) -> str | None:
        """Empties the write-ahead log; why it stays large, None where it does not."""
        return empty_log(self._database)


def why_full(disk: Disk, outbox: Outbox, *, waiting: int, needed: int) -> str | None:
    """Why nothing may be claimed for want of room; None when there is room for every result that may come.

    Args:
        waiting: Reports without a verdict.
        needed: Bytes that the results of every slot may have.
    """
    refused = _outbox_refuses(outbox)
    try:
        space, held = disk.look(), None
        if space.log > JOURNAL_BYTES or (
            space.log and space.free < needed
        ):  # what it takes may be what is lacking
            held = disk.empty_log()
            space = disk.look()
    except OSError as error:
        return refused or f"the state folder cannot be looked at ({error}); nothing is claimed until it can"
    lacking = refused or _outbox_full(outbox, space, waiting)
    if lacking is None and space.free < needed:
        lacking = (
            f"the disk of the state folder has {space.free // 2**20} MiB left, {needed // 2**20} MiB are needed for "
            "the results of every slot; nothing is claimed until there is room"
        )
    return lacking if lacking is None or held is None else f"{lacking}; {held}"


def _outbox_refuses(outbox: Outbox) -> str | None:
    """Why a claim could not be held, where the last try to store something failed; None while nothing speaks for it."""
    if outbox.transactions.trouble is None:
        return None
    try:
        outbox.look()
    except OutboxError as error:
        return f"{error}; nothing is claimed until it can be written"
    return None


def _outbox_full(outbox: Outbox, space: Space, waiting: int) -> str | None:
    """Why nothing more can be stored without a verdict for what waits; None while it can."""
    if waiting >= MOST_REPORTS:
        return f"{waiting} reports wait for the server; nothing is claimed until some of them are delivered"
    if space.stored + space.log < MOST_BYTES:  # costs less than a question to the outbox
        return None
    try:
        used = outbox.used_bytes()
    except OutboxError as error:
        return str(error)
    if used < MOST_BYTES and space.log < MOST_BYTES:
        return None
    return (
        f"the outbox holds {max(used, space.log) // 2**20} MiB; nothing is claimed until reports are delivered, or "
        "parked ones are dropped (prismq-worker outbox list)"
    )


def _identity(found: os.stat_result) -> tuple[int, int]:
    """What tells a file from another one at the same place: device and number."""
    return found.st_dev, found.st_ino
