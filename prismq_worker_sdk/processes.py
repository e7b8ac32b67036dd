"""What the operating system gives for processes: starting, ending, and telling them apart, and leading a container."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

if sys.platform != "win32":
    import pwd


if sys.platform == "win32":
    STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
else:
    STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
PR_SET_PDEATHSIG = 1
FORKED = 70
"""Exit code of a fork that comes back from a plugin's code."""
_STARTED_BY: list[int] = []
FIRST = 1
"""The number of the first process of a container."""
TICKS_PER_SECOND = 100
"""Of the times in /proc; Linux has no other value."""
CONTROL_GROUPS = Path("/sys/fs/cgroup")


def hold_back_stop_signals() -> None:
    """Lets no stop signal reach this thread, nor a process that it starts until that one is ready for them."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


@contextlib.contextmanager
def stop_signals_held_back() -> Iterator[None]:
    """Within, none reaches this thread, nor a process that it starts until that one lets them in."""
    if sys.platform == "win32":
        yield
    else:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_stop_signals_in() -> None:
    """Hears and drops those that were held back, and from now on all others; for the main thread."""
    drop_stop_signals()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def stop_signals() -> tuple[signal.Signals, ...]:
    """What asks this process to end: SIGTERM, SIGINT, and unless it was told to ignore them (nohup) SIGHUP, SIGQUIT."""
    always = (signal.SIGTERM, signal.SIGINT)
    return tuple(one for one in STOP_SIGNALS if one in always or signal.getsignal(one) is not signal.SIG_IGN)


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that wait for as long as it takes, whatever a library told `socket.setdefaulttimeout`."""
    mine, its = socket.socketpair()
    mine.settimeout(None)
    its.settimeout(None)
    return mine, its


def start_child(
    command: list[str], channel: socket.socket, *, output: int, keep: Iterable[int]
) -> subprocess.Popen[bytes]:
    """Starts a process that has the channel as its standard input, for `parent_channel`.

    Args:
        output: A descriptor that becomes its standard output and error.
        keep: More descriptors that it inherits; not on Windows.

    Raises:
        OSError: There is no room for it.
    """
    if sys.platform == "win32":
        started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)  # noqa: S603 - ours
        if started.stdin is not None:
            shared = channel.share(started.pid)
            started.stdin.write(len(shared).to_bytes(4, "big") + shared)
            started.stdin.close()
        return started
    else:  # noqa: RET505 - the type checker follows the branches of a platform
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            command, stdin=channel.fileno(), stdout=output, stderr=output, pass_fds=tuple(keep)
        )


def parent_channel() -> socket.socket:
    """The channel to the process that started this one; nothing is left at the standard input."""
    if sys.platform == "win32":
        size = int.from_bytes(os.read(0, 4), "big")
        channel = socket.fromshare(os.read(0, size))
    else:
        channel = socket.socket(fileno=os.dup(0))
    channel.settimeout(None)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return channel


def follow_parent(parent: int) -> None:
    """Stop signals are the parent's business; on Linux this process ends when its parent's thread does (R20).

    The signals are heard and dropped rather than ignored: programs that a handler starts would inherit that.

    Args:
        parent: The process that started this one.
    """
    _STARTED_BY.append(parent)
    let_stop_signals_in()
    if sys.platform != "win32":
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)


def drop_stop_signals() -> None:
    """Hears stop signals and drops them, whatever a library has made of them meanwhile; for the main thread."""
    for number in (*stop_signals(), *_more_signals()):
        signal.signal(number, _drop)


def show_stacks_when_asked() -> None:
    """From now on `ask_for_stacks` makes this process write its stacks to stderr, whatever holds its interpreter."""
    if sys.platform != "win32":
        faulthandler.register(signal.SIGUSR2, all_threads=True)


def ask_for_stacks(pid: int) -> None:
    """Lets a child write down where it is."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR2)


def end_fork_of(process: int) -> None:
    """Ends this process where it is a fork of that one: a plugin's code has forked, and both have come back from it."""
    if os.getpid() != process:
        os._exit(FORKED)


def is_child() -> bool:
    """Whether this process is a child that follows a worker."""
    return bool(_STARTED_BY)


def _more_signals() -> Iterator[signal.Signals]:
    if sys.platform == "win32":
        yield signal.SIGBREAK
    else:
        yield signal.SIGUSR1


def lead_as_init() -> None:
    """As the first process of a container, goes on in a child, and stays behind as its init; else does nothing.

    Whatever loses its parent becomes a child of the first process, which has to wait for it. A worker cannot: it would
    take the ends of the programs that its handlers wait for. For a process that has no threads yet.
    """
    if sys.platform != "win32" and os.getpid() == FIRST:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _passed_on() | {signal.SIGCHLD})
        child = os.fork()
        if child:
            os._exit(_watch_over(child))
        os.setpgid(0, 0)  # what is sent to the group of the first process comes once, from there
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


if sys.platform != "win32":

    def _passed_on() -> set[signal.Signals]:
        return {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}

    def _watch_over(child: int) -> int:
        """Passes signals on and waits for whatever ends, until the child does; its exit code, as a shell tells it."""
        while True:
            number = signal.sigwait(_passed_on() | {signal.SIGCHLD})
            if number != signal.SIGCHLD:
                os.kill(child, number)
            elif (code := _bury(child)) is not None:
                return code if code >= 0 else 128 - code

    def _bury(child: int) -> int | None:
        """Waits for every process that has ended; the exit code of the child where it is among them."""
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                return os.waitstatus_to_exitcode(status)
            if pid == 0:
                return None


def oom_kills(group: str | None = None) -> int | None:
    """How many processes of this control group the system has killed for lack of memory; None where it says nothing.

    Args:
        group: The text of /proc/self/cgroup, for tests.
    """
    try:
        text = Path("/proc/self/cgroup").read_text(encoding="utf-8") if group is None else group
    except OSError:
        return None
    for line in text.splitlines():
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            root, name = CONTROL_GROUPS, "memory.events"
        elif "memory" in controllers.split(","):
            root, name = CONTROL_GROUPS / "memory", "memory.oom_control"
        else:
            continue
        for place in (root / path.lstrip("/") / name, root / name):  # in a container the path is that outside
            with contextlib.suppress(OSError, ValueError):
                counts = dict(one.split() for one in place.read_text(encoding="ascii").splitlines())
                if "oom_kill" in counts:
                    return int(counts["oom_kill"])
    return None


def thread_seconds(native_id: int) -> float | None:
    """Seconds of processor time that a thread of this process has used; None where the system does not tell.

    Args:
        native_id: The system's number of the thread; one that has ended is None too.
    """
    with contextlib.suppress(OSError, ValueError):
        stat = Path(f"/proc/self/task/{native_id}/stat").read_text(encoding="utf-8", errors="replace")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS_PER_SECOND
    return None


def birth_of(pid: int) -> str | None:
    """What tells this process from every other one that had or will have its number; None when it does not run.

    Process numbers repeat, above all in containers: there is the moment of its start too, and where its number
    counts. A dead process that nobody has asked about yet does not run.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        if fields[0] in {"Z", "X"}:
            return None
        return f"{pid} {fields[19]} {Path('/proc/self/ns/pid').readlink()}"
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _by_number(pid)
    except (OSError, IndexError):
        return _by_number(pid)


def is_dead(birth: list[str]) -> bool:
    """Whether the process of that birth is dead for certain; of one in another container nothing is certain."""
    now = birth_of(int(birth[0]))
    if len(birth) == 1:
        return now is None or int(birth[0]) == os.getpid()
    here = birth_of(os.getpid())
    if here is None or here.split()[2:] != birth[2:]:
        return False
    return now is None or now.split() != birth


def users_of(path: Path) -> list[str]:
    """The other processes that have a file open, `1234 (python3)` each, as far as this user may see them."""
    found = []
    try:
        file = path.stat()
        pids = sorted(int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal())
    except OSError:
        return []
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if pid != os.getpid() and any(_is(one, file) for one in Path(f"/proc/{pid}/fd").iterdir()):
                name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(f"{pid} ({name})")
    return found


def _is(descriptor: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), file)
    except OSError:
        return False


def keep_owner(path: Path, like: Path) -> None:
    """Where root made a file or a folder in somebody's place, gives it to the owner of that place.

    So a command that was said once as root leaves nothing behind that the worker's own user cannot use.

    Raises:
        OSError: One of them is not there.
    """
    if sys.platform != "win32" and os.geteuid() == 0:
        owner, own = like.stat(), path.lstat()
        if own.st_uid == 0 != owner.st_uid:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def owner_of(path: Path) -> str:
    """Whose it is: a name, or a number that has none."""
    number = path.stat().st_uid
    if sys.platform != "win32":
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(number).pw_name
    return f"user {number}"


def _by_number(pid: int) -> str | None:
    """For systems that tell no more than whether there is a process of this number."""
    if sys.platform != "win32":  # there it would end the process
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
    return str(pid)


def _drop(_number: int, _frame: object) -> None:
    """A signal that is the parent's business."""
