"""What a start finds in the state folder, and makes whole (R27, R39)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.outbox.damage import mend
from prismq_worker_sdk.outbox.folder import (
    LOCK,
    Instance,
    Patience,
    doubt,
    free_bytes,
    free_siblings,
    instances,
    take_instance,
)
from prismq_worker_sdk.outbox.left_behind import inherit
from prismq_worker_sdk.outbox.looking import look
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.parked import Parked
from prismq_worker_sdk.outbox.schema import open_database
from prismq_worker_sdk.outbox.transactions import GroupCommit
from prismq_worker_sdk.system import FileLock
from prismq_worker_sdk.worker.room import OutboxDisk
from prismq_worker_sdk.worker.services import Services

REASONS_SHOWN = 3
REASON_LENGTH = 120

ROOM_AT_START = 16 * 1024 * 1024
"""Bytes that must be free for the worker to start at all."""


@dataclass(frozen=True, slots=True)
class State:
    """The part of the state folder that belongs to this worker, opened."""

    instance: Instance
    outbox: Outbox
    disk: OutboxDisk

    troubles: tuple[str, ...] = ()
    """What of earlier workers could not be taken over, one sentence each."""

    found: tuple[Notice, ...] = ()
    """What is to be told at once: damaged files that were set aside, and a folder that may not be fit."""

    held: tuple[Path, ...] = ()
    """Instances of dead workers that something they started still holds."""

    def left_elsewhere(self) -> int:
        """How many reports of dead workers wait where something that those started keeps this one out."""
        try:
            return sum(entry.state == "waiting" for path in self.held for entry in look(path))
        except StateFolderError:
            return len(self.held)  # what cannot be read may be a report

    def close(self) -> None:
        """Closes the outbox and leaves the instance to others."""
        self.outbox.close()
        self.instance.release()


def open_state(state_dir: Path, name: str | None, clock: Clock) -> State:
    """Takes an instance, opens its outbox, and takes over what free instances left behind.

    Raises:
        StateFolderError: The folder cannot be used, or has no room.
    """
    state_dir = state_dir.absolute()  # a handler may change the working directory
    patience = Patience()
    instance = take_instance(state_dir, name, patience=patience)
    try:
        free = free_bytes(instance.path)
        if free < ROOM_AT_START:
            raise StateFolderError(
                f"the disk of {state_dir} is full ({free // 1024} KiB left); free at least "
                f"{ROOM_AT_START // 2**20} MiB, or give --state-dir another disk"
            )
        doubts = doubt(state_dir)
        mended = [mend(instance.database, clock.utc())]
        connection = open_database(instance.database)
        troubles: list[str] = []
        for sibling in free_siblings(state_dir, instance, tell=troubles.append, patience=patience):
            try:
                mended.append(mend(sibling.database, clock.utc()))
                inherit(connection, sibling)
            except StateFolderError as error:
                troubles.append(str(error))
            finally:
                sibling.release()
    except BaseException:
        instance.release()
        raise
    outbox = Outbox(GroupCommit(connection), clock)
    found = [Notice("error", one) for one in mended if one is not None]
    if doubts is not None:
        found.append(Notice("warning", doubts))
    held = tuple(path for path in instances(state_dir) if FileLock.left_behind(path / LOCK))
    return State(instance, outbox, OutboxDisk(instance.database), tuple(troubles), tuple(found), held)


def recover(services: Services, troubles: tuple[str, ...]) -> int:
    """Makes what earlier processes left whole; how many reports there are to send (R27).

    Args:
        troubles: What could not be taken over.
    """
    for bad in services.outbox.park_unreadable():
        services.emit(Notice("error", f"the report of task {bad.task_id} is parked: {bad.detail}"))
    if dropped := services.outbox.drop_unreadable_claims():
        services.emit(Notice("error", f"{dropped} stored claims cannot be read and are left to lapse"))
    for identity, outcome in services.outbox.resolve_orphans(retried=services.retried):
        fate = "is left to lapse on the server" if outcome is None else "is reported as failed"
        services.emit(
            Notice(
                "warning", f"task {identity.task_id} was cut off by a crash of an earlier worker; it {fate}"
            )
        )
    for server, number in services.outbox.elsewhere().items():
        services.emit(
            Notice(
                "warning",
                f"{number} results in this state folder belong to {server.partition('#')[0]}; they wait until a "
                "worker with that --api-url runs on it",
            )
        )
    _tell_parked(services)
    recovered = services.outbox.recover()
    services.accounting.recover(recovered)
    for task_type, (seconds, reason) in services.outbox.pauses().items():
        services.availability.pause(task_type, seconds, reason, now=services.clock.monotonic())
    for trouble in troubles:
        services.emit(Notice("error", trouble))
    return recovered


def _tell_parked(services: Services) -> None:
    """Says what is parked here, of this server and of others, and why."""
    forgotten = services.outbox.forget_parked()
    if forgotten:
        services.emit(
            Notice("warning", f"{forgotten} parked reports were too old or too many, and were deleted")
        )
    found = services.outbox.parked()
    services.shared.parked = sum(one.reports for one in found)
    if not found:
        return
    shown = [_reason(services, one) for one in found[:REASONS_SHOWN]]
    more = f"; and {len(found) - REASONS_SHOWN} more reasons" if len(found) > REASONS_SHOWN else ""
    services.emit(
        Notice(
            "warning",
            f"{services.shared.parked} reports are parked in this state folder and not sent: {'; '.join(shown)}{more}; "
            "see prismq-worker outbox list --state parked",
        )
    )


def _reason(services: Services, parked: Parked) -> str:
    elsewhere = "" if parked.server == services.server else f" for {parked.server.partition('#')[0]}"
    return f"{parked.reports}{elsewhere}: {parked.detail[:REASON_LENGTH]}"
