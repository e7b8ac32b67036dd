"""The very end of a process: nothing that comes then changes its exit code."""

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
