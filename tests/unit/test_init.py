"""The first process of a container: it goes on in a child, passes signals on, and takes the dead away."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prismq_worker_sdk.processes import lead_as_init
from tests.support.processes import ROOT, wait_until

FIRST = """
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path
from prismq_worker_sdk import processes

processes.FIRST = os.getpid()
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # what loses its parent comes here, as to the first process of a container
"""
LEADS = "processes.lead_as_init()\n"
LEAVES_ORPHANS = """
def children(of):
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == of:
            yield fields[0]

for _ in range(20):
    assert subprocess.run(["sh", "-c", "true & exec true"]).returncode == 0
until = time.monotonic() + 20
while list(children(os.getppid())) != ["R"] and time.monotonic() < until:
    pass
print(list(children(os.getppid())), flush=True)
sys.exit(7)
"""
COUNTS = """
heard = []
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, _: heard.append(number))
print(os.getpid(), flush=True)
while signal.SIGUSR1 not in heard:
    time.sleep(0.01)
sys.exit(heard.count(signal.SIGTERM))
"""
RUNS = """
from prismq_worker_sdk.cli import main
code = main(["run", "--plugin", "no_such_file.py"])
print(os.getpid(), flush=True)
sys.exit(code)
"""
DIES = "os.kill(os.getpid(), signal.SIGKILL)"


def first(code):
    return subprocess.Popen(
        [sys.executable, "-c", FIRST + code],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        text=True,
        start_new_session=True,
    )


def test_what_loses_its_parent_is_taken_away_and_the_exit_code_is_the_childs():
    with first(LEADS + LEAVES_ORPHANS) as process:
        said = process.stdout.read()

    assert (said, process.returncode) == ("['R']\n", 7)


@pytest.mark.parametrize("to_the_group", [False, True])
def test_a_signal_comes_to_the_child_once(to_the_group):
    with first(LEADS + COUNTS) as process:
        child = int(process.stdout.readline())
        (os.killpg if to_the_group else os.kill)(process.pid, signal.SIGTERM)
        wait_until(lambda: not pending(process.pid, signal.SIGTERM), "the signal to be passed on")
        os.kill(process.pid, signal.SIGUSR1)

    assert child != process.pid
    assert process.returncode == 1


def pending(pid, number):
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    masks = [line.split()[1] for line in status if line.startswith(("SigPnd", "ShdPnd"))]
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def test_a_child_that_is_killed_is_told_as_a_shell_tells_it():
    with first(LEADS + DIES) as process:
        process.wait(20)

    assert process.returncode == 128 + signal.SIGKILL


def test_a_worker_that_is_the_first_process_goes_on_in_a_child():
    with first(RUNS) as process:
        child = int(process.stdout.read())

    assert child != process.pid
    assert process.returncode == 2


def test_any_other_process_goes_on_as_it_is():
    before = os.getpid()
    lead_as_init()

    assert os.getpid() == before
