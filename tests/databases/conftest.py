import os

import pytest

from tests.prove.database_trees import DATABASES
from tests.support.databases import FAST, NAMED, MariaDb, mariadb_is_here


def started(folder, *more):
    name = os.environ.get(NAMED)
    if name is not None:
        return DATABASES[name](folder, *more)
    if not mariadb_is_here():
        pytest.skip("no mariadbd on this machine; Debian: apt install mariadb-server")
    return MariaDb(folder, *more)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    server = started(tmp_path_factory.mktemp("mariadb"), *FAST)
    yield server
    server.kill()
    server.forget()


@pytest.fixture
def own_mariadb(tmp_path):
    """One that the test may kill."""
    folder = tmp_path / "mariadb"
    folder.mkdir()
    server = started(folder)
    yield server
    server.kill()
    server.forget()


@pytest.fixture
def suite_on(tmp_path):
    """The environment of a run of other tests on a database server."""

    def made(url):
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PRISMQ_"))
        }
        return kept | {"PRISMQ_TEST_DATABASE": url}

    return made
