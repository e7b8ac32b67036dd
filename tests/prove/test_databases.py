"""The proof on other databases: every file is in it once, what came out is summed, and tests really run there."""

import pytest

from tests.prove import databases
from tests.prove.suite import counted
from tests.support.databases import MariaDb, mariadb_is_here
from tests.support.processes import ROOT

HERE = "MariaDB of this machine"
TEST = f"{databases.UNITS}/test_stats.py::test_counting_changes_no_number"


def test_every_file_of_the_taskmanagers_tests_is_in_one_part():
    files = [file for share in databases.shares() for file in share]

    assert sorted(files) == sorted(
        str(file.relative_to(ROOT)) for file in (ROOT / databases.UNITS).glob("test_*.py")
    )
    assert len({part.key for part in databases.parts()}) == len(list(databases.parts())) == 2 * 7


def test_the_tests_of_a_part_run_on_its_server(monkeypatch, tmp_path):
    if not mariadb_is_here():
        pytest.skip("no mariadbd on this machine; Debian: apt install mariadb-server")
    monkeypatch.setitem(databases.DATABASES, HERE, lambda _folder, *more: MariaDb(tmp_path, *more))
    found = databases.figures([databases.on_server(HERE, [TEST])])

    assert list(databases.failures(found)) == []
    assert "MariaDB" in found[HERE]["version"]
    assert found[HERE]["passed"] == 1


def test_a_test_that_fails_on_a_database_is_a_failure_of_the_proof():
    red = counted("FAILED tests/a.py::b - x\n1 failed, 2 passed in 1.00s\n", 1)
    found = databases.figures([{"database": "X", "version": "1"} | red, {"database": "X"} | red])

    assert list(databases.failures(found)) == ["X: tests/a.py::b"] * 2
    assert "| X | 1 | 2 | 4 | 2 | 0 | 2 |" in databases.shown(found)
