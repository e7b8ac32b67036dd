"""Servers and clients of their own, so that nobody's work is counted as somebody else's."""

import json
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import NamedTuple

from tests.support.processes import ROOT, wait_until
from tests.support.processes import Worker as SomeWorker
from tests.support.surroundings import clean_environment

NOOP = ROOT / "tests" / "bench" / "noop.py"


@contextmanager
def process(*arguments, **options):
    """A Python process that ends with the block."""
    running = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=clean_environment(),
        cwd=ROOT,
        start_new_session=True,
        **options,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        for stream in (running.stdin, running.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def strict_server():
    """The strict base server of the tests; gives its address."""
    with process(ROOT / "tests" / "support" / "base_server.py", stdout=subprocess.PIPE) as server:
        yield json.loads(server.stdout.readline())["url"]


class Server(NamedTuple):
    """A server in a process of its own."""

    url: str
    pid: int


@contextmanager
def embedded_server(folder):
    """The embedded TaskManager on an empty database; gives its address and its process id."""
    log = folder / "taskmanager.log"
    words = ["taskmanager", "--port", 0, "--database", folder / "tasks.db", "--log-format", "json"]
    with (
        log.open("wb") as stderr,
        process("-m", "prismq_worker_sdk", *words, stdin=subprocess.DEVNULL, stderr=stderr) as running,
    ):

        def address():
            lines = log.read_text().splitlines(keepends=True)
            said = [json.loads(line)["message"] for line in lines if line.endswith("\n")]
            return next((line.split()[2].rstrip(",") for line in said if "TaskManager at " in line), None)

        yield Server(wait_until(address, "the address of the TaskManager"), running.pid)


class Worker(SomeWorker):
    """A worker that says little and does nothing with its tasks."""

    def __init__(self, folder, url, *arguments):
        self.file = folder / "figures"
        super().__init__(
            folder,
            url,
            arguments=[*arguments, "--log-level", "WARNING"],
            plugin=NOOP,
            environment={"BENCH_FILE": str(self.file)},
        )

    def figures(self):
        """What the worker wrote down at its end."""
        code = self.exit_code(deadline=300)
        self.clean_up()
        if code != 0:
            raise RuntimeError(f"the worker ended with {code}:\n{self.text()[-2000:]}")
        return json.loads(self.file.read_text(encoding="utf-8"))


class Client:
    """One connection that costs next to nothing, for one thread."""

    def __init__(self, url):
        rest, _, self.prefix = url.removeprefix("http://").partition("/")
        host, _, port = rest.partition(":")
        self._connection = socket.create_connection((host, int(port)), timeout=60)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._connection.makefile("rb")

    def get(self, path):
        """The answer, read from its JSON."""
        return self._call("GET", path, b"")

    def post(self, path, body):
        """The answer, read from its JSON."""
        return self._call("POST", path, json.dumps(body).encode())

    def _call(self, method, path, data):
        head = f"{method} /{self.prefix}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        self._connection.sendall(f"{head}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        status = int(self._file.readline().split()[1])
        length = 0
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = json.loads(self._file.read(length))
        if status >= 300:
            raise RuntimeError(f"{method} {path} was answered with {status}: {answer}")
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self._connection.close()
