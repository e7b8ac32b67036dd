"""What a worker does at this moment."""

import json
import threading
from dataclasses import replace

import pytest

from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.protocol import WorkerCommand
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.status import ClosedType, RunningTask, WorkerStatus
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.supervision import supervisor as supervisor_module
from prismq_worker_sdk.worker.worker import Worker
from tests.support.base_server import BaseServer
from tests.support.loops import TYPE, Work
from tests.support.processes import wait_until
from tests.unit.worker.test_prefetch import attempt

STATUS = WorkerStatus(
    worker_id="w1",
    version="1.0",
    server="http://host/api",
    phase="running",
    health=Health(live=True, ready=True, parked=2),
    slots=4,
)


@pytest.fixture
def one():
    return attempt("t-1")


def state(one, now=10.0):
    return one.status(now).state


def test_a_task_is_told_in_the_state_that_it_is_in(one):
    assert state(one) == "waiting"
    one.prefetch(1.0)
    assert state(one) == "waiting"
    one.begin(4.0)
    assert state(one) == "running"
    one.cancel(CancelReason.ASKED)
    assert state(one) == "ending"
    one.finish()
    assert state(one) == "storing"
    one.offer(Completed("1"), ())
    assert state(one) == "storing"
    one.commit()
    assert one.status(10.0) is None


def test_a_handler_that_does_not_end_is_a_stray(one):
    one.begin(4.0)
    one.commit()
    one.abandon()

    assert state(one) == "stray"


def test_a_task_is_told_with_its_time_and_what_its_handler_said_last(one):
    assert one.status(10.0) == RunningTask(ref=one.ref, state="waiting", seconds=0.0)
    one.begin(4.0)
    one.progress = (40.0, "page 3")

    assert one.status(10.0) == RunningTask(
        ref=one.ref, state="running", seconds=6.0, percent=40.0, message="page 3"
    )


def test_a_status_can_be_told_as_json(one):
    one.begin(4.0)
    task = one.status(10.5)
    told = replace(STATUS, running=(task,), paused=(ClosedType("T", "quota", 60.0),), waiting=1)

    assert json.loads(json.dumps(told.as_dict())) == {
        "worker": "w1",
        "version": "1.0",
        "server": "http://host/api",
        "phase": "running",
        "live": True,
        "ready": True,
        "reasons": [],
        "slots": {"all": 4, "free": 3, "lost": 0},
        "running": [
            {
                "id": "t-1",
                "type": one.ref.task_type,
                "attempt": one.ref.attempt,
                "state": "running",
                "seconds": 6.5,
                "percent": None,
                "message": "",
            }
        ],
        "paused": [{"type": "T", "reason": "quota", "seconds": 60.0}],
        "reports": {"waiting": 1, "parked": 2},
    }


def test_a_worker_tells_what_runs_and_why_nothing_more_is_claimed(tmp_path):
    work = Work(gated=True)
    with BaseServer() as server:
        (task_id,) = server.state.add([{"type": TYPE}])
        settings = WorkerConfig(
            api_url=server.url, state_dir=tmp_path, poll_interval=0.02, concurrency=2, worker_id="w1"
        )
        worker = Worker([work.handler], settings=settings)
        before = worker.status()
        with worker:
            wait_until(work.begun.is_set, "the task")
            work.contexts[0].progress(40, "page 3")
            services = worker._supervisor._services
            services.apply_command(WorkerCommand.QUIET)
            services.availability.pause(TYPE, 60.0, "quota used up", now=services.clock.monotonic())
            now = worker.status()
            work.gate.set()
            wait_until(lambda: not worker.status().running, "its end")
        after = worker.status()

    assert (before.slots, before.free, before.running, before.phase) == (2, 2, (), "running")
    (task,) = now.running
    assert (task.ref.task_id, task.ref.task_type, task.state) == (task_id, TYPE, "running")
    assert (task.percent, task.message) == (40.0, "page 3")
    assert (now.worker_id, now.server, now.free) == ("w1", server.url, 1)
    assert now.health.reasons == ("the server wants this worker quiet", f"{TYPE}: quota used up")
    (paused,) = now.paused
    assert (paused.type, paused.reason) == (TYPE, "quota used up")
    assert 0 < paused.seconds <= 60
    assert after.phase == "stopped"


def test_reasons_hold_no_secret_that_is_known_by_the_time_they_are_told(tmp_path):
    settings = WorkerConfig(api_url="http://server.invalid/api", state_dir=tmp_path)
    worker = Worker([Work().handler], settings=settings)
    worker._supervisor._here.availability.set_ready(TYPE, "the key canary-4711-geheim is refused")
    before = worker.health().reasons
    worker._redactor.learn("canary-4711-geheim")

    assert any("canary-4711" in reason for reason in before)
    assert not any("canary-4711" in reason for reason in worker.health().reasons)


def test_r31_a_supervising_loop_that_hangs_makes_the_worker_dead(tmp_path, clock, monkeypatch):
    hangs, go_on = threading.Event(), threading.Event()

    def supervise(services, _threads):
        hangs.set()
        go_on.wait(30)
        services.lifecycle.ask_stop("the test ends it", grace=0.0, now=clock.monotonic())
        yield from ()

    monkeypatch.setattr(supervisor_module, "supervise", supervise)
    with BaseServer() as server:
        settings = WorkerConfig(api_url=server.url, state_dir=tmp_path, poll_interval=0.02)
        worker = Worker([Work().handler], settings=settings, clock=clock)
        worker.start()
        wait_until(hangs.is_set, "the loop")
        alive = worker.health()
        for _ in range(30):
            clock.turn(5.0)
            found = worker.health()
        go_on.set()
        worker.wait(30)

    assert alive.live
    assert not found.live
    assert "the supervising loop hangs: one step took more than 120 s" in found.reasons
