"""Servers as processes of their own that can be killed and started again, and what they have on record."""

import json
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ServerProcess, control, wait_until
from tests.support.surroundings import clean_environment

AUDIT = """
CREATE TABLE IF NOT EXISTS prove_audit (what TEXT, ref TEXT, old TEXT, new TEXT);
CREATE TRIGGER IF NOT EXISTS prove_claim AFTER UPDATE OF verdict ON claims
BEGIN INSERT INTO prove_audit VALUES ('claim', NEW.id, OLD.verdict, NEW.verdict); END;
CREATE TRIGGER IF NOT EXISTS prove_task AFTER UPDATE OF status ON tasks WHEN OLD.status IN ('completed', 'failed')
BEGIN INSERT INTO prove_audit VALUES ('task', NEW.id, OLD.status, NEW.status); END;
"""
"""The database itself writes down every end of a claim, and every task that is finished and changes."""

PUT = """INSERT INTO tasks (id, type, status, params, priority, attempts, max_attempts, created_at, leased,
unconfirmed, cancel_asked) VALUES (?, ?, 'pending', ?, 0, 0, ?, ?, 0, 0, 0)"""
MAX_ATTEMPTS = 1000
FINISHED = ("completed", "failed")


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A claim as the server has it; `verdict` is how it ended, None for not at all."""

    task: str
    worker_id: str
    at: float
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Records:
    """What a server has on record: task → (status, result), claims in their order, ends that were changed."""

    tasks: dict
    claims: list
    changed: list


class TaskManager:
    """`prismq-worker taskmanager` on a file."""

    def __init__(self, folder, *, lease="5s", claim_timeout="5s"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = self.folder / "tasks.db"
        self._times = ("--lease", lease, "--claim-timeout", claim_timeout)
        self._starts = 0
        self.port = 0
        self.start()
        self._run_script(AUDIT)

    def start(self):
        """Starts, again on the port it had, and returns when it serves."""
        self._starts += 1
        log = self.folder / f"taskmanager-{self._starts}.log"
        words = ["--port", self.port, "--database", self.database, *self._times, "--log-format", "json"]
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
        self.process.kill()
        self.process.wait()

    def add(self, task_type, params):
        """Puts tasks straight into the database; their ids."""
        ids = [str(uuid.uuid4()) for _ in params]
        rows = [
            (task_id, task_type, json.dumps(one), MAX_ATTEMPTS, time.time())
            for task_id, one in zip(ids, params, strict=True)
        ]
        with closing(self._open()) as db, db:
            db.executemany(PUT, rows)
        return ids

    def finished(self):
        with closing(self._open()) as db:
            return db.execute(f"SELECT count(*) FROM tasks WHERE status IN {FINISHED}").fetchone()[0]

    def counts(self):
        with closing(self._open()) as db:
            return dict(db.execute("SELECT status, count(*) FROM tasks GROUP BY status").fetchall())

    def records(self):
        with closing(self._open()) as db:
            tasks = {
                row[0]: (row[1], None if row[2] is None else json.loads(row[2]))
                for row in db.execute("SELECT id, status, result FROM tasks ORDER BY seq")
            }
            rows = db.execute("SELECT task_id, worker_id, claimed_at, verdict FROM claims ORDER BY id")
            claims = [ClaimRecord(*row) for row in rows]
            # an end by expiry may become a late report, until the task is claimed again (R8)
            rows = db.execute(
                "SELECT what, ref, old, new FROM prove_audit WHERE old IS NOT NULL AND old <> 'expired'"
            )
            return Records(tasks, claims, [list(row) for row in rows])

    def _open(self):
        return sqlite3.connect(self.database, timeout=30)

    def _run_script(self, text):
        with closing(self._open()) as db:
            db.executescript(text)


def _address(log):
    lines = log.read_text("utf-8").splitlines(keepends=True)
    said = [json.loads(line)["message"] for line in lines if line.endswith("\n")]
    return next((line.split()[2].rstrip(",") for line in said if line.startswith("TaskManager at ")), None)


class StrictServer:
    """The strict base server of the tests, on its journal."""

    def __init__(self, folder, *, claim_timeout=5.0):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim_timeout = claim_timeout
        self.port = 0
        self.start()

    def start(self):
        self._running = ServerProcess(self.folder, port=self.port, claim_timeout=self._claim_timeout)
        self.url, self.port = self._running.url, self._running.port
        self.process = self._running.process

    def kill(self):
        self._running.kill()

    def add(self, task_type, params):
        return control(self.url, add=[{"type": task_type, "params": one} for one in params])["added"]

    def finished(self):
        return sum(task["status"] in FINISHED for task in self._last().values())

    def records(self):
        """Every claim is a line of the journal with its time; the next line of its task tells its end."""
        claims, changed, open_claims = [], [], {}
        for line in self._lines():
            task = line["id"]
            if line["claimed_clock"] == 0.0 or line["status"] == "pending":
                continue
            if line["status"] == "processing":
                if task in open_claims:
                    claims[open_claims[task]] = _ended(claims[open_claims[task]], "expired")
                open_claims[task] = len(claims)
                claims.append(ClaimRecord(task, line["worker_id"], line["claimed_clock"], None))
            elif claims[open_claims[task]].verdict is None:
                claims[open_claims[task]] = _ended(claims[open_claims[task]], line["status"])
            else:
                changed.append(["task", task, claims[open_claims[task]].verdict, line["status"]])
        tasks = {task["id"]: (task["status"], task["result"]) for task in self._last().values()}
        return Records(tasks, claims, changed)

    def _last(self):
        return {line["id"]: line for line in self._lines()}

    def _lines(self):
        """The whole lines; the last one may have been cut by a kill."""
        text = (self.folder / "journal").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _ended(claim, verdict):
    return ClaimRecord(claim.task, claim.worker_id, claim.at, verdict)
