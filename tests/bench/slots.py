"""Slots: a handler that does nothing, called in a thread and in a process; first task; memory of a child."""

import tempfile
import time
from itertools import count
from pathlib import Path

import psutil

from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.testing import FakeClock
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.context import RunningContext
from prismq_worker_sdk.worker.handler_call import call
from prismq_worker_sdk.worker.handler_run import AttemptBackend
from tests.bench.backlog import fresh_strict
from tests.bench.figures import Row, Table, interleaved
from tests.bench.noop import TYPE
from tests.bench.processes import Worker
from tests.bench.throughput import Cell
from tests.support.base_server import BaseServer
from tests.support.children import Probes, children
from tests.support.processes import wait_until

CALLS = 200
KINDS = ("thread", "process")


def run(seconds):
    with tempfile.TemporaryDirectory() as folder:
        yield from _calls(Path(folder), seconds)
        yield from _tasks(Path(folder), seconds)
    yield from _starts(seconds)


def _calls(folder, seconds):
    pool = children()
    pool.start()
    place = Probes(folder, None, clock=FakeClock())
    try:
        samples = interleaved({kind: Calls(place, pool, kind) for kind in KINDS}, seconds)
    finally:
        place.close()
        pool.close(5.0)
    yield Table("one call of a handler", "µs", [Row(kind, samples[kind]) for kind in KINDS])


def _tasks(folder, seconds):
    numbers = count()
    cells = {kind: Cell(fresh_strict, 4, folder, numbers, "--isolation", kind) for kind in KINDS}
    samples = interleaved(cells, seconds)
    for column, unit in enumerate(("tasks/s", "CPU µs/task")):
        rows = [Row(f"4 slots, {kind}", [sample[column] for sample in samples[kind]]) for kind in KINDS]
        yield Table("one worker, its own time", unit, rows)


def _starts(seconds):
    samples = interleaved({kind: lambda _share, kind=kind: first_task(kind) for kind in KINDS}, seconds)
    yield Table(
        "start to first result", "ms", [Row(kind, [one[0] for one in samples[kind]]) for kind in KINDS]
    )
    one = [sample[1] for sample in samples["process"]]
    rows = [Row("resident", [size[0] for size in one]), Row("its alone", [size[1] for size in one])]
    yield Table("memory of a child", "MiB", rows)


class Calls:
    """Calls the same handler again and again, with all that a slot does around it but the outbox."""

    def __init__(self, place, pool, kind):
        self.services = place.services
        self.pool = pool
        handler = place.services.registry.get("Probe.Nothing")
        task = Task(id="t1", type=handler.task_type)
        claim = Claim(Identity("s", "v1", "t1", task.type, "d", "w"), task, 0.0, 300.0)
        self.attempt = Attempt(claim, handler, checkpoint=None, limit_at=1e9)
        self.once = self.in_thread if kind == "thread" else self.in_process
        self.once()

    def __call__(self, _share):
        begun = time.perf_counter()
        for _ in range(CALLS):
            self.once()
        return (time.perf_counter() - begun) / CALLS * 1e6

    def in_thread(self):
        handler = self.attempt.handler
        params = handler.params.parse(self.attempt.claim.task.params)
        call(handler, params, self._ctx(), token=self.attempt, max_bytes=1000)

    def in_process(self):
        self.attempt.handler.params.parse(self.attempt.claim.task.params)
        self.pool.call(self.services, self.attempt, self._ctx())

    def _ctx(self):
        return RunningContext(AttemptBackend(self.services, self.attempt))


def first_task(kind):
    """Milliseconds from the start of a worker to its first result, and the memory of its first child."""
    with BaseServer() as server, tempfile.TemporaryDirectory() as folder:
        server.state.add([{"type": TYPE}])
        begun = time.perf_counter()
        worker = Worker(Path(folder) / "worker", server.url, "--isolation", kind)
        try:
            wait_until(lambda: server.state.seen()["counts"] == {"completed": 1}, "the first result")
            took = (time.perf_counter() - begun) * 1000
            return took, memory(psutil.Process(worker.process.pid).children())
        finally:
            worker.clean_up()


def memory(processes):
    """Resident size of the first process, and what it shares with nobody, MiB."""
    for process in processes:
        found = process.memory_full_info()
        return found.rss / 2**20, found.uss / 2**20
    return 0.0, 0.0
