"""What docs/operations/upgrade.md promises of a deploy: new workers first, then SIGTERM to the old ones."""

import signal

import pytest

from tests.support.api import Api
from tests.support.processes import wait_until
from tests.support.taskmanager import TaskManager

SLOTS = 2


@pytest.fixture
def taskmanager(tmp_path):
    running = TaskManager(tmp_path / "taskmanager", lease="1m", claim_timeout="5m")
    yield running
    running.kill()


def running(worker):
    return len(worker.runs())


def test_new_workers_first_then_the_old_ones_stop_and_no_slot_is_missing_meanwhile(taskmanager, start_worker):
    """Old and new share a state folder, as they do on one machine."""
    shared = ("--concurrency", SLOTS, "--state-dir", taskmanager.folder.parent / "state")
    api = Api(taskmanager.url)
    with api.session:
        tasks = [api.submit("Test.Gated") for _ in range(3 * SLOTS)]
        old = start_worker(taskmanager.url, *shared, name="old")
        wait_until(lambda: running(old) == SLOTS, "tasks in every slot of the old worker")
        new = start_worker(taskmanager.url, *shared, name="new")
        wait_until(lambda: running(new) == SLOTS, "tasks in every slot of the new worker")
        old.signal(signal.SIGTERM)
        wait_until(lambda: old.events("phase_draining"), "the old worker to stop")
        old.gate_file.touch()
        assert old.exit_code() == 0
        assert running(old) == SLOTS, "it took nothing new"
        new.gate_file.touch()
        wait_until(lambda: taskmanager.finished() == len(tasks), "the end of all tasks")
        assert [api.show(task)["status"] for task in tasks] == ["completed"] * len(tasks)
    assert sorted([*old.runs(), *new.runs()]) == sorted(tasks), "each ran once"
    assert new.terminate() == 0
