"""A TaskManager in several processes: one that ends is started again, and none outlives the first."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import psutil
import pytest
import requests

from tests.support.api import Api
from tests.support.processes import wait_until
from tests.support.taskmanager import TaskManager


@pytest.fixture
def served(tmp_path):
    server = TaskManager(tmp_path, more=("--workers", "3"))
    yield server
    server.kill()


def serving(server):
    """The processes that serve; the one that keeps track of what spawned ones share is none."""
    children = psutil.Process(server.process.pid).children()
    return {one.pid for one in children if _is_serving(one)}


def _is_serving(process):
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def gone(pids):
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def answers(server):
    try:
        return requests.get(f"{server.url}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def test_several_processes_hand_out_each_task_once(served):
    wait_until(lambda: answers(served), "an answer")

    def work(number):
        api = Api(served.url)
        with api.session:
            created = [api.submit() for _ in range(10)]
            return created, [api.claim(f"w{number}")["id"] for _ in range(10)]

    with ThreadPoolExecutor(6) as pool:
        made, got = zip(*pool.map(work, range(6)), strict=True)
    assert sorted(chain(*made)) == sorted(chain(*got))


def test_a_process_that_is_killed_is_started_again(served):
    wait_until(lambda: len(serving(served)) == 3, "three processes")
    victim = min(serving(served))
    os.kill(victim, signal.SIGKILL)

    wait_until(lambda: len(serving(served) - {victim}) == 3, "three processes again")
    wait_until(lambda: answers(served), "an answer")


def test_none_of_them_outlives_a_first_process_that_is_killed(served):
    pids = wait_until(lambda: serving(served) if len(serving(served)) == 3 else None, "three processes")
    wait_until(lambda: answers(served), "an answer")
    served.process.kill()

    wait_until(lambda: gone(pids), "their end")


def test_a_stop_ends_all_of_them_in_order(served):
    pids = wait_until(lambda: serving(served) if len(serving(served)) == 3 else None, "three processes")
    wait_until(lambda: answers(served), "an answer")
    served.process.terminate()

    assert served.process.wait(60) == 0
    assert gone(pids)
    assert "Traceback" not in "".join(log.read_text() for log in served.folder.glob("*.log"))


def test_a_stop_signal_of_the_terminal_is_left_to_the_first_process(served):
    pids = wait_until(lambda: serving(served) if len(serving(served)) == 3 else None, "three processes")
    for pid in pids:
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)

    wait_until(lambda: answers(served), "an answer")
    assert serving(served) == pids
