"""What docs/operations/backup.md promises of a SQLite file that is put back, with a worker at work."""

import shutil
import subprocess
import sys

import pytest

from tests.support.api import Api
from tests.support.processes import wait_until
from tests.support.surroundings import clean_environment
from tests.support.taskmanager import TaskManager


@pytest.fixture
def taskmanager(tmp_path):
    running = TaskManager(tmp_path / "taskmanager")
    yield running
    running.kill()


def back_up(taskmanager, copy):
    words = ["taskmanager", "backup", str(copy), "--database", str(taskmanager.database)]
    done = subprocess.run(
        [sys.executable, "-m", "prismq_worker_sdk", *words],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def lose_the_disk(taskmanager, copy):
    """The server is killed, and starts again on what was copied."""
    taskmanager.kill()
    for file in taskmanager.folder.glob(f"{taskmanager.database.name}*"):
        file.unlink()
    shutil.copy(copy, taskmanager.database)
    taskmanager.start()


def test_a_server_goes_on_from_a_copy_and_its_worker_by_itself(taskmanager, start_worker, tmp_path):
    api, copy = Api(taskmanager.url), tmp_path / "copy.db"
    completed = lambda task_id: api.show(task_id)["status"] == "completed"
    with api.session:
        before = api.submit("Test.Counted", params={"n": 1})
        worker = start_worker(taskmanager.url, "--concurrency", "1")
        wait_until(lambda: completed(before), "a task that ends before the copy")
        during = api.submit("Test.Gated")
        wait_until(lambda: during in worker.runs(), "a task that runs meanwhile")

        assert "2 tasks, checked" in back_up(taskmanager, copy)

        worker.gate_file.touch()
        after = api.submit("Test.Counted", params={"n": 2})
        wait_until(lambda: completed(during) and completed(after), "the tasks that end after the copy")
        lose_the_disk(taskmanager, copy)
        wait_until(lambda: completed(during), "what ended after the copy to end again")

        assert completed(before)
        assert api.call("GET", f"/tasks/{after}").status_code == 404
    assert [worker.runs().count(task_id) for task_id in (before, during, after)] == [1, 2, 1]
    assert worker.terminate() == 0
