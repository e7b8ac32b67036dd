"""The embedded TaskManager as a process of its own that can be killed and started again on its file."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing, suppress
from pathlib import Path

from tests.support.processes import wait_until
from tests.support.surroundings import clean_environment

PUT = """INSERT INTO tasks (id, type, status, params, priority, attempts, max_attempts, created_at, leased,
unconfirmed, cancel_asked) VALUES (?, ?, 'pending', ?, 0, 0, ?, ?, 0, 0, 0)"""
MAX_ATTEMPTS = 1000
FINISHED = ("completed", "failed")


class TaskManager:
    """`prismq-worker taskmanager` on a file, or on a database server.

    Args:
        database: URL; its own looks at the database are for a file only.
    """

    def __init__(self, folder, *, lease="5s", claim_timeout="5s", dialect="v1", more=(), database=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = database or self.folder / "tasks.db"
        leases = ("--lease", lease) if dialect == "v1" else ()
        self._options = ("--dialect", dialect, *leases, "--claim-timeout", claim_timeout, *more)
        self._starts = 0
        self.port = 0
        self.start()

    def start(self):
        """Starts, again on the port it had, and returns when it serves."""
        self._starts += 1
        log = self.folder / f"taskmanager-{self._starts}.log"
        words = ["--port", self.port, "--database", self.database, *self._options, "--log-format", "json"]
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "prismq_worker_sdk", "taskmanager", *map(str, words)],
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        self.url = wait_until(lambda: _address(log), "the address of the TaskManager")
        self.port = int(self.url.split(":")[2].split("/")[0])

    def kill(self):
        """Kills it, with all its processes where it has several."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def add(self, task_type, params):
        """Puts tasks straight into the database; their ids."""
        ids = [str(uuid.uuid4()) for _ in params]
        rows = [
            (task_id, task_type, json.dumps(one), MAX_ATTEMPTS, time.time())
            for task_id, one in zip(ids, params, strict=True)
        ]
        with closing(self.opened()) as db, db:
            db.executemany(PUT, rows)
        return ids

    def finished(self):
        with closing(self.opened()) as db:
            return db.execute(f"SELECT count(*) FROM tasks WHERE status IN {FINISHED}").fetchone()[0]

    def counts(self):
        with closing(self.opened()) as db:
            return dict(db.execute("SELECT status, count(*) FROM tasks GROUP BY status").fetchall())

    def opened(self):
        """The database itself, for looking at it and putting things there."""
        return sqlite3.connect(self.database, timeout=30)


def _address(log):
    lines = log.read_text("utf-8").splitlines(keepends=True)
    said = [json.loads(line)["message"] for line in lines if line.endswith("\n")]
    return next((line.split()[2].rstrip(",") for line in said if line.startswith("TaskManager at ")), None)
