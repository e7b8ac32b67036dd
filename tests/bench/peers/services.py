"""The brokers and databases of the peers, each empty for each use, on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.processes import process
from tests.support.processes import wait_until

POSTGRES = Path("/usr/lib/postgresql")
"""Where Debian keeps it, by version."""


class MissingError(Exception):
    """What a peer needs is not on this machine; says what to install."""


@contextmanager
def redis(folder):
    """A Redis that keeps everything in memory; gives the variables of its address."""
    program = shutil.which("redis-server")
    if program is None:
        raise MissingError("redis-server is not installed (Debian: apt-get install redis-server)")
    port = free_port()
    words = [
        "--port",
        port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--loglevel",
        "warning",
    ]
    with running([program, *words, "--dir", folder]):
        wait_until(lambda: listens(port), "Redis")
        yield {"BENCH_REDIS": f"redis://127.0.0.1:{port}/0"}


@contextmanager
def postgres(_folder):
    """A PostgreSQL as it comes, on an empty cluster; gives the variables of its address."""
    programs = _postgres_programs()
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    port = free_port()
    with tempfile.TemporaryDirectory() as own:  # it must be its user's, whoever we are
        if user:
            shutil.chown(own, "postgres", "postgres")
        cluster = Path(own) / "cluster"
        make = [programs / "initdb", "-D", cluster, "-U", "bench", "-A", "trust", "--no-instructions"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=own, **user)
        words = ["-D", cluster, "-p", port, "-h", "127.0.0.1", "-k", own]
        with running([programs / "postgres", *words], cwd=own, **user):
            wait_until(lambda: listens(port), "PostgreSQL")
            yield {"BENCH_POSTGRES": f"host=127.0.0.1 port={port} user=bench dbname=postgres"}


@contextmanager
def conductor(_folder):
    """The stand-in of Conductor; gives the variables of its address."""
    with process("-m", "tests.bench.peers.conductor_server", stdout=subprocess.PIPE) as server:
        yield {"BENCH_CONDUCTOR": f"http://127.0.0.1:{int(server.stdout.readline())}"}


def versions():
    """The versions of the servers that are installed."""
    found = {}
    if shutil.which("redis-server"):
        found["Redis"] = _said(["redis-server", "--version"]).split("v=")[1].split()[0]
    with suppress(MissingError):
        found["PostgreSQL"] = _said([_postgres_programs() / "postgres", "--version"]).split()[2]
    return found


def _said(words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _postgres_programs():
    """The folder of initdb and postgres; of the newest version."""
    places = sorted(POSTGRES.glob("*/bin"), key=lambda place: float(place.parent.name))
    found = [place for place in places if (place / "initdb").exists()]
    if found:
        return found[-1]
    if program := shutil.which("initdb"):
        return Path(program).resolve().parent
    raise MissingError("PostgreSQL is not installed (Debian: apt-get install postgresql)")


@contextmanager
def running(words, **options):
    """A server that ends with the block."""
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            list(map(str, words)), stdout=log, stderr=log, start_new_session=True, **options
        )
        try:
            yield server
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def listens(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
