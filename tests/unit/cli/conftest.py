import logging
import socket
import sys
import threading
from functools import partial
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.cli import main, tasks
from tests.support.api import running_api
from tests.support.doctor import PLUGIN, examined
from tests.support.surroundings import forget_settings, without_plugins, write_distribution

LOGGERS = ("prismq", "urllib3", "asyncio")


@pytest.fixture(scope="session")
def bare_path(tmp_path_factory):
    """The import path without any plugin."""
    return without_plugins(tmp_path_factory.mktemp("site"))


@pytest.fixture(autouse=True)
def _a_fresh_process(monkeypatch, tmp_path, bare_path):
    """What a command sets in its process is set back; nothing of this machine is seen."""
    forget_settings(monkeypatch, tmp_path)
    monkeypatch.setattr(tasks, "PATIENCE", 0.0)
    monkeypatch.setattr(sys, "path", list(bare_path))
    for module, hook in ((sys, "excepthook"), (threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(module, hook, getattr(module, hook))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    root.handlers[:] = []
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(capture=False)


@pytest.fixture
def cli(capsys):
    """Runs a command line in this process."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    return run


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a distribution of one module that is a plugin."""
    modules = []

    def make(name, source):
        folder = tmp_path / f"site-{name}"
        modules.append(write_distribution(folder, name, source))
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        return modules[-1]

    yield make
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def plugin_file(tmp_path):
    """Writes a plugin as a file; gives its path."""
    written = []

    def write(source, name="some_plugin"):
        path = tmp_path / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        written.extend((name, f"prismq_plugin_{name}"))
        return str(path)

    yield write
    for module in written:
        sys.modules.pop(module, None)


@pytest.fixture
def plugin(plugin_file):
    """A plugin for one type, `Test.Some`."""
    return plugin_file(PLUGIN)


@pytest.fixture
def doctor(cli, plugin, tmp_path):
    """What the doctor finds: `doctor(url, *options)`."""
    return partial(examined, cli, tmp_path / "state", plugins=(plugin,))


@pytest.fixture
def api(tmp_path):
    with running_api(tmp_path) as running:
        yield running


@pytest.fixture
def unused_url():
    """An address that nobody listens on, and that nobody else gets while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/api"
