"""An embedded worker whose handlers run in processes of their own."""

import psutil
import pytest

from prismq_worker_sdk import Worker
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.model.events import TypePaused
from prismq_worker_sdk.worker.config import WorkerConfig
from tests.support.base_server import BaseServer
from tests.support.children import probes
from tests.support.loops import Work
from tests.support.processes import wait_until


class Settings:
    def __init__(self, **given):
        self._given = given

    def config(self):
        return WorkerConfig(**self._given)


@pytest.fixture
def server():
    with BaseServer() as running:
        yield running


@pytest.fixture
def make(tmp_path, server):
    def make(*handlers, **config):
        given = {"api_url": server.url, "state_dir": tmp_path / "state", "poll_interval": 0.02} | config
        return Worker(handlers, settings=Settings(**given), listeners=[events.append])

    events = make.events = []
    return make


def one_of(kind):
    return next(handler for handler in probes() if handler.task_type == f"Probe.{kind}")


def test_tasks_are_done_and_nothing_is_left_of_the_children(make, server):
    earlier = set(psutil.Process().children())
    ids = server.state.add([{"type": "Probe.Nothing"}] * 5)
    with make(one_of("Nothing"), isolation="process") as worker:
        wait_until(lambda: server.state.seen()["counts"] == {"completed": 5}, "the end of the tasks")

    assert worker.wait(0) == 0
    assert {server.state.tasks[one]["status"] for one in ids} == {"completed"}
    assert set(psutil.Process().children()) == earlier


def test_r36_what_ignores_the_stop_is_killed_and_the_worker_ends_with_nothing_left(make, server, tmp_path):
    server.state.add([{"type": "Probe.Obstinate", "params": {"folder": str(tmp_path)}}])
    worker = make(one_of("Obstinate"), isolation="process", grace_period=1.5)
    worker.start()
    wait_until((tmp_path / "begun").exists, "the start of the task")
    worker.stop()

    assert worker.wait(20) == 0
    assert not psutil.pid_exists(int((tmp_path / "begun").read_text()))


def test_r36_a_stop_without_grace_kills_at_once(make, server, tmp_path):
    server.state.add([{"type": "Probe.Obstinate", "params": {"folder": str(tmp_path)}}])
    worker = make(one_of("Obstinate"), isolation="process")
    worker.start()
    wait_until((tmp_path / "begun").exists, "the start of the task")
    worker.stop(0.0)

    assert worker.wait(20) == 0
    assert not psutil.pid_exists(int((tmp_path / "begun").read_text()))


def test_a_handler_that_a_fresh_process_would_not_find_is_refused_before_anything_starts(make):
    with pytest.raises(PluginError, match="a fresh process does not find it"):
        make(Work().handler, isolation="process")


def test_the_word_of_a_handler_goes_before_that_of_the_worker(make, server):
    work = Work(isolation="thread")
    server.state.add([{"type": "Test.Some"}])
    with make(work.handler, isolation="process"):
        wait_until(lambda: server.state.seen()["counts"] == {"completed": 1}, "the end of the task")

    assert len(work.ran) == 1


def test_a_type_whose_handler_no_process_can_load_is_not_claimed(make, server, tmp_path, monkeypatch):
    handler = one_of("Nothing")
    monkeypatch.setattr(
        "prismq_worker_sdk.worker.isolation.process.BOOT", "print('no licence', end=''); raise SystemExit(7)"
    )
    with make(handler, isolation="process"):
        (paused,) = wait_until(
            lambda: [event for event in make.events if isinstance(event, TypePaused)], "the reason"
        )

    assert "its process ended while it started (exit code 7): no licence" in paused.reason
    assert [e for e in server.state.exchanges if e["call"] == "claim"] == []
