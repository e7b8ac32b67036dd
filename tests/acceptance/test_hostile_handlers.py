"""Handlers and surroundings that would take a careless worker down with them."""

from tests.support.processes import wait_until

PLUGIN = """
import asyncio, os, signal, subprocess, sys, threading, time
from prismq_worker_sdk import Transient, Unavailable, task_handler
from prismq_worker_sdk.compat import ExceptionGroup

class Unspeakable(Exception):
    def __str__(self):
        raise Unspeakable()

@task_handler("Test.Unspeakable")
def unspeakable(params: dict, ctx):
    raise Unspeakable()

@task_handler("Test.Listens")
def listens(params: dict, ctx):
    os.kill(os.getpid(), signal.SIGUSR2)
    return {}

@task_handler("Test.Forks")
def forks(params: dict, ctx):
    child = os.fork()
    if child == 0:
        return {}
    os.waitpid(child, 0)
    return {"child": "ended"}

@task_handler("Test.Closes")
def closes(params: dict, ctx):
    sys.stderr.close()
    return {}

@task_handler("Test.ForEver")
def for_ever(params: dict, ctx):
    raise Unavailable("quota", retry_in=366 * 86400)

@task_handler("Test.Group")
async def group(params: dict, ctx):
    raise ExceptionGroup("as a TaskGroup raises it", [Transient("busy", retry_in=30)])

@task_handler("Test.Large")
def large(params: dict, ctx):
    raise ValueError("x" * 20_000_000)

@task_handler("Test.LeavesThreads")
async def leaves_threads(params: dict, ctx):
    threading.Thread(target=time.sleep, args=(3600,)).start()
    try:
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 3600), 0.01)
    except asyncio.TimeoutError:
        return {"left": 2}

@task_handler("Test.Plain")
def plain(params: dict, ctx):
    return {"ok": True}

signal.signal(signal.SIGUSR2, lambda *_: None)
"""


def run(server, start_worker, tmp_path, kind):
    plugin = tmp_path / "hostile.py"
    plugin.write_text(PLUGIN)
    first, second = server.state.add([{"type": kind}, {"type": "Test.Plain"}])
    worker = start_worker(server.url, "--concurrency", "1", plugin=plugin)
    wait_until(lambda: server.state.tasks[second]["status"] == "completed", "the task after it")
    return worker, server.state.tasks[first]


def test_an_exception_that_cannot_be_shown_fails_its_own_task(server, start_worker, tmp_path):
    worker, task = run(server, start_worker, tmp_path, "Test.Unspeakable")

    assert "Unspeakable" in task["error"]
    assert worker.terminate() == 0


def test_a_signal_that_a_handler_listens_for_does_not_stop_the_worker(server, start_worker, tmp_path):
    worker, task = run(server, start_worker, tmp_path, "Test.Listens")

    assert task["status"] == "completed"
    assert worker.events("phase_draining") == []
    assert worker.terminate() == 0


def test_a_forked_child_that_comes_back_from_its_handler_ends(server, start_worker, tmp_path):
    worker, task = run(server, start_worker, tmp_path, "Test.Forks")

    assert task["result"] == {"child": "ended"}
    assert worker.terminate() == 0


def test_a_handler_that_closes_stderr_takes_only_the_log_away(server, start_worker, tmp_path):
    worker, task = run(server, start_worker, tmp_path, "Test.Closes")

    assert task["status"] == "completed"
    assert worker.terminate() == 0


def test_threads_that_a_handler_leaves_running_hold_up_neither_its_result_nor_the_end(
    server, start_worker, tmp_path
):
    worker, task = run(server, start_worker, tmp_path, "Test.LeavesThreads")

    assert task["result"] == {"left": 2}
    assert worker.terminate() == 0


def test_r18_a_pause_of_a_year_stops_nothing_else(server, start_worker, tmp_path):
    worker, _task = run(server, start_worker, tmp_path, "Test.ForEver")

    assert worker.terminate() == 0


def test_what_a_task_group_raises_for_one_task_counts_as_raised(server, start_worker, tmp_path):
    worker, task = run(server, start_worker, tmp_path, "Test.Group")

    assert task["error"] == "busy"
    assert worker.terminate() == 0


def test_an_error_of_many_megabytes_holds_nothing_up(server, start_worker, tmp_path):
    worker, task = run(server, start_worker, tmp_path, "Test.Large")

    assert len(task["error"]) < 10_000
    assert worker.terminate() == 0
