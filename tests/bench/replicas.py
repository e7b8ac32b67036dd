"""Replicas: tasks a second of four workers on one SQLite server, and on two replicas of two processes on MariaDB."""

import tempfile
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from tests.bench.figures import Row, Table, interleaved
from tests.bench.noop import TYPE
from tests.bench.processes import Client, Worker
from tests.support.databases import MariaDb, mariadb_is_here
from tests.support.taskmanager import TaskManager

WORKERS = 4
LEAST = 2000
SLICE = 1000


def run(seconds):
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        numbers = count()
        cells = {"one server, SQLite": Drain(stack.enter_context(sqlite(folder)), folder, numbers)}
        if mariadb_is_here():
            cells["two replicas of two processes, MariaDB"] = Drain(
                stack.enter_context(replicas(folder)), folder, numbers
            )
        samples = interleaved(cells, seconds)
    yield Table(
        f"{WORKERS} worker processes of 64 slots", "tasks/s", [Row(name, samples[name]) for name in cells]
    )


@contextmanager
def sqlite(folder):
    server = TaskManager(folder / "sqlite", lease="60s")
    try:
        yield [server.url]
    finally:
        server.kill()


@contextmanager
def replicas(folder):
    place = folder / "mariadb"
    place.mkdir()
    database = MariaDb(place)
    try:
        database.sql("CREATE DATABASE tasks")
        with ExitStack() as stack:
            servers = []
            for number in range(2):
                where = folder / f"replica-{number}"
                url = f"{database.url}/tasks"
                server = TaskManager(where, lease="60s", database=url, more=("--workers", 2))
                stack.callback(server.kill)
                servers.append(server.url)
            yield servers
    finally:
        database.kill()


class Drain:
    """Works off a backlog with all the workers, each on the next server."""

    def __init__(self, urls, folder, numbers):
        self._urls, self._folder, self._numbers = urls, folder, numbers
        self._rate = 1000.0

    def __call__(self, share):
        tasks = max(LEAST, int(self._rate * share)) // WORKERS * WORKERS
        with Client(self._urls[0]) as client:
            for start in range(0, tasks, SLICE):
                new = [{"type": TYPE, "params": {}}] * min(SLICE, tasks - start)
                client.post("/tasks/batch", {"tasks": new})
        more = ("--max-runs", str(tasks // WORKERS), "--concurrency", "64")
        workers = [
            Worker(self._folder / f"worker-{next(self._numbers)}", self._urls[n % len(self._urls)], *more)
            for n in range(WORKERS)
        ]
        try:
            seen = [worker.figures() for worker in workers]
        finally:
            for worker in workers:
                worker.clean_up()
        self._rate = tasks / (max(one["last"] for one in seen) - min(one["first"] for one in seen))
        return self._rate
