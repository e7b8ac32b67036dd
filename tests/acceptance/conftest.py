import socket
import subprocess

import pytest

from tests.support.base_server import BaseServer
from tests.support.processes import ServerProcess, Worker


@pytest.fixture
def server():
    with BaseServer() as running:
        yield running


@pytest.fixture
def start_worker(tmp_path):
    started = []

    def start(url, *arguments, name="worker", **options):
        worker = Worker(tmp_path / name, url, arguments=arguments, **options)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.clean_up()


@pytest.fixture
def start_server(tmp_path):
    started = []

    def start(**options):
        running = ServerProcess(tmp_path, **options)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.kill()


@pytest.fixture
def unused_port():
    """A port that nobody listens on, and that nobody else gets while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one MiB; needs the right to mount."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    made = subprocess.run(mount, check=False, capture_output=True)
    if made.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
