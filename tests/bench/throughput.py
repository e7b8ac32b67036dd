"""Throughput: tasks that one worker process gets done in a second, its handler doing nothing."""

import tempfile
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import requests

from tests.bench.backlog import fresh_strict, kept_embedded
from tests.bench.figures import Row, Table, interleaved
from tests.bench.noop import TYPE
from tests.bench.processes import Worker

CONCURRENCY = (1, 4, 16)
LEAST = 100
PEER = "plain requests, one at a time, nothing stored"
SCALE = {
    PEER: "572 with a fast stub",
    4: "Conductor 8 threads over HTTP 724",
    16: "Dramatiq with Redis 1,889; one task a call 1,109",
}
CPU_SCALE = {PEER: "1,634", 4: "Conductor 1,446", 16: "Dramatiq with Redis 403, Celery 1,804"}


def run(seconds):
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        embedded = stack.enter_context(kept_embedded(folder))
        servers = {"base server of the tests": fresh_strict, "embedded TaskManager": embedded}
        names = (PEER, *CONCURRENCY)
        numbers = count()
        cells = {
            (server, name): Cell(opened, name, folder, numbers)
            for server, opened in servers.items()
            for name in names
        }
        samples = interleaved(cells, seconds)
    for column, (unit, scale) in enumerate((("tasks/s", SCALE), ("CPU µs/task", CPU_SCALE))):
        for server in servers:
            rows = [
                Row(
                    name if name == PEER else f"worker, concurrency {name}",
                    [sample[column] for sample in samples[server, name]],
                    scale.get(name, ""),
                )
                for name in names
            ]
            yield Table(f"one worker, {server}", unit, rows)


class Cell:
    """One way to work off a backlog: tasks in a second, and CPU time of one."""

    def __init__(self, opened, name, folder, numbers, *arguments):
        self.opened = opened
        self.name = name
        self.folder = folder
        self.numbers = numbers
        self.arguments = arguments
        self.rate = 300.0

    def __call__(self, share):
        tasks = max(LEAST, int(self.rate * share))
        with self.opened() as backlog:
            backlog.add(tasks)
            if self.name == PEER:
                seconds, cpu = plain_loop(backlog.url, tasks)
            else:
                seconds, cpu = self._worker(backlog.url, tasks)
        self.rate = tasks / seconds
        return self.rate, cpu / tasks * 1e6

    def _worker(self, url, tasks):
        place = self.folder / f"worker-{next(self.numbers)}"
        worker = Worker(
            place, url, "--max-runs", str(tasks), "--concurrency", str(self.name), *self.arguments
        )
        try:
            seen = worker.figures()
        finally:
            worker.clean_up()
        if seen["tasks"] != tasks:
            raise RuntimeError(f"{seen['tasks']} of {tasks} tasks were reported")
        return seen["last"] - seen["first"], seen["cpu_last"] - seen["cpu_first"]


def plain_loop(url, tasks):
    """What somebody writes in ten lines; it keeps nothing, checks nothing, survives nothing."""
    said = {"worker_id": "bench-plain"}
    with requests.Session() as session:
        begun, cpu = time.perf_counter(), time.process_time()
        for _ in range(tasks):
            task = session.post(f"{url}/tasks/claim", json={**said, "task_types": [TYPE]}, timeout=30).json()
            session.post(f"{url}/tasks/{task['id']}/complete", json={**said, "result": {}}, timeout=30)
        return time.perf_counter() - begun, time.process_time() - cpu
