"""Calls that schemathesis makes up from the OpenAPI file: none fails, and none is answered as the file does not say."""

import json
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.suite import run as command
from tests.prove.suite import said
from tests.support.databases import mariadb_is_here, running_mariadb
from tests.support.processes import ROOT
from tests.support.taskmanager import TaskManager

FILE = ROOT / "docs" / "reference" / "openapi.yaml"
ENVIRONMENT = ROOT / ".prove" / "api" / "venv"
TOOL = "schemathesis>=4.32,<5"
"""In an environment of its own: it brings 28 libraries."""

SQLITE, MARIADB = "SQLite", "MariaDB"
SEEDS = 4
EXAMPLES = 60
"""Calls for each operation and seed."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
)


def parts():
    """On each database: every edge of every field once, then calls and sequences of calls by chance."""
    for database in (SQLITE, MARIADB):
        yield Part(f"{database}-edges", partial(run, database, "--phases", "coverage"))
        for seed in range(1, SEEDS + 1):
            chance = ("--phases", "fuzzing,stateful", "-n", f"{EXAMPLES}", "--seed", f"{seed}")
            yield Part(f"{database}-{seed}", partial(run, database, *chance))


def run(database, *options):
    """One part; without figures where there is no such database."""
    if database == MARIADB and not mariadb_is_here():
        return {"database": database, "missing": True}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with _url(database, folder) as more:
            server = TaskManager(folder / "server", lease="2s", more=more)
            try:
                report = _called(server.url, folder, options)
            finally:
                server.kill()
            return {"database": database, **counted(report, (folder / "server").glob("*.log"))}


@contextmanager
def _url(database, folder):
    if database == SQLITE:
        yield ()
        return
    with running_mariadb(folder / "mariadb") as server:
        engine = sa.create_engine(server.url)
        with engine.begin() as db:
            db.exec_driver_sql("CREATE DATABASE api")
        engine.dispose()
        yield ("--database", f"{server.url}/api")


def _called(url, folder, options):
    report = folder / "report.json"
    words = [
        "run",
        str(FILE),
        "--url",
        url,
        "--checks",
        ",".join(CHECKS),
        "--continue-on-failure",
        "--no-color",
    ]
    words += ["--request-timeout", "60", "--report", "json", "--report-json-path", str(report), *options]
    done = command([_tool(), *words], folder)
    if not report.exists():
        raise RuntimeError(f"schemathesis ended with {done.returncode}: {done.stdout[-3000:]}")
    return json.loads(report.read_text("utf-8"))


def _tool():
    tool = ENVIRONMENT / "bin" / "schemathesis"
    if not tool.exists():
        said([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], ROOT)
        said([str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", TOOL], ROOT)
    return str(tool)


def counted(report, logs):
    """What a report of schemathesis and the log of the server come to."""
    lines = [json.loads(line) for log in logs for line in log.read_text("utf-8").splitlines()]
    return {
        "version": report["schemathesis_version"],
        "operations": report["operations"]["tested"],
        "calls": report["test_cases"]["generated"],
        "wrong": [
            f"{one['title']}: {', '.join(map(_named, one['operations']))}" for one in report["failures"]
        ]
        + [f"schemathesis: {json.dumps(one)[:300]}" for one in report["errors"]]
        + [f"the server logged: {line['message'][:300]}" for line in lines if line["level"] == "ERROR"],
    }


def _named(operation):
    return operation if isinstance(operation, str) else json.dumps(operation)[:200]


def figures(results):
    there = [result for result in results if not result.get("missing")]
    databases = dict.fromkeys(result["database"] for result in there)
    return {name: _figures([one for one in there if one["database"] == name]) for name in databases}


def _figures(results):
    return {
        "version": results[0]["version"],
        "operations": max(one["operations"] for one in results),
        "calls": sum(one["calls"] for one in results),
        "wrong": [wrong for one in results for wrong in one["wrong"]],
    }


def failures(found):
    for database, one in found.items():
        yield from (f"{database}: {wrong}" for wrong in one["wrong"])


def table(found):
    head = ("database", "schemathesis", "operations", "calls", "wrong")
    rows = [
        (name, one["version"], one["operations"], one["calls"], len(one["wrong"]))
        for name, one in found.items()
    ]
    return grid(head, rows)


PROOF = Proof(
    name="api",
    title="Calls that nobody thought of",
    about="""
Promise: whatever is sent to the TaskManager, it answers with a status that `docs/reference/openapi.yaml` knows and with
a body that fits it, and never with a 5xx. Schemathesis makes up the calls from that file: every edge of every field,
right and wrong, and sequences in which one call uses what another one answered. No error may be in the server's log.
""",
    parts=lambda: list(parts()),
    figures=figures,
    table=table,
    failures=failures,
)
