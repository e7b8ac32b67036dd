"""Tasks that wait in a server, put there by the way it has."""

from contextlib import contextmanager

from tests.bench.noop import TYPE
from tests.bench.processes import Client, embedded_server, strict_server
from tests.support.processes import control


class Backlog:
    """The tasks of one server."""

    def __init__(self, url, *, strict=False):
        self.url = url
        self._strict = strict

    def add(self, tasks):
        if self._strict:
            control(self.url, add=[{"type": TYPE}] * tasks)
            return
        with Client(self.url) as client:
            for _ in range(tasks):
                client.post("/tasks", {"type": TYPE, "params": {}})


@contextmanager
def fresh_strict():
    """A new base server for each use: it looks through all the tasks it ever had."""
    with strict_server() as url:
        yield Backlog(url, strict=True)


@contextmanager
def kept_embedded(folder):
    """Gives what opens the backlog of one embedded TaskManager, the same for each use."""

    @contextmanager
    def again():
        yield backlog

    with embedded_server(folder) as server:
        backlog = Backlog(server.url)
        yield again
