"""A TaskManager over real HTTP, on a clock that the test turns."""

import asyncio
import hashlib
import os
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
import sqlalchemy as sa
import uvicorn.server

from prismq_worker_sdk.taskmanager.chores import Chore
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.server import RunningServer
from prismq_worker_sdk.testing import FakeClock

TYPE = "Test.Some"
SERVER = "PRISMQ_TEST_DATABASE"
"""URL of a database server, without a database, on which the tests make one for each folder; SQLite without it."""


class Hurried:
    """asyncio as uvicorn sees it, which looks ten times a second whether it is to end, and waits a tenth to end."""

    def __getattr__(self, name):
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds):
        await asyncio.sleep(seconds / 10)


uvicorn.server.asyncio = Hurried()


class Inside:
    """The way onto the loop of a server."""

    def __init__(self):
        self._known = Future()
        self.chore = Chore("let the test in", 0.0, self._let_in)

    def do(self, run):
        state, loop = self._known.result(30)
        return asyncio.run_coroutine_threadsafe(run(state), loop).result(30)

    async def _let_in(self, state):
        self._known.set_result((state, asyncio.get_running_loop()))
        await asyncio.Event().wait()


class Api:
    def __init__(self, url, clock=None, inside=None):
        self.url = url
        self.clock = clock
        self._inside = inside
        self.session = requests.Session()
        self.session.trust_env = False

    def call(self, method, path, body=None, *, key=None, data=None, **options):
        headers = {} if key is None else {"X-API-Key": key}
        given = {"json": body} if data is None and body is not None else {"data": data}
        return self.session.request(method, self.url + path, headers=headers, timeout=20, **given, **options)

    def chore(self, run):
        """Does once, on the server's loop, what it else does by itself."""
        return self._inside.do(run)

    def submit(self, task_type=TYPE, params=None, **more):
        answer = self.call("POST", "/tasks", {"type": task_type, "params": params or {}, **more})
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["id"]

    def claim(self, worker="w1", types=(TYPE,)):
        answer = self.call("POST", "/tasks/claim", {"worker_id": worker, "task_types": list(types)})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def complete(self, task_id, worker="w1", result=None):
        body = {"worker_id": worker, "result": result}
        return self.call("POST", f"/tasks/{task_id}/complete", body).status_code

    def fail(self, task_id, worker="w1", error="it broke"):
        return self.call("POST", f"/tasks/{task_id}/fail", {"worker_id": worker, "error": error}).status_code

    def show(self, task_id):
        return self.call("GET", f"/tasks/{task_id}").json()


def database_of(folder):
    """The database of a folder: the same one whenever it is asked for."""
    server = os.environ.get(SERVER)
    if server is None:
        path = folder / "tasks.db"
        if not path.exists():
            path.write_bytes(_fresh())
        return str(path)
    name = "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:24]
    engine = sa.create_engine(server)
    with engine.begin() as db:
        db.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {name}")
    engine.dispose()
    return f"{server.rstrip('/')}/{name}"


def routed(*apis):
    """Lets servers build their routes, one after the other: at once, one would see warnings that another silences."""
    for api in apis:
        api.call("GET", "/nothing")


@cache
def _fresh():
    """A file with all tables and no task: to make them takes longer than most tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        connect(TaskManagerConfig(database=str(path)).url).close()
        return path.read_bytes()


@contextmanager
def running_api(folder, clock=None, *, own_time=False, **options):
    """A server on the database of a folder.

    It does no chore by itself: `api.chore(...)` does, once the clock is where the test wants it.

    Args:
        own_time: Whether it goes by the time of the machine or the database server, in place of a clock.
    """
    clock = None if own_time else clock or FakeClock()
    if "database" not in options:
        options["database"] = database_of(folder)
    config = TaskManagerConfig(port=0, **options)
    inside = Inside()
    with RunningServer(config, clock=clock, chores=(inside.chore,)) as server:
        api = Api(server.url, clock, inside)
        api.state = server._server.config.app.state.taskmanager
        with api.session:
            yield api
