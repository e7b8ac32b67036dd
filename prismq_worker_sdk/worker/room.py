"""Whether the disk has room for every result that may come (R12)."""

from __future__ import annotations

from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.outbox.schema import JOURNAL_BYTES
from prismq_worker_sdk.worker.services import Runtime

MOST_REPORTS = 100_000
MOST_BYTES = 1 << 30
"""What may wait in the outbox, in reports and in bytes, before nothing more is claimed."""


def has_room(runtime: Runtime) -> bool:
    """Whether the disk has room for every result that may come; tells why not, once."""
    held = runtime.empty_log() if runtime.log_bytes() > JOURNAL_BYTES else None
    lacking = _outbox_refuses(runtime) or _outbox_full(runtime) or _disk_lacks(runtime)
    if lacking is not None and held is not None:
        lacking = f"{lacking}; {held}"
    before, runtime.disk_trouble = runtime.disk_trouble, lacking
    if lacking is not None and before is None:
        runtime.emit(Notice("error", lacking))
    return lacking is None


def _outbox_refuses(runtime: Runtime) -> str | None:
    """Why a claim could not be held, where the last try to store something failed; None while nothing speaks for it."""
    if runtime.outbox.trouble is None:
        return None
    try:
        runtime.outbox.look()
    except OutboxError as error:
        return f"{error}; nothing is claimed until it can be written"
    return None


def _outbox_full(runtime: Runtime) -> str | None:
    """Why nothing more can be stored without a verdict for what waits; None while it can."""
    waiting = runtime.ledger.waiting
    if waiting >= MOST_REPORTS:
        return f"{waiting} reports wait for the server; nothing is claimed until some of them are delivered"
    log = runtime.log_bytes()
    if (
        runtime.stored_bytes() + log < MOST_BYTES
    ):  # a look at the file costs less than a question to the outbox
        return None
    try:
        used = runtime.outbox.used_bytes()
    except OutboxError as error:
        return str(error)
    if used < MOST_BYTES and log < MOST_BYTES:
        return None
    return (
        f"the outbox holds {max(used, log) // 2**20} MiB; nothing is claimed until reports are delivered, or "
        "parked ones are dropped (prismq-worker outbox list)"
    )


def _disk_lacks(runtime: Runtime) -> str | None:
    """Why there is no room for the results of every slot; None when there is (R12)."""
    needed = runtime.config.concurrency * runtime.health.capabilities.max_result_bytes
    try:
        free = runtime.free_bytes()
    except OSError as error:
        return f"the state folder cannot be looked at ({error}); nothing is claimed until it can"
    if free >= needed:
        return None
    return (
        f"the disk of the state folder has {free // 2**20} MiB left, {needed // 2**20} MiB are needed for the "
        "results of every slot; nothing is claimed until there is room"
    )
