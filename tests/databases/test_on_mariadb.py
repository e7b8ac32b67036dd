"""What the TaskManager does on SQLite it does on MariaDB: the same tests, one file each, on a real server."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT

FILES = (
    "alerts",
    "audit",
    "batch",
    "bulk",
    "chores",
    "claims",
    "conformance",
    "exchange",
    "expiry",
    "limits",
    "filters",
    "hostile_routes",
    "keys",
    "pauses",
    "fan_in",
    "producing",
    "reads",
    "schedules",
    "retention",
    "schemas",
    "server_rules",
    "shared_database",
    "steering",
    "stats",
    "task_logs",
    "workers",
)


@pytest.mark.parametrize("name", FILES)
def test_the_tests_of_the_taskmanager_pass_on_mariadb(mariadb, suite_on, tmp_path, name):
    words = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "no:hypothesispytest",
        f"--basetemp={tmp_path / 'base'}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, f"tests/unit/taskmanager/test_{name}.py"],
        cwd=ROOT,
        env=suite_on(mariadb.url),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
