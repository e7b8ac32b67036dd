"""Exchange: what a task costs the embedded TaskManager where 64 are claimed and reported in one call."""

import json
import tempfile
import threading
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import psutil

from tests.bench.figures import Row, Table, interleaved
from tests.bench.noop import TYPE
from tests.bench.processes import Client, embedded_server

BATCH = 64
CLIENTS = 2
LEAST = 10
RATE, CPU, SUBMITTED, SUBMIT_CPU = range(4)


def run(seconds):
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(embedded_server(folder))
        samples = interleaved({"server": Turn(server)}, seconds)["server"]
    for title, unit, column in (
        (f"{CLIENTS} clients, {BATCH} tasks an exchange", "tasks/s", RATE),
        ("the server's CPU time for it", "µs/task", CPU),
        (f"{CLIENTS} clients submit", "tasks/s", SUBMITTED),
        ("the server's CPU time for it", "µs/task", SUBMIT_CPU),
    ):
        yield Table(title, unit, [Row("embedded TaskManager", [sample[column] for sample in samples])])


class Turn:
    """Fills the server and empties it again."""

    def __init__(self, server):
        self._url = server.url
        self._process = psutil.Process(server.pid)
        self._turns = 10
        self._numbers = count()

    def __call__(self, share):
        turns = max(LEAST, self._turns)
        tasks = turns * BATCH
        submitted, submit_cpu = self._timed(self._submit, turns)
        done, cpu = self._timed(self._drain, turns)
        self._turns = int(share / (submitted + done) * turns)
        return tasks / done, cpu / tasks * 1e6, tasks / submitted, submit_cpu / tasks * 1e6

    def _timed(self, work, turns):
        """Seconds, and seconds of the server's CPU, for so many turns by all the clients together."""
        left = iter(range(turns))
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(self._url)) for _ in range(CLIENTS)]
            threads = [threading.Thread(target=work, args=(client, left)) for client in clients]
            before, begun = self._process.cpu_times(), time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            spent, after = time.perf_counter() - begun, self._process.cpu_times()
        return spent, sum(after[:2]) - sum(before[:2])

    def _submit(self, client, left):
        batch = {"tasks": [{"type": TYPE, "params": {"n": n}} for n in range(BATCH)]}
        can = client.get("/health")["capabilities"]
        for _ in left:
            if "batch" in can:
                client.post("/tasks/batch", batch)
                continue
            for new in batch["tasks"]:
                client.post("/tasks", new)

    def _drain(self, client, left):
        """Reports what it was given and claims anew, until each turn of `left` was claimed once."""
        worker, reports = {"worker_id": f"bench-{next(self._numbers)}"}, []
        claim = {"task_types": [TYPE], "max_tasks": BATCH, "wait_seconds": 0}
        for number in left:
            said = {**worker, "request_id": f"r{number}", "reports": reports, "claim": claim}
            answer = client.post("/tasks/exchange", said)
            _all_accepted(answer, len(reports))
            reports = [_done(task) for task in answer["tasks"]]
            if len(reports) != BATCH:
                raise RuntimeError(f"{len(reports)} tasks of {BATCH} were given")
        _all_accepted(client.post("/tasks/exchange", {**worker, "reports": reports}), len(reports))


def _done(task):
    return {
        "task_id": task["id"],
        "lease_token": task["lease_token"],
        "outcome": "completed",
        "result": {"n": task["params"]["n"]},
    }


def _all_accepted(answer, number):
    if [said["verdict"] for said in answer["reports"]] != ["accepted"] * number:
        raise RuntimeError(f"not every report was accepted: {json.dumps(answer['reports'][:3])}")
