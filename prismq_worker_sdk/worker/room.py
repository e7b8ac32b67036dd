"""Whether the disk has room for every result that may come (R12)."""

from __future__ import annotations

from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.outbox.schema import JOURNAL_BYTES
from prismq_worker_sdk.worker.services import Services

MOST_REPORTS = 100_000
MOST_BYTES = 1 << 30
"""What may wait in the outbox, in reports and in bytes, before nothing more is claimed."""


def has_room(services: Services) -> bool:
    """Whether the disk has room for every result that may come; tells why not, once."""
    held = services.disk.empty_log() if services.disk.log_bytes() > JOURNAL_BYTES else None
    lacking = _outbox_refuses(services) or _outbox_full(services) or _disk_lacks(services)
    if lacking is not None and held is not None:
        lacking = f"{lacking}; {held}"
    before, services.shared.disk_trouble = services.shared.disk_trouble, lacking
    if lacking is not None and before is None:
        services.emit(Notice("error", lacking))
    return lacking is None


def places(services: Services) -> int:
    """How many results the disk has room for."""
    try:
        return services.disk.free_bytes() // services.can.max_result_bytes
    except OSError:
        return 0


def _outbox_refuses(services: Services) -> str | None:
    """Why a claim could not be held, where the last try to store something failed; None while nothing speaks for it."""
    if services.outbox.trouble is None:
        return None
    try:
        services.outbox.look()
    except OutboxError as error:
        return f"{error}; nothing is claimed until it can be written"
    return None


def _outbox_full(services: Services) -> str | None:
    """Why nothing more can be stored without a verdict for what waits; None while it can."""
    waiting = services.accounting.waiting
    if waiting >= MOST_REPORTS:
        return f"{waiting} reports wait for the server; nothing is claimed until some of them are delivered"
    log = services.disk.log_bytes()
    if (
        services.disk.stored_bytes() + log < MOST_BYTES
    ):  # a look at the file costs less than a question to the outbox
        return None
    try:
        used = services.outbox.used_bytes()
    except OutboxError as error:
        return str(error)
    if used < MOST_BYTES and log < MOST_BYTES:
        return None
    return (
        f"the outbox holds {max(used, log) // 2**20} MiB; nothing is claimed until reports are delivered, or "
        "parked ones are dropped (prismq-worker outbox list)"
    )


def _disk_lacks(services: Services) -> str | None:
    """Why there is no room for the results of every slot; None when there is (R12)."""
    needed = services.config.concurrency * services.can.max_result_bytes
    try:
        free = services.disk.free_bytes()
    except OSError as error:
        return f"the state folder cannot be looked at ({error}); nothing is claimed until it can"
    if free >= needed:
        return None
    return (
        f"the disk of the state folder has {free // 2**20} MiB left, {needed // 2**20} MiB are needed for the "
        "results of every slot; nothing is claimed until there is room"
    )
