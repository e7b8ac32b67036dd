"""Server: claim + complete pairs that the embedded TaskManager answers, and the tests' base server beside it."""

import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench.backlog import fresh_strict, kept_embedded
from tests.bench.figures import Row, Table, interleaved
from tests.bench.noop import TYPE
from tests.bench.outbox_commit import twice_fsync
from tests.bench.processes import Client

CLIENTS = (1, 8)
NAMES = {
    "strict": "base server of the tests, in memory",
    "embedded": "embedded TaskManager",
    "disk": "two bare fsyncs on the same disk",
}
SCALE = {("embedded", 1): "SQLite FULL alone, one at a time, 2,400"}


def run(seconds):
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        embedded = stack.enter_context(kept_embedded(folder))
        servers = {"strict": fresh_strict, "embedded": embedded}
        cells = {
            (name, clients): Drain(opened, clients) for clients in CLIENTS for name, opened in servers.items()
        }
        cells["disk", 1] = twice_fsync
        samples = interleaved(cells, seconds)
    for clients in CLIENTS:
        rows = [
            Row(what, samples[name, clients], SCALE.get((name, clients), ""))
            for name, what in NAMES.items()
            if (name, clients) in samples
        ]
        yield Table(f"claim + complete, {clients} client{'s' if clients > 1 else ''}", "pairs/s", rows)


class Drain:
    """So many clients empty the backlog together; pairs in a second."""

    def __init__(self, opened, clients):
        self.opened = opened
        self.clients = clients
        self.rate = 300.0

    def __call__(self, share):
        tasks = max(20 * self.clients, int(self.rate * share))
        with self.opened() as backlog:
            backlog.add(tasks)
            self.rate = self._drained(backlog.url, tasks)
        return self.rate

    def _drained(self, url, tasks):
        ready = threading.Barrier(self.clients + 1)
        done = []
        threads = [
            threading.Thread(target=self._client, args=(url, name, ready, done))
            for name in range(self.clients)
        ]
        for thread in threads:
            thread.start()
        ready.wait()
        begun = time.perf_counter()
        for thread in threads:
            thread.join()
        spent = time.perf_counter() - begun
        if sum(done) != tasks:
            raise RuntimeError(f"{sum(done)} of {tasks} tasks were completed")
        return tasks / spent

    def _client(self, url, name, ready, done):
        pairs = 0
        with Client(url) as client:
            ready.wait()
            said = {"worker_id": f"bench-{name}"}
            while (task := client.post("/tasks/claim", {**said, "task_types": [TYPE]})) is not None:
                client.post(f"/tasks/{task['id']}/complete", {**said, "result": {}})
                pairs += 1
        done.append(pairs)
