"""A key that is revoked while its worker runs: nothing is lost, and nothing counts twice."""

import threading

import pytest

from prismq_worker_sdk import Worker, WorkerSettings, task_handler
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from tests.support.api import TYPE, running_api
from tests.support.processes import wait_until

pytestmark = pytest.mark.acceptance
ADMIN = "admin-key-of-the-file"


@pytest.fixture
def guarded(tmp_path):
    keys = (ApiKey.of(ADMIN, Scope.ADMIN),)
    with running_api(tmp_path, keys=keys, own_time=True, lease_seconds=1.5) as api:
        yield api


@pytest.fixture
def begin(guarded, tmp_path):
    """Starts a worker with a key of its own in a file; its handler waits until it may end."""

    def made(name):
        key = guarded.call("POST", "/keys", {"name": name, "scope": "worker"}, key=ADMIN).json()["key"]
        file = tmp_path / f"{name}.key"
        file.write_text(key)
        settings = WorkerSettings(
            api_url=guarded.url, api_key_file=file, state_dir=tmp_path / name, poll_interval=0.1
        )
        runs, may_end = [], threading.Event()

        @task_handler(TYPE)
        def work(params: dict, ctx):
            runs.append(ctx.task.id)
            may_end.wait(60)
            return name

        worker = Worker([work], settings=settings)
        worker.file, worker.runs, worker.may_end = file, runs, may_end
        return worker

    return made


def task(api, task_id):
    return api.call("GET", f"/tasks/{task_id}", key=ADMIN).json()


def created(api):
    return api.call("POST", "/tasks", {"type": TYPE}, key=ADMIN).json()["id"]


def test_r34_the_task_of_a_worker_whose_key_was_revoked_is_taken_back_by_its_lease(guarded, begin):
    task_id = created(guarded)
    first = begin("first")
    with first:
        wait_until(lambda: first.runs, "the start of the task")
        guarded.call("DELETE", "/keys/first", key=ADMIN)
        second = begin("second")
        second.may_end.set()
        with second:
            wait_until(lambda: task(guarded, task_id)["status"] == "completed", "the end of the task", 60)
            second.stop()
        first.may_end.set()
        first.file.write_text(second.file.read_text())
        later = created(guarded)
        wait_until(lambda: task(guarded, later)["status"] == "completed", "the next task", 60)
        first.stop()

    shown = task(guarded, task_id)
    assert shown["result"] == "second"
    assert [claim["verdict"] for claim in shown["history"]] == ["expired", "completed"]
    assert task(guarded, later)["result"] == "first"


def test_r34_a_result_waits_for_a_key_that_holds(guarded, begin):
    task_id = created(guarded)
    first, other = begin("first"), begin("other")
    with first:
        wait_until(lambda: first.runs, "the start of the task")
        guarded.call("DELETE", "/keys/first", key=ADMIN)
        first.may_end.set()
        wait_until(lambda: task(guarded, task_id)["status"] == "processing", "the task")
        first.file.write_text(other.file.read_text())
        wait_until(lambda: task(guarded, task_id)["status"] == "completed", "the end of the task", 60)
        first.stop()

    assert task(guarded, task_id)["result"] == "first"
