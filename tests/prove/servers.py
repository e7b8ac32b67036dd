"""Servers as processes of their own that can be killed and started again, and what they have on record."""

import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import requests
import sqlalchemy as sa

from tests.prove.fleet import ENDED, FleetRecords, read
from tests.prove.handlers import CHILD
from tests.support.deployed import Process
from tests.support.processes import ServerProcess, control
from tests.support.taskmanager import FINISHED, MAX_ATTEMPTS
from tests.support.taskmanager import TaskManager as EmbeddedServer

AUDIT = """
CREATE TABLE IF NOT EXISTS prove_audit (number INTEGER PRIMARY KEY, what TEXT, ref TEXT, old TEXT, new TEXT);
CREATE TRIGGER IF NOT EXISTS prove_claimed AFTER INSERT ON claims
BEGIN INSERT INTO prove_audit (what, ref) VALUES ('claimed', NEW.id); END;
CREATE TRIGGER IF NOT EXISTS prove_claim AFTER UPDATE OF verdict ON claims
BEGIN INSERT INTO prove_audit (what, ref, old, new) VALUES ('claim', NEW.id, OLD.verdict, NEW.verdict); END;
CREATE TRIGGER IF NOT EXISTS prove_task AFTER UPDATE OF status ON tasks WHEN OLD.status IN ('completed', 'failed')
BEGIN INSERT INTO prove_audit (what, ref, old, new) VALUES ('task', NEW.id, OLD.status, NEW.status); END;
"""
"""The database itself writes down every claim, every end of one, and every task that is finished and changes."""


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A claim as the server has it; `verdict` is how it ended, None for not at all."""

    task: str
    worker_id: str
    at: float
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Records:
    """What a server has on record.

    Attributes:
        tasks: Task → (status, result).
        claims: In their order.
        changed: Ends of claims and tasks that were changed afterwards.
        children: Task → how many tasks were created by its completion.
        fleet: What follows the parts of tasks, and who used their limit.
    """

    tasks: dict
    claims: list
    changed: list
    children: dict = field(default_factory=dict)
    fleet: FleetRecords = field(default_factory=FleetRecords)


class TaskManager(EmbeddedServer):
    """The embedded TaskManager, with what it did to claims and tasks written down by its database."""

    def __init__(self, folder, **times):
        super().__init__(folder, **times)
        with closing(self.opened()) as db:
            db.executescript(AUDIT)

    def finished(self):
        with closing(self.opened()) as db:
            return db.execute(ENDED).fetchone()[0]

    def claims_at(self):
        """The instants of all claims, seconds since 1970, in order."""
        with closing(self.opened()) as db:
            return [row[0] for row in db.execute("SELECT claimed_at FROM claims ORDER BY claimed_at")]

    def records(self):
        with closing(self.opened()) as db:
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
            changed = [list(row) for row in rows]
            rows = db.execute(
                "SELECT parent_id, count(*) FROM tasks WHERE parent_id IS NOT NULL GROUP BY parent_id"
            )
            fleet = read(lambda query: db.execute(query).fetchall())
            return Records(tasks, claims, changed, dict(rows.fetchall()), fleet)


AUDIT_ON_A_SERVER = """
CREATE TABLE prove_audit (number BIGINT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(8), ref VARCHAR(64), \
old VARCHAR(16), new VARCHAR(16))
CREATE TRIGGER prove_claimed AFTER INSERT ON claims FOR EACH ROW \
INSERT INTO prove_audit (what, ref) VALUES ('claimed', NEW.id)
CREATE TRIGGER prove_claim AFTER UPDATE ON claims FOR EACH ROW IF NOT (NEW.verdict <=> OLD.verdict) THEN \
INSERT INTO prove_audit (what, ref, old, new) VALUES ('claim', NEW.id, OLD.verdict, NEW.verdict); END IF
CREATE TRIGGER prove_task AFTER UPDATE ON tasks FOR EACH ROW \
IF OLD.status IN ('completed', 'failed') AND NEW.status <> OLD.status THEN \
INSERT INTO prove_audit (what, ref, old, new) VALUES ('task', NEW.id, OLD.status, NEW.status); END IF
"""
"""The same for MariaDB and MySQL."""


class Replicas:
    """Two TaskManagers, of two processes each, on one database of a database server.

    Args:
        server: As `tests.support.databases.MariaDb`.
    """

    def __init__(self, folder, server):
        self.database = server
        server.sql("CREATE DATABASE tasks")
        self._engine = sa.create_engine(f"{server.url}/tasks", poolclass=sa.NullPool)
        more = ("--workers", 2, "--max-attempts", MAX_ATTEMPTS)
        self.replicas = [
            EmbeddedServer(Path(folder) / f"replica-{n}", database=f"{server.url}/tasks", more=more)
            for n in (1, 2)
        ]
        self.url = self.replicas[0].url
        with self._engine.begin() as db:
            for statement in AUDIT_ON_A_SERVER.strip().splitlines():
                db.exec_driver_sql(statement)

    def crash(self, rng):
        """One replica is killed, with all its processes, and started again on its port."""
        one = rng.choice(self.replicas)
        one.kill()
        one.start()

    def crash_database(self):
        self.database.kill()
        self.database.start()

    def kill(self):
        """Ends all of it; what is on record is read before."""
        for one in self.replicas:
            one.kill()
        self._read = self._read_records()
        self.database.kill()
        self.database.forget()

    def add(self, task_type, params):
        api = f"{self.url}/tasks/batch"
        ids = []
        for start in range(0, len(params), 500):
            new = [{"type": task_type, "params": one} for one in params[start : start + 500]]
            answer = requests.post(api, json={"tasks": new}, timeout=60)
            answer.raise_for_status()
            ids += [one["task"]["id"] for one in answer.json()["tasks"]]
        return ids

    def finished(self):
        return self._rows(ENDED)[0][0]

    def records(self):
        return self._read

    def claims_at(self):
        """The instants of all claims, seconds since 1970, in order."""
        return [row[0] for row in self._rows("SELECT claimed_at FROM claims ORDER BY claimed_at")]

    def _read_records(self):
        tasks = {
            row[0]: (row[1], None if row[2] is None else json.loads(row[2]))
            for row in self._rows("SELECT id, status, result FROM tasks ORDER BY seq")
        }
        rows = self._rows("SELECT task_id, worker_id, claimed_at, verdict FROM claims ORDER BY id")
        claims = [ClaimRecord(*row) for row in rows]
        rows = self._rows(
            "SELECT what, ref, old, new FROM prove_audit WHERE old IS NOT NULL AND old <> 'expired'"
        )
        changed = [list(row) for row in rows]
        rows = self._rows(
            "SELECT parent_id, count(*) FROM tasks WHERE parent_id IS NOT NULL GROUP BY parent_id"
        )
        children = {row[0]: row[1] for row in rows}
        return Records(tasks, claims, changed, children, read(self._rows))

    def _rows(self, text):
        with self._engine.connect() as db:
            return db.exec_driver_sql(text).fetchall()


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


ENDS = {"completed": "completed", "failed": "failed", "pending (retry)": "failed"}
"""Steps of a task's history there that end its claim → the verdict that they are."""


class PrismqClient(Process):
    """The server in production, on its file; what happened to its tasks is in its history."""

    def __init__(self, folder, *, claim_timeout="5s"):
        super().__init__(folder, claim_timeout=claim_timeout, more=("--max-attempts", MAX_ATTEMPTS))

    def kill(self):
        super().kill()
        self.producer.close()  # its connections; it opens new ones

    def add(self, task_type, params):
        self.producer.register(CHILD)
        return super().add(task_type, params)

    def records(self):
        """Every claim is a step of the history; the next step of its task tells its end."""
        claims, changed = [], []
        for task, steps in self.histories().items():
            owner = None
            for step in steps:
                if step["what"] == "claimed":
                    if owner is not None:
                        claims[-1] = _ended(claims[-1], "expired")
                    owner = step["worker_id"]
                    worker_id = owner.rpartition("/")[0]  # what follows is the number of the claim
                    claims.append(ClaimRecord(task, worker_id, step["at"], None))
                elif step["what"] in ENDS:
                    if step["worker_id"] != owner:
                        changed.append(["task", task, owner, step["what"]])
                    else:
                        claims[-1] = _ended(claims[-1], ENDS[step["what"]])
                    owner = None
        return Records(self._results(), sorted(claims, key=lambda claim: claim.at), changed, self._children())

    def _results(self):
        with closing(self.opened()) as db:
            rows = db.execute("SELECT id, status, result FROM tasks ORDER BY id").fetchall()
        return {str(row[0]): (row[1], None if row[2] is None else json.loads(row[2])) for row in rows}

    def _children(self):
        """A child's params tell whose it is."""
        with closing(self.opened()) as db:
            keys = db.execute(
                "SELECT json_extract(params, '$.prismq_run_key') FROM tasks JOIN task_types y ON y.id = type_id "
                "WHERE y.name = ?",
                (CHILD,),
            ).fetchall()
        return dict(Counter(key.split(":")[1] for (key,) in keys))


def _ended(claim, verdict):
    return ClaimRecord(claim.task, claim.worker_id, claim.at, verdict)
