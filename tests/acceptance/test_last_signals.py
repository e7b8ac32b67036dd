"""Signals that plugins have to do with: the worker hears its own, and late ones change no exit code."""

from tests.support.processes import wait_until

PLUGIN = """
import atexit, os, signal
from prismq_worker_sdk import task_handler

@task_handler("Test.Some")
def some(params: dict, ctx) -> dict:
    return {}

atexit.register(os.kill, os.getpid(), signal.SIGTERM)
"""


def test_r37_a_late_second_signal_does_not_change_the_exit_code(server, start_worker, tmp_path):
    plugin = tmp_path / "late.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    (task_id,) = server.state.add([{"type": "Test.Some"}])
    worker = start_worker(server.url, "--max-runs", "1", plugin=plugin)

    assert worker.exit_code() == 0
    assert server.state.tasks[task_id]["status"] == "completed"


DEAF = """
import signal, threading
from prismq_worker_sdk import hookimpl, task_handler

@task_handler("Test.Some")
def some(params: dict, ctx) -> dict:
    return {}

@hookimpl
def prismq_worker_event(event):
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""


def test_r36_a_plugin_that_replaces_the_handlers_of_signals_at_the_start_is_told_and_keeps_none(
    server, start_worker, tmp_path
):
    plugin = tmp_path / "deaf.py"
    plugin.write_text(DEAF, encoding="utf-8")
    worker = start_worker(server.url, "--health-port", "0", plugin=plugin)
    wait_until(lambda: "a plugin replaced the handler of SIGTERM" in worker.text(), "the warning")

    assert worker.terminate() == 0
