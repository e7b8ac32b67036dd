"""What the operating system gives."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from prismq_worker_sdk import processes
from prismq_worker_sdk.mounts import network_file_system, unproven_file_system
from prismq_worker_sdk.processes import birth_of, is_dead, oom_kills, thread_seconds
from prismq_worker_sdk.system import (
    FileLock,
    SystemClock,
    generated_worker_id,
    resident_memory,
    signals,
)
from tests.support.processes import wait_until

MOUNTS = r"""
/dev/vda / ext4 rw 0 0
server:/export /mnt/share nfs4 rw 0 0
/dev/vdb /mnt/share/local xfs rw 0 0
//nas/x /mnt/with\040blank cifs rw 0 0
//nas/x /mnt/with\011tab cifs rw 0 0
//nas/x /mnt/with\134slash cifs rw 0 0
//nas/x /mnt/with\043hash cifs rw 0 0
"""


def test_r39_network_file_systems_are_known_by_their_mount():
    assert network_file_system(Path("/mnt/share/state"), mounts=MOUNTS) == "nfs4"
    assert network_file_system(Path("/mnt/with blank/x"), mounts=MOUNTS) == "cifs"
    for name in ("with\ttab", "with\\slash", "with#hash"):
        assert network_file_system(Path("/mnt", name, "x"), mounts=MOUNTS) == "cifs"
    assert network_file_system(Path("/mnt/share/local/x"), mounts=MOUNTS) is None
    assert network_file_system(Path("/var/lib"), mounts=MOUNTS) is None


@pytest.mark.parametrize(
    ("kind", "refused", "doubtful"),
    [
        ("fuse.ceph-fuse", True, False),
        ("fuse.blobfuse2", True, False),
        ("beegfs", True, False),
        ("9p", False, True),
        ("fuse.grpcfuse", False, True),
        ("fuse.something-new", False, True),
        ("fuse", False, True),
        ("fuse.fuse-overlayfs", False, False),
        ("fuseblk", False, False),
        ("btrfs", False, False),
    ],
)
def test_r39_a_kind_is_refused_where_it_is_the_network_and_doubted_where_it_may_be(kind, refused, doubtful):
    mounts = f"x /mnt {kind} rw 0 0\n"

    assert (network_file_system(Path("/mnt/x"), mounts=mounts) == kind) is refused
    if not refused:
        assert (unproven_file_system(Path("/mnt/x"), mounts=mounts) == kind) is doubtful


def test_r39_a_lock_is_held_by_one_only_and_free_again_after_its_release(tmp_path):
    first = FileLock.acquire(tmp_path / "lock")

    assert first is not None
    assert FileLock.acquire(tmp_path / "lock") is None
    first.release()
    again = FileLock.acquire(tmp_path / "lock")
    assert again is not None
    again.release()


def test_generated_worker_ids_differ_within_one_process():
    assert generated_worker_id() != generated_worker_id()
    assert len(generated_worker_id()) <= 255


def test_the_clock_never_runs_back():
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]

    assert readings == sorted(readings)
    assert clock.utc().tzinfo is not None


def test_r05_sleep_of_the_machine_is_seen_where_the_clock_does_not_go_on(monkeypatch):
    clock = SystemClock()
    times = iter([(10.0, 1000.0), (11.0, 1001.0), (12.0, 4602.0)])
    clock._last = (10.0, 1000.0)

    def turn():
        monotonic, wall = next(times)
        monkeypatch.setattr("time.monotonic", lambda: monotonic)
        monkeypatch.setattr("time.time", lambda: wall)
        return clock._monotonic_and_sleep()

    assert [turn(), turn(), turn()] == [10.0, 11.0, 3612.0]


def test_memory_is_told_in_bytes():
    assert resident_memory() > 1_000_000


@pytest.fixture
def hangups():
    """What happens at SIGHUP and SIGQUIT is put back afterwards, whatever the test makes of it."""
    both = (signal.SIGHUP, signal.SIGQUIT)
    before = [signal.signal(number, signal.SIG_DFL) for number in both]
    yield both
    for number, handler in zip(both, before, strict=True):
        signal.signal(number, handler)


def test_signals_arrive_in_order_and_the_earlier_handlers_come_back(hangups):
    before = signal.getsignal(signal.SIGTERM)
    with signals() as inbox:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, *hangups):
            os.kill(os.getpid(), number)
        heard = [inbox.next() for _ in range(5)]

    assert heard == ["SIGTERM", "SIGUSR1", "SIGINT", "SIGHUP", "SIGQUIT"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_was_to_be_ignored_from_the_start_is_ignored_on(hangups):
    for number in hangups:
        signal.signal(number, signal.SIG_IGN)
    with signals() as inbox:
        for number in (*hangups, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert inbox.next() == "SIGTERM"
        assert inbox.take_back() == []


def test_signals_are_waited_for_whatever_timeout_a_library_gives_to_sockets():
    socket.setdefaulttimeout(0.001)
    try:
        with signals() as inbox:
            assert inbox._read.gettimeout() is None
    finally:
        socket.setdefaulttimeout(None)


def test_handlers_that_a_library_replaced_are_put_back_and_told():
    with signals() as inbox:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert inbox.take_back() == ["SIGTERM"]
        assert inbox.take_back() == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert inbox.next() == "SIGTERM"


def test_r20_a_lock_whose_taker_is_dead_is_told_from_one_in_use(tmp_path):
    place = tmp_path / "lock"
    assert not FileLock.left_behind(place)
    lock = FileLock.acquire(place)
    assert not FileLock.left_behind(place)
    number, *rest = place.read_text().split()
    assert int(number) == os.getpid()
    lock.release()

    for text, dead in {
        f"{number} 1 {rest[1]}": True,  # this number belonged to another process before, as in a container
        f"{2**22 - 3} 1 {rest[1]}": True,
        f"{number} 1 pid:[1]": False,  # of another container nothing is certain
        f"{number} {' '.join(rest)}": False,
        "": False,
        "no number": False,
    }.items():
        place.write_text(text)
        assert FileLock.left_behind(place) is dead, text


def test_r20_a_dead_process_that_nobody_has_asked_about_does_not_run():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert birth_of(process.pid).split()[0] == str(process.pid)
        process.kill()
        wait_until(lambda: birth_of(process.pid) is None, "the end of the process")


def test_where_the_system_tells_only_numbers_they_decide(monkeypatch):
    monkeypatch.setattr(processes, "Path", lambda *_: Path("/nowhere"))

    assert birth_of(os.getpid()) == str(os.getpid())
    assert birth_of(2**22 - 3) is None
    assert is_dead([str(os.getpid())])  # this process knows that it has not taken it
    assert is_dead([str(2**22 - 3)])
    assert not is_dead([str(os.getppid())])


@pytest.mark.parametrize(
    ("group", "file", "text"),
    [
        ("0::/some/place", "some/place/memory.events", "low 0\noom 3\noom_kill 2\n"),
        ("0::/some/place", "memory.events", "oom_kill 2\n"),
        ("4:memory:/a/b\n0::/", "memory/a/b/memory.oom_control", "oom_kill_disable 0\noom_kill 2\n"),
        ("4:cpu,memory:/a", "memory/memory.oom_control", "oom_kill 2\n"),
    ],
)
def test_kills_for_lack_of_memory_are_counted_in_both_kinds_of_control_groups(
    tmp_path, monkeypatch, group, file, text
):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    monkeypatch.setattr(processes, "CONTROL_GROUPS", tmp_path)

    assert oom_kills(group) == 2
    assert oom_kills("7:pids:/") is None


def test_the_processor_time_of_a_thread_is_told_while_it_lives():
    native = threading.get_native_id()
    before = thread_seconds(native)
    sum(range(3_000_000))

    assert thread_seconds(native) > before
    assert thread_seconds(2**22 - 3) is None
