"""A worker and a TaskManager as services: what their manager hears, and what what they start knows of it."""

import signal
import socket
import subprocess
import sys

import pytest

from tests.support.api import Api
from tests.support.processes import ROOT, wait_until
from tests.support.taskmanager import TaskManager

PLUGIN = """
import os
from prismq_worker_sdk import task_handler

AT_IMPORT = [name for name in os.environ if name.startswith(("NOTIFY", "WATCHDOG"))]

@task_handler("Test.Looks", isolation="process")
def looks(params: dict, ctx) -> list:
    return AT_IMPORT + [name for name in os.environ if name.startswith(("NOTIFY", "WATCHDOG"))]
"""


@pytest.fixture
def manager(tmp_path):
    """The socket of a service manager that has a watchdog, and the variables that name it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(60)
        yield heard, {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}


def until(heard, word):
    """The words of all datagrams up to the first that has this one."""
    words = []
    while word not in words:
        words += heard.recv(4096).decode().splitlines()
    return words


def test_a_worker_is_ready_once_it_found_its_server_and_says_that_it_lives_and_stops(
    manager, start_worker, unused_port, tmp_path
):
    heard, variables = manager
    worker = start_worker(f"http://127.0.0.1:{unused_port}/api", environment=variables)
    wait_until(lambda: worker.events("server_lost"), "the search")
    assert worker.terminate() == 0
    heard.setblocking(False)
    assert b"looking for" in heard.recv(4096)
    with pytest.raises(BlockingIOError):
        heard.recv(4096)

    heard.settimeout(60)
    server = TaskManager(tmp_path / "server")
    try:
        worker = start_worker(server.url, environment=variables)
        until(heard, "READY=1")
        until(heard, "WATCHDOG=1")
        worker.signal(signal.SIGTERM)
        until(heard, "STOPPING=1")
        assert worker.exit_code() == 0
    finally:
        server.kill()


def test_neither_plugins_nor_the_processes_of_handlers_see_whom_the_worker_tells(
    manager, start_worker, tmp_path
):
    _heard, variables = manager
    plugin = tmp_path / "looks.py"
    plugin.write_text(PLUGIN)
    server = TaskManager(tmp_path / "server")
    try:
        start_worker(server.url, environment=variables, plugin=plugin)
        api = Api(server.url)
        with api.session:
            task = api.submit("Test.Looks")
            done = wait_until(lambda: (it := api.show(task))["status"] == "completed" and it, "the result")
        assert done["result"] == []
    finally:
        server.kill()


def test_a_process_that_its_watchdog_ends_shows_where_its_threads_were(manager, start_worker, tmp_path):
    heard, variables = manager
    server = TaskManager(tmp_path / "server")
    try:
        worker = start_worker(server.url, environment=variables)
        until(heard, "READY=1")
        worker.signal(signal.SIGABRT)
        assert worker.exit_code() == -signal.SIGABRT
        assert "supervise_loop.py" in worker.text() or "driver.py" in worker.text()
    finally:
        server.kill()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_taskmanager_says_that_it_is_ready_that_it_lives_and_that_it_stops(manager, tmp_path, processes):
    heard, variables = manager
    served = subprocess.Popen(
        [sys.executable, "-m", "prismq_worker_sdk", "taskmanager", "--port=0", f"--workers={processes}"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **variables},
        stderr=subprocess.DEVNULL,
    )
    try:
        until(heard, "READY=1")
        until(heard, "WATCHDOG=1")
        served.send_signal(signal.SIGTERM)
        until(heard, "STOPPING=1")
        assert served.wait(60) == 0
    finally:
        served.kill()
        served.wait()
