"""What the operating system gives."""

import os
import signal
from pathlib import Path

from prismq_worker_sdk.system import (
    FileLock,
    SystemClock,
    generated_worker_id,
    network_file_system,
    resident_memory,
    signals,
)

MOUNTS = r"""
/dev/vda / ext4 rw 0 0
server:/export /mnt/share nfs4 rw 0 0
/dev/vdb /mnt/share/local xfs rw 0 0
//nas/x /mnt/with\040blank cifs rw 0 0
"""


def test_r39_network_file_systems_are_known_by_their_mount():
    assert network_file_system(Path("/mnt/share/state"), mounts=MOUNTS) == "nfs4"
    assert network_file_system(Path("/mnt/with blank/x"), mounts=MOUNTS) == "cifs"
    assert network_file_system(Path("/mnt/share/local/x"), mounts=MOUNTS) is None
    assert network_file_system(Path("/var/lib"), mounts=MOUNTS) is None


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


def test_signals_arrive_in_order_and_the_earlier_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with signals() as inbox:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            os.kill(os.getpid(), number)
        heard = [inbox.next() for _ in range(3)]

    assert heard == ["SIGTERM", "SIGUSR1", "SIGINT"]
    assert signal.getsignal(signal.SIGTERM) is before
