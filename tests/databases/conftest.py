import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.prove.database_trees import DATABASES
from tests.support.databases import FAST, NAMED, MariaDb, mariadb_is_here

MEMORY, ROOM = Path("/dev/shm"), 2 * 1024**3


def started(folder, *more):
    name = os.environ.get(NAMED)
    if name is not None:
        return DATABASES[name](folder, *more)
    if not mariadb_is_here():
        pytest.skip("no mariadbd on this machine; Debian: apt install mariadb-server")
    return MariaDb(folder, *more)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    """One for all tests, in memory where there is room: each makes its tables, and syncs a disk for each of them."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("mariadb")
        if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="mariadb-", dir=MEMORY)))
        server = started(folder, *FAST)
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
