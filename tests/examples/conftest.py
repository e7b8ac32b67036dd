import importlib.util
import sys

import pytest

from prismq_worker_sdk.system import SystemClock
from tests.support.api import running_api
from tests.support.base_server import BaseServer
from tests.support.examples import EXAMPLES, RunningExample


@pytest.fixture
def start(tmp_path):
    started = []

    def run(name, url, **settings):
        started.append(RunningExample(tmp_path, name, url, settings))
        return started[-1]

    yield run
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


@pytest.fixture
def taskmanager(tmp_path):
    with running_api(tmp_path, SystemClock()) as api:
        yield api


@pytest.fixture
def base_server():
    with BaseServer() as server:
        yield server


@pytest.fixture
def example():
    """Imports an example, by its name."""
    loaded = []

    def load(name):
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        loaded.append(spec.name)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        sys.modules.pop(name, None)
