"""A start waits until none of a dead worker's processes is left."""

import subprocess
import sys

import pytest

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.outbox import folder
from prismq_worker_sdk.outbox.folder import free_siblings, take_instance
from tests.support.processes import ROOT

TAKES_AND_DIES = """
import os, subprocess, sys
from pathlib import Path
from prismq_worker_sdk.outbox.folder import take_instance
instance = take_instance(Path(sys.argv[1]))
(instance.path / "outbox.db").touch()
keeper = [sys.executable, "-c", "print(flush=True); input()"]
subprocess.Popen(keeper, pass_fds=[instance.lock.descriptor], stderr=subprocess.DEVNULL)
"""

TAKES_FORKS_AND_DIES = """
import os, sys
from pathlib import Path
from prismq_worker_sdk.outbox.folder import take_instance
from prismq_worker_sdk.system import FileLock
instance = take_instance(Path(sys.argv[1]))
if sys.argv[2] == "a child of a worker":
    lock = FileLock.inherited(os.dup(instance.lock.descriptor))
    instance.release()
(instance.path / "outbox.db").touch()
if os.fork() == 0:
    print(flush=True)
    input()
"""


@pytest.fixture
def remains(tmp_path, monkeypatch):
    """What a dead worker has left running: it holds instance-0, and ends when it is told."""
    with subprocess.Popen(
        [sys.executable, "-c", TAKES_AND_DIES, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT)},
    ) as worker:
        worker.stdout.readline()
        worker.wait(20)
        yield worker.stdin.close


@pytest.mark.parametrize("name", [None, "instance-0"])
def test_r20_a_start_waits_until_nothing_of_a_dead_worker_is_left(tmp_path, monkeypatch, remains, name):
    waited = []
    rest = folder.time.sleep

    def sleep(seconds):
        waited.append(seconds)
        remains()
        rest(seconds)

    monkeypatch.setattr(folder.time, "sleep", sleep)
    taken = take_instance(tmp_path, name)

    assert waited
    assert taken.path.name == "instance-0"
    taken.release()


def test_r20_what_a_dead_worker_left_in_a_sibling_is_waited_for_too(tmp_path, monkeypatch, remains):
    mine = take_instance(tmp_path, "mine")
    rest = folder.time.sleep
    monkeypatch.setattr(folder.time, "sleep", lambda seconds: (remains(), rest(seconds)))
    found = list(free_siblings(tmp_path, mine, tell=pytest.fail))

    assert [one.path.name for one in found] == ["instance-0"]
    for one in [*found, mine]:
        one.release()


def test_r20_a_start_does_not_wait_for_ever(tmp_path, monkeypatch, remains):
    monkeypatch.setattr(folder, "REMAINS_LIMIT", 0.1)
    taken = take_instance(tmp_path)

    assert taken.path.name == "instance-1"
    with pytest.raises(StateFolderError, match=r"instance-0 of .* is held by process \d+ \(python"):
        take_instance(tmp_path, "instance-0")
    told = []
    assert list(free_siblings(tmp_path, taken, tell=told.append)) == []
    assert "left running by a worker that is dead" in told[0]
    taken.release()
    remains()


@pytest.mark.parametrize("whose", ["a worker", "a child of a worker"])
def test_r20_a_fork_that_outlives_its_worker_holds_nothing(tmp_path, monkeypatch, whose):
    monkeypatch.setattr(folder, "REMAINS_LIMIT", 0.0)
    with subprocess.Popen(
        [sys.executable, "-c", TAKES_FORKS_AND_DIES, str(tmp_path), whose],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": str(ROOT)},
    ) as worker:
        worker.stdout.readline()
        worker.wait(20)
        taken = take_instance(tmp_path)
        worker.stdin.close()

    assert taken.path.name == "instance-0"
    taken.release()
