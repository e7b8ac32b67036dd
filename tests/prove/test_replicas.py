"""The proof of two replicas on one database, in small, on this machine's MariaDB."""

from dataclasses import replace

import pytest

from tests.prove import kill, replicas
from tests.support.databases import MariaDb, mariadb_is_here

HERE = "MariaDB of this machine"


def started(folder):
    place = folder / "mariadb"
    place.mkdir()
    return MariaDb(place)


def test_a_small_part_of_the_proof_finds_every_task_completed(monkeypatch):
    if not mariadb_is_here():
        pytest.skip("no mariadbd on this machine; Debian: apt install mariadb-server")
    monkeypatch.setitem(replicas.DATABASES, HERE, started)
    small = replace(kill.small(replicas.PART.each), server_kills=1)
    found = replicas.figures([replicas.run(replicas.Sizes(small), HERE, seed=1)])

    assert list(kill.failures(found)) == []
    assert (found[HERE]["right"], found[HERE]["server_kills"], found[HERE]["database_kills"]) == (12, 1, 1)
    assert (found[HERE]["with_parts"], found[HERE]["limited_claims"] >= 6) == (3, True)
    assert "| the database was killed and started again | 1 |" in replicas.table(found)
