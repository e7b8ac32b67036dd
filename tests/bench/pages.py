"""Pages: how long a first view takes with 10,000 and 1,000,000 tasks, and what 200 open pages cost the server."""

import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from random import Random

import psutil
import requests
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.ids import new_ids
from tests.bench.figures import Row, Table
from tests.support.processes import wait_until
from tests.support.taskmanager import TaskManager

DEPTHS = (10_000, 1_000_000)
OPEN = 200
SLICE = 10_000
TYPES = [f"Bench.Type{number}" for number in range(50)]
SHARES = [1 / (place + 1) for place in range(len(TYPES))]
STATUSES, OFTEN = ("completed", "failed", "pending"), (90, 2, 8)
VIEWS = {
    "overview": "/",
    "tasks": "/tasks",
    "failed tasks": "/tasks?status=failed",
    "tasks of a rare type": f"/tasks?type={TYPES[-1]}",
    "failed tasks of a rare type": f"/tasks?type={TYPES[-1]}&status=failed",
    "ended within an hour": "/tasks?ended=1h",
}
INSERT = """INSERT INTO tasks (id, type, status, params, priority, attempts, max_attempts, created_at, claimed_at,
completed_at, worker_id, error, error_type, leased, unconfirmed, cancel_asked) VALUES (:id, :type, :status, :params, 0,
1, 3, :at, :claimed, :ended, :worker, :error, :kind, 0, 0, 0)"""


def run(seconds):
    for depth in DEPTHS:
        with ExitStack() as stack:
            folder = stack.enter_context(_folder())
            _fill(f"sqlite:///{folder / 'tasks.db'}", depth)
            server = TaskManager(folder)
            stack.callback(server.kill)
            wait_until(
                partial(_counted, server), "the ends to be counted, as those of a server that runs are"
            )
            root = server.url.removesuffix("/api")
            rows = [Row(name, _views(root + path, seconds / len(VIEWS))) for name, path in VIEWS.items()]
            yield Table(f"first view, {depth:,} tasks", "ms", rows)
            if depth == DEPTHS[-1]:
                yield Table(
                    f"{OPEN} open pages",
                    "% of a core",
                    [Row("server", [_open(server, root, max(seconds, 20))])],
                )


def _counted(server):
    with closing(server.opened()) as db:
        row = db.execute("SELECT value FROM meta WHERE name = 'ends_counted'").fetchone()
    return row is not None and int(row[0]) > time.time() // 60 - 5


def _folder():
    import tempfile
    from pathlib import Path

    class Folder(tempfile.TemporaryDirectory):
        def __enter__(self):
            return Path(super().__enter__())

    return Folder()


def _fill(url, depth):
    database, rng, now = connect(url), Random(depth), time.time()
    for begin in range(0, depth, SLICE):
        types = rng.choices(TYPES, SHARES, k=SLICE)
        statuses = rng.choices(STATUSES, OFTEN, k=SLICE)
        rows = []
        for place, (task_id, name, status) in enumerate(zip(new_ids(SLICE), types, statuses, strict=True)):
            at = now - (depth - begin - place) / depth * 7 * 86400
            over = status != "pending"
            failed = status == "failed"
            rows.append(
                {
                    "id": task_id,
                    "type": name,
                    "status": status,
                    "params": '{"q": "startup ideas"}',
                    "at": at,
                    "claimed": at + 1 if over else None,
                    "ended": at + 2 if over else None,
                    "worker": f"worker-{rng.randrange(40)}" if over else None,
                    "error": "it broke" if failed else None,
                    "kind": rng.choice(["KeyError", "Transient"]) if failed else None,
                }
            )
        with database.writing.begin() as db:
            db.execute(sa.text(INSERT), rows)
    database.close()


def _views(address, share):
    found, over_at = [], time.monotonic() + share
    with requests.Session() as session:
        while not found or time.monotonic() < over_at:
            begun = time.perf_counter()
            answer = session.get(address, timeout=120)
            found.append((time.perf_counter() - begun) * 1000)
            assert answer.status_code == 200
            time.sleep(1.1)  # the same page within a second would be the same answer
    return found


def _open(server, root, seconds):
    """What so many open pages cost, half of them on the same three, half on pages of their own."""
    same = list(VIEWS.values())[:3]
    paths = [
        same[number % 3] if number % 2 else f"/tasks?type={TYPES[number % 50]}&q=x{number}"
        for number in range(OPEN)
    ]
    over, process = threading.Event(), psutil.Process(server.process.pid)
    threads = [threading.Thread(target=_ask, args=(root + path, over), daemon=True) for path in paths]
    for one in threads:
        one.start()
    time.sleep(seconds / 2)  # the server has told them how often to ask by now
    begun, before = time.monotonic(), process.cpu_times()
    time.sleep(seconds)
    after, took = process.cpu_times(), time.monotonic() - begun
    over.set()
    for one in threads:
        one.join()
    return (after.user + after.system - before.user - before.system) / took * 100


def _ask(address, over):
    tag = None
    with requests.Session() as session:
        while not over.is_set():
            headers = {"X-PrismQ-Page": "again"} | ({"If-None-Match": tag} if tag else {})
            answer = session.get(address, headers=headers, timeout=120)
            tag = answer.headers.get("ETag", tag)
            over.wait(float(answer.headers.get("Again-In", 5)))
