"""Memory: resident size of a worker that waits, and of the same one after 1000 tasks."""

import subprocess
import tempfile
from pathlib import Path

import psutil

from tests.bench.figures import Row, Table, interleaved
from tests.bench.noop import TYPE
from tests.bench.processes import Worker, process
from tests.support.base_server import BaseServer
from tests.support.processes import wait_until

TASKS = 1000
SCALE = "arq 31, saq 33, Huey 46, Celery threads 52, Dramatiq 55, Conductor 140"


def run(seconds):
    samples = interleaved(
        {"bare": python("pass"), "libraries": python("import requests, pydantic"), "worker": worker}, seconds
    )
    idle, after = zip(*samples["worker"], strict=True)
    rows = [
        Row("bare python", samples["bare"], "12"),
        Row("python with requests and pydantic", samples["libraries"], "36 with jsonschema and pluggy"),
        Row("idle worker, 4 slots", list(idle), SCALE),
        Row(f"after {TASKS} tasks", list(after)),
    ]
    yield Table("memory (RSS)", "MiB", rows)


def python(code):
    def size(_share):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with process("-c", f"{code}; print(flush=True); input()", **pipes) as running:
            running.stdout.readline()
            return resident(running)

    return size


def worker(_share):
    """Before and after the tasks."""
    with BaseServer() as server, tempfile.TemporaryDirectory() as folder:
        running = Worker(Path(folder) / "worker", server.url)
        try:
            wait_until(lambda: len(server.state.exchanges) >= 4, "three claims after the health")
            idle = resident(running.process)
            server.state.add([{"type": TYPE}] * TASKS)
            wait_until(lambda: completed(server.state) == TASKS, "the end of all tasks", 120)
            return idle, resident(running.process)
        finally:
            running.clean_up()


def completed(state):
    with state.lock:
        return sum(task["status"] == "completed" for task in state.tasks.values())


def resident(running):
    return psutil.Process(running.pid).memory_info().rss / 2**20
