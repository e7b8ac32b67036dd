import os

import pytest

from tests.support.databases import mariadb_is_here, running_mariadb


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    if not mariadb_is_here():
        pytest.skip("no mariadbd on this machine; Debian: apt install mariadb-server")
    with running_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def suite_on(tmp_path):
    """The environment of a run of other tests on a database server."""

    def made(url):
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PRISMQ_"))
        }
        return kept | {"PRISMQ_TEST_DATABASE": url}

    return made
