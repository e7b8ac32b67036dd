import importlib
import signal
import sys

import pytest


@pytest.fixture
def imports(monkeypatch, tmp_path):
    """An import path of its own that begins with tmp_path; what is imported from it is forgotten afterwards."""
    for name in [name for name in sys.modules if name.startswith("prismq_plugin_")]:
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def ctrl_c():
    """SIGINT as a program in the foreground has it: one that a shell runs in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
