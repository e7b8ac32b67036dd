"""The state folder: numbered instances, each for one process at a time (R39)."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.system import FileLock, network_file_system

__all__ = ["DATABASE", "Instance", "free_bytes", "free_siblings", "take_instance"]

DATABASE = "outbox.db"
LOCK = "lock"
PLUGINS = "plugins"
"""Where plugins keep files of their own."""
NUMBERED = re.compile(r"instance-(\d+)\Z")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
MOST = 1024
REMAINS_LIMIT = 5.0
"""Seconds that the child processes of a dead worker may need to end."""
LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Instance:
    """A part of the state folder that belongs to this process while the lock is held."""

    path: Path
    lock: FileLock

    @property
    def database(self) -> Path:
        """The outbox file."""
        return self.path / DATABASE

    def release(self) -> None:
        """Leaves it to others."""
        self.lock.release()


def take_instance(state_dir: Path, name: str | None = None) -> Instance:
    """The lowest free numbered instance of a state folder, or the named one.

    One that only the remains of a dead worker hold is waited for: they end in a moment (R20).

    Raises:
        StateFolderError: The folder cannot be used, is on a network file system, or the named instance is in use.
    """
    _check(state_dir)
    patience = _Patience()
    if name is not None:
        if not NAME.match(name) or name == PLUGINS:
            raise StateFolderError(
                f"instance name {name!r} must be letters, digits, '.', '_' or '-', at most 64, and not {PLUGINS!r}"
            )
        taken = patience.take(state_dir / name)
        if taken is None:
            raise StateFolderError(
                f"instance {name!r} of {state_dir} is in use by another worker; give another name"
            )
        return taken
    for number in range(MOST):
        taken = patience.take(state_dir / f"instance-{number}")
        if taken is not None:
            return taken
    raise StateFolderError(f"all {MOST} instances of {state_dir} are in use; give another --state-dir")


def free_siblings(state_dir: Path, mine: Instance) -> Iterator[Instance]:
    """The other instances that no process holds, each locked until it is released.

    Those that only the remains of a dead worker hold are waited for (R20).
    """
    patience = _Patience()
    for path in sorted(state_dir.iterdir()):
        if path != mine.path and (path / DATABASE).exists():
            taken = patience.take(path)
            if taken is not None:
                yield taken


def free_bytes(path: Path) -> int:
    """Free space where the path lies."""
    return shutil.disk_usage(path).free


def _check(state_dir: Path) -> None:
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateFolderError(
            f"the state folder {state_dir} cannot be made ({error.strerror}); give --state-dir a writable local folder"
        ) from error
    kind = network_file_system(state_dir)
    if kind is not None:
        raise StateFolderError(
            f"the state folder {state_dir} is on a network file system ({kind}), where locks cannot be trusted; "
            "give --state-dir a local folder"
        )


class _Patience:
    """Waits for what dead workers have left running, so long in all."""

    def __init__(self) -> None:
        self._over_at = time.monotonic() + REMAINS_LIMIT

    def take(self, path: Path) -> Instance | None:
        """The instance at this path; None while somebody uses it."""
        while (taken := _take(path)) is None and FileLock.left_behind(path / LOCK):
            if time.monotonic() > self._over_at:
                return None
            time.sleep(LOOK_EVERY)
        return taken


def _take(path: Path) -> Instance | None:
    try:
        path.mkdir(exist_ok=True, mode=0o700)
        lock = FileLock.acquire(path / LOCK)
    except OSError as error:
        raise StateFolderError(
            f"the state folder {path} cannot be written ({error.strerror}); give --state-dir a writable local folder"
        ) from error
    return None if lock is None else Instance(path, lock)
