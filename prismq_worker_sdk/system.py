"""What the operating system gives: clock, locks, memory, file systems, signals.

Here and in `processes` are the branches for Windows. Those branches are type-checked; they are not run by the tests,
which need Linux.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import ctypes
    import msvcrt
else:
    import fcntl
    import resource

from prismq_worker_sdk.processes import birth_of, is_dead

__all__ = [
    "FileLock",
    "SignalInbox",
    "SystemClock",
    "generated_worker_id",
    "ignore_stop_signals",
    "network_file_system",
    "resident_memory",
    "signals",
]

GAP_SECONDS = 5.0
"""A wall clock that ran so much further than the monotonic one means that the machine slept."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "gpfs"}
)
DRIVE_REMOTE = 4
"""What GetDriveTypeW answers for a network drive."""


class SystemClock:
    """The machine's clock; it goes on while the machine sleeps (R5)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slept = 0.0
        self._last = (time.monotonic(), time.time())

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        if sys.platform == "linux":
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        else:  # noqa: RET505 - the type checker follows the branches of a platform
            return self._monotonic_and_sleep()

    def _monotonic_and_sleep(self) -> float:
        with self._lock:
            before, wall_before = self._last
            now, wall = time.monotonic(), time.time()
            gap = (wall - wall_before) - (now - before)
            if gap > GAP_SECONDS:
                self._slept += gap
            self._last = (now, wall)
            return now + self._slept

    def utc(self) -> datetime:
        """The instant now, UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class FileLock:
    """An exclusive lock on a file of its own; the system drops it when the last process that holds it dies.

    The file says who took it: child processes hold it too, and may live a moment longer.
    """

    file: IO[bytes]

    @classmethod
    def acquire(cls, path: Path) -> FileLock | None:
        """The lock, or None when another process holds it.

        Raises:
            OSError: The file cannot be opened or the file system knows no locks.
        """
        file = path.open("a+b")
        try:
            if sys.platform == "win32":
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.truncate(0)
                file.write((birth_of(os.getpid()) or "").encode())
                file.flush()
        except (BlockingIOError, PermissionError):
            file.close()
            return None
        except OSError:
            file.close()
            raise
        return cls(file)

    @staticmethod
    def left_behind(path: Path) -> bool:
        """Whether whoever took this lock is dead for certain, so that what still holds it will end too."""
        try:
            taker = path.read_text(encoding="ascii").split()
            return bool(taker) and is_dead(taker)
        except (OSError, ValueError):
            return False

    @property
    def descriptor(self) -> int | None:
        """What a child process inherits to hold the lock too; None where it cannot."""
        return None if sys.platform == "win32" else self.file.fileno()

    def release(self) -> None:
        """Give the lock up; harmless when done twice."""
        self.file.close()


def resident_memory() -> int:
    """Bytes of memory this process occupies now; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    else:  # noqa: RET505 - the type checker follows the branches of a platform
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def network_file_system(path: Path, *, mounts: str | None = None) -> str | None:
    """The kind of network file system that holds the path, or None (R39).

    Args:
        path: An existing path.
        mounts: The text of /proc/self/mounts, for tests.
    """
    if sys.platform == "win32":
        drive = Path(path).resolve().anchor
        return "a network drive" if ctypes.windll.kernel32.GetDriveTypeW(drive) == DRIVE_REMOTE else None
    else:  # noqa: RET505 - the type checker follows the branches of a platform
        return _network_mount(path, mounts)


def _network_mount(path: Path, mounts: str | None) -> str | None:
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    resolved = path.resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, kind
            continue
        point = Path(fields[1].replace("\\040", " "))
        if resolved.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    if kind in NETWORK_FILE_SYSTEMS or kind.startswith(
        ("fuse.sshfs", "fuse.gluster", "fuse.s3", "fuse.rclone")
    ):
        return kind
    return None


def generated_worker_id() -> str:
    """A worker id that no other process has: host, process and eight random characters."""
    host = "".join(c if c.isalnum() or c in "-_." else "-" for c in socket.gethostname())[:64] or "worker"
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


class SignalInbox:
    """Names of signals, in the order they came.

    The interpreter writes each signal's number into a socket at the moment it arrives. A lock would not do: a
    signal that comes just before the main thread waits for it is seen only when something else wakes the thread.
    """

    def __init__(self, wanted: Iterable[int] = ()) -> None:
        self._wanted = frozenset(wanted)
        self._read, self.write = socket.socketpair()
        self.write.settimeout(0)

    def wake(self) -> None:
        """Lets `next` return without a signal; may be called from any thread."""
        with contextlib.suppress(OSError):  # closed already: nobody waits any more
            self.write.send(bytes([0]))

    def next(self) -> str | None:
        """The name of the next signal, once there is one; None after `wake`."""
        while (number := self._read.recv(1)[0]) != 0:
            if number in self._wanted:  # a handler may listen for others
                return signal.Signals(number).name
        return None

    def close(self) -> None:
        """Ends it."""
        self.write.close()
        self._read.close()


@contextlib.contextmanager
def signals() -> Iterator[SignalInbox]:
    """An inbox for SIGTERM, SIGINT and, where it exists, SIGUSR1 (Windows: SIGBREAK), while the block runs.

    The handlers that were there before are put back. Outside the main thread, where Python delivers no
    signals, the inbox gets none.
    """
    if threading.current_thread() is not threading.main_thread():
        with contextlib.closing(SignalInbox()) as inbox:
            yield inbox
        return
    wanted = [signal.SIGTERM, signal.SIGINT]
    if sys.platform == "win32":
        wanted.append(signal.SIGBREAK)
    else:
        wanted.append(signal.SIGUSR1)
    inbox = SignalInbox(wanted)
    wakeup = signal.set_wakeup_fd(inbox.write.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, _heard) for number in wanted}
    try:
        yield inbox
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        inbox.close()


def ignore_stop_signals() -> None:
    """Nothing may cut off a process that has done its work and is about to exit."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


def _heard(_number: int, _frame: object) -> None:
    """The number is in the inbox already."""
