"""What the operating system gives: clock, locks, memory, file descriptors, signals.

Here and in `processes` are the branches for Windows. Those branches are type-checked; they are not run by the tests,
which need Linux.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO

from prismq_worker_sdk.compat import UTC

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    import resource

from prismq_worker_sdk.processes import birth_of, is_dead, keep_owner, socket_pair, stop_signals

GAP_SECONDS = 5.0
"""A wall clock that ran so much further than the monotonic one means that the machine slept."""

KEPT = 8
FOR_ONE_CALL = 3
"""A connection, and what is opened on the way to it: a look-up, certificates."""


class SystemClock:
    """The machine's clock; it goes on while the machine sleeps (R5). Each task reads it dozens of times.

    Attributes:
        monotonic: Seconds since some fixed moment.
        utc: The instant now, UTC.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slept = 0.0
        self._last = (time.monotonic(), time.time())
        self.utc: Callable[[], datetime] = partial(datetime.now, UTC)
        self.monotonic: Callable[[], float]
        if sys.platform == "linux":
            self.monotonic = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        else:
            self.monotonic = self._monotonic_and_sleep

    def _monotonic_and_sleep(self) -> float:
        with self._lock:
            before, wall_before = self._last
            now, wall = time.monotonic(), time.time()
            gap = (wall - wall_before) - (now - before)
            if gap > GAP_SECONDS:
                self._slept += gap
            self._last = (now, wall)
            return now + self._slept


_HELD: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()
"""The lock files of this process."""


def _leave_to_parent() -> None:
    """In a fork: its parent's locks are not its own, and must not outlive their worker in it."""
    for file in list(_HELD):
        file.close()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_leave_to_parent)


def _own_file(path: str, flags: int) -> int:
    """A file for this user alone; a link that somebody put in its place is not followed."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


@dataclass(slots=True)
class FileLock:
    """An exclusive lock on a file of its own; the system drops it when the last process that holds it dies.

    The file says who took it: child processes hold it too, and may live a moment longer. Forks do not.
    """

    file: IO[bytes]

    @classmethod
    def acquire(cls, path: Path) -> FileLock | None:
        """The lock, or None when another process holds it.

        Raises:
            OSError: The file cannot be opened or the file system knows no locks.
        """
        file = open(path, "a+b", opener=_own_file)  # noqa: SIM115 - it is held until it is released
        keep_owner(path, path.parent)
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
        _HELD.add(file)
        return cls(file)

    @classmethod
    def inherited(cls, descriptor: int) -> FileLock:
        """The lock of the parent, held as long as this process lives; programs that it starts do not get it."""
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the parameter has no name
        file = open(descriptor, "a+b")  # noqa: SIM115 - it is held for the life of the process
        _HELD.add(file)
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


def usage_of(pids: Iterable[int]) -> tuple[int, float]:
    """Bytes of memory that child processes occupy, and seconds of CPU time that they and ended children took.

    Zeros where the system does not tell.
    """
    memory, cpu = 0, os.times().children_user + os.times().children_system
    if sys.platform != "win32":
        page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
        for pid in pids:
            with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended
                stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
                fields = stat.rpartition(")")[2].split()
                cpu += (int(fields[11]) + int(fields[12])) / tick
                memory += int(fields[21]) * page
    return memory, cpu


def is_exhaustion(error: OSError) -> bool:
    """Whether it says that no descriptor is left, to this process or on the whole machine."""
    return error.errno in {errno.EMFILE, errno.ENFILE}


def open_descriptors() -> tuple[int, int] | None:
    """How many this process has open, and how many it may; None where the system does not tell."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            most, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            return len(os.listdir("/proc/self/fd")), most  # noqa: PTH208 - of names only
    return None


def allow_descriptors() -> None:
    """Lets this process have as many descriptors as it may; the lower limit is for programs that use `select`."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Reserve:
    """Keeps descriptors back; may be used from any thread.

    Args:
        kept: How many.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._most = kept
        self._kept: list[int] = []
        self._lock = threading.Lock()

    def refill(self) -> None:
        """Keeps back what is missing, as far as there are any."""
        with self._lock:
            while len(self._kept) < self._most:
                try:
                    self._kept.append(os.open(os.devnull, os.O_RDONLY))
                except OSError:
                    return

    def lend(self, number: int = FOR_ONE_CALL) -> bool:
        """Gives some of them up where none are left otherwise; whether there is hope for another try."""
        with self._lock:
            if not self._kept or not none_left():
                return False
            for descriptor in self._kept[-number:]:
                os.close(descriptor)
            del self._kept[-number:]
            return True


def none_left() -> bool:
    """Whether this process can open nothing more."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return is_exhaustion(error)
    return False


RESERVE = Reserve()
"""Kept back for the worker's own calls, for the time when a handler has leaked all others of this process."""


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
        self._read, self.write = socket_pair()
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

    def take_back(self) -> list[str]:
        """Installs the handlers again that a library has replaced; the names of their signals. For the main thread."""
        replaced = [
            signal.Signals(one) for one in sorted(self._wanted) if signal.getsignal(one) is not _heard
        ]
        for number in replaced:
            signal.signal(number, _heard)
        return [number.name for number in replaced]

    def close(self) -> None:
        """Ends it."""
        self.write.close()
        self._read.close()


@contextlib.contextmanager
def signals() -> Iterator[SignalInbox]:
    """An inbox for stop signals and, where it exists, SIGUSR1 (Windows: SIGBREAK), while the block runs.

    The handlers that were there before are put back. Outside the main thread, where Python delivers no
    signals, the inbox gets none.
    """
    if threading.current_thread() is not threading.main_thread():
        with contextlib.closing(SignalInbox()) as inbox:
            yield inbox
        return
    wanted = [*stop_signals()]
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
        for number in stop_signals():
            signal.signal(number, signal.SIG_IGN)


def _heard(_number: int, _frame: object) -> None:
    """The number is in the inbox already."""
