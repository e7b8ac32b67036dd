"""Depth: claims a second while 10,000 and 1,000,000 tasks wait, of 50 types and ten priorities, on each database."""

import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.claims import Wanted, take
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.ids import new_ids
from tests.bench.figures import Row, Table, interleaved
from tests.support.databases import mariadb_is_here, running_mariadb

DEPTHS = (10_000, 1_000_000)
TYPES = [f"Bench.Type{number}" for number in range(50)]
SHARES = [1 / (place + 1) for place in range(len(TYPES))]
BATCH = 64
MOST = 2048
"""Claimed in one go: few enough that the smaller backlog stays as it is, and its types have tasks."""

SLICE = 10_000
COLUMNS = "id, type, status, params, priority, attempts, max_attempts, created_at, leased, unconfirmed, cancel_asked"
INSERT = (
    f"INSERT INTO tasks ({COLUMNS}) VALUES (:id, :type, 'pending', '{{}}', :priority, 0, 3, 1.0, 0, 0, 0)"
)


def run(seconds):
    for name, opened in (("SQLite", sqlite), ("MariaDB", mariadb)):
        if name == "MariaDB" and not mariadb_is_here():
            continue
        with ExitStack() as stack:
            cells = {depth: Claims(stack.enter_context(opened(depth)), depth) for depth in DEPTHS}
            samples = interleaved(cells, seconds)
        rows = [Row(f"{depth:,} wait", samples[depth]) for depth in DEPTHS]
        yield Table(f"{name}, {BATCH} tasks of {len(TYPES)} types a claim", "tasks/s", rows)


@contextmanager
def sqlite(_depth):
    folder = Path(tempfile.mkdtemp())
    try:
        yield f"sqlite:///{folder / 'tasks.db'}"
    finally:
        shutil.rmtree(folder)


@contextmanager
def mariadb(depth):
    folder = Path(tempfile.mkdtemp())
    try:
        with running_mariadb(folder) as server:
            server.sql(f"CREATE DATABASE depth{depth}")
            yield f"{server.url}/depth{depth}"
    finally:
        shutil.rmtree(folder)


class Claims:
    """One database with so many tasks; what is claimed is put back, so that it stays so deep."""

    def __init__(self, url, depth):
        self._database = connect(url)
        rng = Random(depth)
        for _ in range(0, depth, SLICE):
            types = rng.choices(TYPES, SHARES, k=SLICE)
            rows = [
                {"id": task_id, "type": one, "priority": rng.randrange(10)}
                for task_id, one in zip(new_ids(SLICE), types, strict=True)
            ]
            with self._database.writing.begin() as db:
                db.execute(sa.text(INSERT), rows)

    def __call__(self, share):
        wanted = Wanted(worker_id="bench", types=TYPES, seconds=600.0, most=BATCH, leased=True)
        spent, taken = 0.0, 0
        with self._database.writing.connect() as db:
            while spent < share:
                begun, goal = time.perf_counter(), taken + MOST
                while taken < goal:
                    with db.begin():
                        taken += len(take(db, wanted, self._database.now(db)).tasks)
                spent += time.perf_counter() - begun
                with db.begin():
                    db.execute(sa.text("UPDATE tasks SET status = 'pending' WHERE status = 'processing'"))
        return taken / spent
