"""Outbox: hold and commit of one task, alone and with 32 threads, on the disk of the temporary folder."""

import os
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.system import SystemClock
from tests.bench.figures import Row, Table, interleaved
from tests.support.outbox import commit

RESULT = '{"words":3}'


def run(seconds):
    cells = {
        "sqlite3, WAL, FULL: two bare transactions": bare_sqlite,
        "write and fsync, twice": twice_fsync,
        "outbox": outbox(1),
        "outbox, 32 threads": outbox(32),
    }
    samples = interleaved(cells, seconds)
    alone = [name for name in cells if "threads" not in name]
    rates = [name for name in cells if "fsync" not in name]
    scale = {"outbox": "310 a commit"}
    yield Table(
        "hold + commit, one thread",
        "µs",
        [Row(name, [1e6 / rate for rate in samples[name]], scale.get(name, "")) for name in alone],
    )
    scale = {"outbox, 32 threads": "12,600 commits/s"}
    yield Table("hold + commit", "pairs/s", [Row(name, samples[name], scale.get(name, "")) for name in rates])


def repeated(share, step):
    """How often a step can be done in a second."""
    done = 0
    begun = time.perf_counter()
    while done < 5 or time.perf_counter() - begun < share:
        step(done)
        done += 1
    return done / (time.perf_counter() - begun)


def bare_sqlite(share):
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE holds (task TEXT PRIMARY KEY)")
        db.execute("CREATE TABLE outcomes (task TEXT, body TEXT)")

        def step(number):
            with db:
                db.execute("INSERT INTO holds VALUES (?)", (str(number),))
            with db:
                db.execute("DELETE FROM holds WHERE task = ?", (str(number),))
                db.execute("INSERT INTO outcomes VALUES (?, ?)", (str(number), RESULT))

        return repeated(share, step)


def twice_fsync(share):
    with tempfile.TemporaryFile() as file:

        def step(_number):
            for _ in range(2):
                os.write(file.fileno(), b"x" * 4096)
                os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())

        return repeated(share, step)


def outbox(threads):
    def pairs(share):
        with tempfile.TemporaryDirectory() as folder:
            opened = Outbox.open(Path(folder) / "outbox.db", SystemClock())
            try:
                return together(threads, lambda name: repeated(share, lambda n: pair(opened, f"{name}-{n}")))
            finally:
                opened.close()

    return pairs


def pair(opened, task_id):
    identity = Identity("http://s/api", "v1", task_id, "T", "d", "w1")
    opened.hold(Claim(identity, Task(id=task_id, type="T"), 0.0, 300.0))
    if not commit(opened, identity, Completed(RESULT)):
        raise RuntimeError("the commit was not taken")


def together(threads, work):
    """The sum of what the threads give, all at work at the same time."""
    if threads == 1:
        return work("one")
    given = []
    running = [threading.Thread(target=lambda name=name: given.append(work(name))) for name in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if len(given) != threads:
        raise RuntimeError("a thread failed; its error stands above")
    return sum(given)
