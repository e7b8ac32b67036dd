"""The state folder: numbered instances, each for one process at a time (R39)."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.mounts import network_file_system, unproven_file_system
from prismq_worker_sdk.processes import keep_owner, owner_of, users_of
from prismq_worker_sdk.system import FileLock

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
MADE_BY_OTHERS = 0o022
"""The rights of a folder with which others can make something in it."""


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


class Patience:
    """Waits for what dead workers have left running, so long in all; what it has given up once is not waited for."""

    def __init__(self) -> None:
        self._over_at = time.monotonic() + REMAINS_LIMIT

    def take(self, path: Path) -> Instance | None:
        """The instance at this path; None while somebody uses it."""
        while (taken := _take(path)) is None and FileLock.left_behind(path / LOCK):
            if time.monotonic() > self._over_at:
                return None
            time.sleep(LOOK_EVERY)
        return taken


def take_instance(state_dir: Path, name: str | None = None, *, patience: Patience | None = None) -> Instance:
    """The lowest free numbered instance of a state folder, or the named one.

    One that only the remains of a dead worker hold is waited for: they end in a moment (R20). A numbered one that
    belongs to another user is passed over.

    Args:
        patience: What is left of the waiting, for more than one call.

    Raises:
        StateFolderError: The folder cannot be used, is on a network file system, or the named instance is in use.
    """
    _check(state_dir)
    patience = patience or Patience()
    if name is not None:
        if not NAME.match(name) or name == PLUGINS:
            raise StateFolderError(
                f"instance name {name!r} must be letters, digits, '.', '_' or '-', at most 64, and not {PLUGINS!r}"
            )
        taken = patience.take(state_dir / name)
        if taken is None:
            raise StateFolderError(
                remains_of(state_dir / name)
                or f"instance {name!r} of {state_dir} is in use by another worker; give another name"
            )
        return taken
    for number in range(MOST):
        with suppress(_NotOursError):  # told with the siblings
            taken = patience.take(state_dir / f"instance-{number}")
            if taken is not None:
                return taken
    raise StateFolderError(f"all {MOST} instances of {state_dir} are in use; give another --state-dir")


def free_siblings(
    state_dir: Path, mine: Instance, *, tell: Callable[[str], None], patience: Patience | None = None
) -> Iterator[Instance]:
    """The other instances that no process holds, each locked until it is released.

    Those that only the remains of a dead worker hold are waited for (R20).

    Args:
        tell: Is told which instances cannot be taken over though no worker runs on them, and why.
        patience: What is left of the waiting, for more than one call.
    """
    patience = patience or Patience()
    for path in instances(state_dir):
        if path != mine.path:
            try:
                taken = patience.take(path)
            except StateFolderError as error:
                tell(str(error))
                continue
            if taken is not None:
                yield taken
            elif (trouble := remains_of(path)) is not None:
                tell(trouble)


def instances(state_dir: Path) -> list[Path]:
    """The instances of a state folder that hold an outbox, in the order of their names.

    Those of other users are among them as far as their names tell; whatever else lies there is passed over.

    Raises:
        OSError: The folder cannot be read.
    """
    try:
        names = sorted(path for path in state_dir.iterdir() if NAME.match(path.name) and path.name != PLUGINS)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in names if _holds_an_outbox(path)]


def remains_of(instance: Path) -> str | None:
    """What to do about an instance that cannot be taken, where its worker is dead; None where that is not certain."""
    lock = instance / LOCK
    if not FileLock.left_behind(lock):
        return None
    users = users_of(lock)
    by = f"process {', '.join(users)}" if users else "a process that it started"
    return (
        f"{instance.name} of {instance.parent} is held by {by}, left running by a worker that is dead: what it "
        "stored there is not sent; end that process, then start a worker or say prismq-worker outbox deliver"
    )


def not_ours(instance: Path) -> str:
    """What to do about an instance that this user may not use."""
    return (
        f"{instance.name} of {instance.parent} belongs to {owner_of(instance)} and may not be used by this user, so "
        f"what is stored there is not sent; give it to the worker's user (chown -R USER {instance}), or move it aside"
    )


def is_planted(instance: Path) -> bool:
    """Whether another user may have made an instance that this one is not to trust with results.

    Only where others can make something in the state folder. Root works for the owner of the folder too.
    """
    if sys.platform == "win32":
        return False
    else:  # noqa: RET505 - the type checker follows the branches of a platform
        folder, made = instance.parent.stat(), instance.lstat()
        trusted = {0, os.geteuid()} | ({folder.st_uid} if os.geteuid() == 0 else set())
        is_open = bool(folder.st_mode & MADE_BY_OTHERS) or folder.st_uid not in trusted
        return is_open and made.st_uid not in trusted


def doubt(state_dir: Path) -> str | None:
    """Why locks in this folder may not hold, None where nothing speaks against them."""
    kind = unproven_file_system(state_dir)
    if kind is None:
        return None
    return (
        f"the state folder {state_dir} is on {kind}, which may be a folder of another machine: where locks do not "
        "hold, results are sent twice or lost; better give --state-dir a folder on a disk of this machine"
    )


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


class _NotOursError(StateFolderError):
    """The instance is there, and belongs to another user."""


def _take(path: Path) -> Instance | None:
    try:
        if not path.is_dir():
            path.mkdir(exist_ok=True, mode=0o700)
            keep_owner(path, path.parent)
        if is_planted(path):
            raise _NotOursError(not_ours(path))
        if (path / DATABASE).is_symlink():
            raise StateFolderError(
                f"{path / DATABASE} is a symbolic link; put the file itself there, or let the whole state folder be one"
            )
        lock = FileLock.acquire(path / LOCK)
    except OSError as error:
        if isinstance(error, PermissionError) and path.is_dir():
            raise _NotOursError(not_ours(path)) from error
        raise StateFolderError(
            f"the state folder {path} cannot be written ({error.strerror or error}); give --state-dir a writable local "
            "folder"
        ) from error
    return None if lock is None else Instance(path, lock)


def _holds_an_outbox(path: Path) -> bool:
    try:
        return path.is_dir() and (path / DATABASE).lstat() is not None
    except PermissionError:
        return NUMBERED.match(path.name) is not None
    except OSError:
        return False
