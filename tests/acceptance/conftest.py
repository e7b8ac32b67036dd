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
