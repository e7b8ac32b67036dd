"""This machine: can the state folder be used, what waits in it, is the health port free; nothing is changed."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from prismq_worker_sdk.cli.doctor.server import Doctor
from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.mounts import network_file_system
from prismq_worker_sdk.outbox.folder import (
    LOCK,
    NAME,
    PLUGINS,
    doubt,
    free_bytes,
    instances,
    is_planted,
    not_ours,
    remains_of,
)
from prismq_worker_sdk.outbox.looking import Entry, look
from prismq_worker_sdk.system import FileLock
from prismq_worker_sdk.wire.address import server_identity
from prismq_worker_sdk.wire.checks import CheckResult, fail, ok, warn

CHECK = "state"
EVERYBODY = 0o002
"""The right of everybody to make something in a folder, and to take it away."""
LOCAL = "give --state-dir a writable local folder (PRISMQ_WORKER_STATE_DIR)"
OTHER = "or give another name or none"


def check_here(doctor: Doctor) -> Iterator[CheckResult]:
    """Whether a worker could work on this machine."""
    config, met = doctor.config, doctor.met
    if config.health_port is not None:
        yield check_port(config.health_host, config.health_port)
    can = BASE if met is None else met.capabilities
    server = None if met is None else server_identity(config.api_url, met)
    needed = config.concurrency * can.max_result_bytes
    yield from check_folder(config.state_dir, config.instance, server=server, needed=needed)


def check_folder(
    state_dir: Path, instance: str | None, *, server: str | None, needed: int
) -> Iterator[CheckResult]:
    """Whether a worker could work here, and what earlier ones left.

    Args:
        instance: The part that the worker is to take, None for any that is free.
        server: How stored reports name the server that was found, None where none was.
        needed: Bytes that must be free before anything is claimed (R12).
    """
    existing = next(one for one in (state_dir, *state_dir.absolute().parents) if os.path.exists(one))  # noqa: PTH110 - raises nothing
    trouble = _unusable(state_dir, instance, existing)
    if trouble is not None:
        yield fail(CHECK, *trouble)
        return
    free = free_bytes(existing)
    if free < needed:
        text = f"the disk of {state_dir} has {free // 2**20} MiB left, {needed // 2**20} MiB are needed before claiming"
        yield fail(CHECK, text, "make room, or lower --concurrency")
    if (doubtful := doubt(existing)) is not None:
        yield warn(CHECK, doubtful)
    if existing == state_dir and os.name != "nt" and state_dir.stat().st_mode & EVERYBODY:
        yield warn(
            CHECK, f"{state_dir} can be written by everybody on this machine", f"chmod 700 {state_dir}"
        )
    entries: list[Entry] = []
    for path in instances(state_dir):
        try:
            if (held := remains_of(path)) is not None and _in_use(path):
                yield warn(CHECK, held)
            entries.extend(look(path))
        except StateFolderError as error:
            yield warn(CHECK, str(error))
    yield from stored(state_dir, entries, server=server)


def check_port(host: str, port: int) -> CheckResult:
    """Whether the health could be served there."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return fail("health port", f"{host}:{port} cannot be used ({reason})", "choose another --health-port")
    return ok("health port", f"{host}:{port} is free")


def stored(state_dir: Path, entries: Sequence[Entry], *, server: str | None) -> Iterator[CheckResult]:
    """What is to be said of the reports and claims in the folder."""
    states = Counter(entry.state for entry in entries)
    held = f", claims without an outcome: {states['held']}" if states["held"] else ""
    yield ok(CHECK, f"{state_dir} can be used; reports waiting: {states['waiting']}{held}")
    if states["parked"]:
        text = f"reports parked, because the server refused them: {states['parked']}"
        yield warn(CHECK, text, "see prismq-worker outbox list --state parked")
    foreign = sorted(
        {entry.server for entry in entries if entry.state == "waiting" and entry.server != server}
    )
    if server is not None and foreign:
        text = f"reports wait for another server, {', '.join(foreign)}, and will not be sent to this one"
        yield warn(CHECK, text, "start a worker, or outbox deliver, with that --api-url")


def _unusable(state_dir: Path, instance: str | None, existing: Path) -> tuple[str, str] | None:
    """Why the folder or the instance cannot be used, and what to do; None when it can.

    Args:
        existing: The folder, or the nearest above it that is there.
    """
    if instance is not None and (not NAME.match(instance) or instance == PLUGINS):
        named = f"--instance {instance!r} is no name of an instance"
        return named, "use letters, digits, '.', '_' or '-', 64 at most"
    if not existing.is_dir():
        return f"{existing} is in the way of the state folder {state_dir}: it is no folder", LOCAL
    if (kind := network_file_system(existing)) is not None:
        return f"{state_dir} is on a network file system ({kind}), where locks cannot be trusted", LOCAL
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{existing} cannot be written by this user", LOCAL
    try:
        instances(state_dir)
        return None if instance is None else _taken(state_dir / instance)
    except OSError as error:
        return f"{state_dir} cannot be used ({error.strerror})", LOCAL


def _taken(instance: Path) -> tuple[str, str] | None:
    try:
        if instance.is_dir() and is_planted(instance):
            return not_ours(instance), OTHER
        if not _in_use(instance):
            return None
    except PermissionError:
        return not_ours(instance), OTHER
    if (held := remains_of(instance)) is not None:
        return held, OTHER
    return f"a worker runs on --instance {instance.name}", f"stop it, {OTHER}"


def _in_use(instance: Path) -> bool:
    """Whether somebody holds the lock of an instance; it is given back at once where nobody does."""
    if not (instance / LOCK).exists():
        return False
    lock = FileLock.acquire(instance / LOCK)
    if lock is None:
        return True
    lock.release()
    return False
