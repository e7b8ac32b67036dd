"""The stand-in of the server in production, on a clock that stands, and the calls that tests make on it."""

import http.client
import json
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from prismq_worker_sdk.testing import PrismqClientDeployment, PrismqClientServer

NOON = 1_795_435_200.0
"""2026-11-23 12:00:00 UTC."""

TYPE = "Test.Some"


@dataclass(frozen=True)
class Said:
    """An answer as it came over the line."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json()["error"]


def send(url, method, path, *, body=None, headers=(), outside=False):
    """One request on a connection of its own, its path sent as it stands."""
    place = urlsplit(url)
    line = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    try:
        line.request(method, path if outside else place.path + path, body, dict(headers))
        answer = line.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Said(answer.status, names, answer.read())
    finally:
        line.close()


def post(url, path, body):
    return send(url, "POST", path, body=json.dumps(body))


class Caller:
    """Calls of workers and producers on one address."""

    def __init__(self, url, server=None):
        self.url = url
        self.server = server
        self.type_id = None

    def post(self, path, body, **options):
        return send(self.url, "POST", path, body=json.dumps(body), **options)

    def get(self, path, **options):
        return send(self.url, "GET", path, **options)

    def register(self, name=TYPE, schema=None):
        body = {"name": name, "version": "1", "param_schema": schema or {"type": "object"}}
        self.type_id = int(good(self.post("/task-types/register", body))["id"])
        return self.type_id

    def create(self, params=None, task_type=TYPE):
        if self.type_id is None:
            self.register(task_type)
        return int(good(self.post("/tasks", {"type": task_type, "params": params or {"n": 1}}))["id"])

    def claim(self, worker="w1", **more):
        """What was claimed, None for nothing."""
        said = self.post("/tasks/claim", {"worker_id": worker, "task_type_id": self.type_id, **more})
        if said.status == 500 and said.error == "There is no active transaction":
            return None
        return good(said)

    def complete(self, task_id, worker="w1", **said):
        return self.post(f"/tasks/{task_id}/complete", {"worker_id": worker, "success": True, **said})

    def fail(self, task_id, worker="w1", error="it broke"):
        return self.complete(task_id, worker, success=False, error=error)

    def progress(self, task_id, percent, worker="w1"):
        return self.post(f"/tasks/{task_id}/progress", {"worker_id": worker, "progress": percent})

    def show(self, task_id):
        return good(self.get(f"/tasks/{task_id}"))["items"][0]

    def steps(self, task_id):
        """What happened to a task, and by whom."""
        (task,) = [task for task in self.server.tasks() if task["id"] == task_id]
        return [(step["what"], step["worker_id"]) for step in task["history"]]


def good(said):
    """The data of a good answer."""
    assert said.status == 200, said
    return said.json()["data"]


@contextmanager
def running_prismq_client(**options):
    """A fresh server with these options of its deployment."""
    with PrismqClientServer(PrismqClientDeployment(**options), now=lambda: NOON) as server:
        yield Caller(server.url, server)
