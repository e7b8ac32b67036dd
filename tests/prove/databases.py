"""The tests of the TaskManager, and the conformance kit as its users run it, on database servers of other Debians."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests
import sqlalchemy as sa

from tests.prove.database_trees import DATABASES
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.suite import counted, run, summed
from tests.support.api import SERVER
from tests.support.databases import FAST, NAMED
from tests.support.processes import ROOT
from tests.support.taskmanager import TaskManager

UNITS, OWN = "tests/unit/taskmanager", "tests/databases"
AGAIN = f"{OWN}/test_on_mariadb.py"
"""Runs the first of them on this machine's MariaDB."""
SHARES = 5
QUICK = (*FAST, "--skip-log-bin")


def parts():
    for name, start in DATABASES.items():
        key = start.__name__
        for number, files in enumerate(shares(), 1):
            yield Part(f"{key}-taskmanager-{number}", partial(on_server, name, files))
        yield Part(f"{key}-databases", partial(own_servers, name))
        yield Part(f"{key}-kit", partial(kit, name))


def shares(root=ROOT):
    """The files with tests of the TaskManager, in as many parts."""
    files = sorted(path.relative_to(root).as_posix() for path in (root / UNITS).glob("test_*.py"))
    return [files[first::SHARES] for first in range(SHARES)]


def on_server(name, files):
    """Tests that make a database each on a server that runs."""
    with _running(name) as (url, version):
        return {"database": name, "version": version} | _tested(files, {SERVER: url})


def own_servers(name):
    """Tests that start their servers themselves, and kill them."""
    return {"database": name} | _tested([OWN, f"--ignore={AGAIN}"], {NAMED: name})


def kit(name):
    """The kit as a command, on a TaskManager that has the database to itself and wants keys."""
    with _running(name) as (url, _), tempfile.TemporaryDirectory() as folder:
        _query(url, "CREATE DATABASE kit")
        server = TaskManager(Path(folder), lease="3s", database=f"{url}/kit")
        try:
            answer = requests.post(f"{server.url}/keys", json={"name": "kit", "scope": "admin"}, timeout=60)
            answer.raise_for_status()
            return {"database": name} | _checked(server.url, answer.json()["key"])
        finally:
            server.kill()


def _checked(url, key):
    words = ["conformance", "server", url, "--claim-timeout", "5s", "--json"]
    begun = time.monotonic()
    done = subprocess.run(
        ["nice", sys.executable, "-m", "prismq_worker_sdk", *words],
        cwd=ROOT,
        env=dict(os.environ) | {"TASKMANAGER_API_KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"the kit ended with {done.returncode}: {done.stderr[-2000:]}")
    said = json.loads(done.stdout)
    wrong = [f"kit: {one['name']}" for one in said["checks"] if one["outcome"] == "failed"]
    seconds = round(time.monotonic() - begun)
    return {kind: said[kind] for kind in ("passed", "failed", "skipped")} | {
        "seconds": seconds,
        "wrong": wrong,
    }


def _tested(words, given):
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *words]
    begun = time.monotonic()
    done = run(["nice", *command], ROOT, env=dict(os.environ) | given)
    return counted(done.stdout, time.monotonic() - begun)


@contextmanager
def _running(name):
    server = DATABASES[name](None, *QUICK)
    try:
        yield server.url, _query(server.url, "SELECT version()")
    finally:
        server.kill()
        server.forget()


def _query(url, text):
    engine = sa.create_engine(url)
    try:
        with engine.begin() as db:
            found = db.exec_driver_sql(text)
            return found.scalar() if found.returns_rows else None
    finally:
        engine.dispose()


def figures(results):
    found = {}
    for name in dict.fromkeys(one["database"] for one in results):
        of_it = [one for one in results if one["database"] == name]
        versions = [one["version"] for one in of_it if "version" in one]
        sums = summed(of_it)
        found[name] = {"version": versions[0] if versions else None, "parts": sums.pop("folders")} | sums
    return found


def failures(found):
    for name, one in found.items():
        yield from (f"{name}: {test}" for test in one["wrong"])


def shown(found):
    columns = ("version", "parts", "passed", "failed", "skipped", "seconds")
    return grid(("database", *columns), [(name, *(one[it] for it in columns)) for name, one in found.items()])


PROOF = Proof(
    name="databases",
    title="MariaDB 11.8 and MySQL 9",
    about="""
Promise: what the TaskManager does on SQLite it does on MariaDB and MySQL. All its tests, those that kill their database
or start several servers on it, and the conformance kit as its users run it, on MariaDB 11.8 and MySQL 9 (of Debian 13
and sid, each in a folder). The same tests run on MariaDB 10.11 with `make test` where that is installed.
""",
    parts=lambda: list(parts()),
    figures=figures,
    table=shown,
    failures=lambda found: list(failures(found)),
)
