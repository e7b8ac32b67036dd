"""Servers of the dialect prismq-client for tests: in this process, and as one of their own that can be killed."""

import json
import sqlite3
import threading
from collections import Counter
from contextlib import closing

import requests

from prismq_worker_sdk.testing import PrismqClientDeployment, PrismqClientServer
from tests.support.taskmanager import TaskManager

SCHEMA = {"type": "object"}
CLAIM_SECONDS = 300.0
"""How long a claim lasts here and for workers, unless told otherwise."""

STEPS = "SELECT task_id, what, worker_id, at FROM history ORDER BY id"


class Producer:
    """Registers task types and creates tasks over HTTP."""

    def __init__(self, url, key=None):
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        if key is not None:
            self._session.headers["X-API-Key"] = key

    def register(self, *names):
        for name in names:
            self._post("/task-types/register", {"name": name, "version": "1.0.0", "param_schema": SCHEMA})

    def add(self, task_type, *params):
        """Creates a task of each params; their ids."""
        return [str(self._post("/tasks", {"type": task_type, "params": one})["id"]) for one in params]

    def comes_from(self, address):
        """Stands at another address from now on: the server believes whatever a client says of itself."""
        self._session.headers["X-Forwarded-For"] = address

    def claim_nothing(self):
        """A claim of a type that is not there; counts against the limit like any other."""
        body = {"worker_id": "stranger", "task_type_id": 1_000_000}
        self._session.post(self._url + "/tasks/claim", json=body, timeout=30)

    def close(self):
        self._session.close()

    def _post(self, path, body):
        answer = self._session.post(self._url + path, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()["data"]


class History:
    """What a server has written down of its tasks: every claim, every end."""

    def steps(self, task_id):
        """What happened to a task since it was created."""
        return [step["what"] for step in self.history(task_id) if step["what"] != "created"]

    def owners(self, task_id, what):
        """Under which worker ids of the wire this happened to a task."""
        return [step["worker_id"] for step in self.history(task_id) if step["what"] == what]

    def times(self, what):
        """How often this happened to each task: task id → how often."""
        return {
            task_id: sum(step["what"] == what for step in steps)
            for task_id, steps in self.histories().items()
        }

    def history(self, task_id):
        return self.histories()[task_id]


class Embedded(History):
    """The server in this process, where its state can be looked at; `age` lets its claims run out."""

    def __init__(self, **deployment):
        self.server = PrismqClientServer(
            PrismqClientDeployment(**{"claim_timeout": CLAIM_SECONDS, **deployment})
        )
        self.url = self.server.url
        self.producer = Producer(self.url, deployment.get("key"))

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        self.producer.close()
        self.server.stop()

    def lapse(self):
        """Lets every claim run out on the server."""
        self.server.age(CLAIM_SECONDS + 1)

    def task(self, task_id):
        return next(task for task in self.server.tasks() if str(task["id"]) == task_id)

    def status(self, task_id):
        return self.task(task_id)["status"]

    def counts(self):
        return dict(Counter(task["status"] for task in self.server.tasks()))

    def histories(self):
        return {str(task["id"]): task["history"] for task in self.server.tasks()}

    def requests(self, method, path):
        """How many requests like this came; the path is what stands behind the prefix of the API."""
        return self.server.requests.count((method, path))


class Process(History, TaskManager):
    """The server as `prismq-worker taskmanager --dialect prismq-client` on a file."""

    def __init__(self, folder, *, claim_timeout="5m", more=()):
        super().__init__(folder, claim_timeout=claim_timeout, dialect="prismq-client", more=more)
        self.producer = Producer(self.url)

    def add(self, task_type, params):
        self.producer.register(task_type)
        return self.producer.add(task_type, *params)

    def histories(self):
        found = {}
        with closing(self.opened()) as db:
            db.row_factory = sqlite3.Row
            for row in db.execute(STEPS):
                found.setdefault(str(row["task_id"]), []).append(dict(row))
        return found

    def task(self, task_id):
        with closing(self.opened()) as db:
            db.row_factory = sqlite3.Row
            row = dict(db.execute("SELECT * FROM tasks WHERE id = ?", (task_id,)).fetchone())
        return row | {"result": None if row["result"] is None else json.loads(row["result"])}


class First:
    """Chooses the first requests of a kind, for a fault plan: by method, and by how the path ends."""

    def __init__(self, method, ending, number=1):
        self._wanted = method, ending
        self._left = number
        self._lock = threading.Lock()

    def __call__(self, method, path, _body):
        wanted, ending = self._wanted
        with self._lock:
            found = self._left > 0 and method == wanted and path.endswith(ending)
            self._left -= found
        return found
