"""Database servers for tests: real ones, on a free port, in a temporary folder."""

import shutil
import socket
import subprocess
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.support.processes import wait_until

FAST = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-buffer-pool-size=64M")
"""What is stored need not outlive the machine."""

NAMED = "PRISMQ_TEST_SERVER"
"""Which server of tests.prove.database_trees tests/databases starts; this machine's MariaDB without it."""


def mariadb_is_here():
    return shutil.which("mariadbd") is not None or shutil.which("mariadbd", path="/usr/sbin") is not None


class DatabaseServer:
    """A database server as a process, which can be killed and started again on its port.

    Who derives from it gives `begin`, which starts the process.
    """

    def __init__(self, port):
        self.port = port
        self.url = f"mysql+pymysql://root@127.0.0.1:{port}"
        self.start()

    def start(self):
        self.process = self.begin()
        wait_until(self._answers, "the database server", deadline=90)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def forget(self):
        """Removes what it stored; nothing where a temporary folder does."""

    def sql(self, text):
        """Runs statements as root."""
        engine = sa.create_engine(self.url)
        with engine.begin() as db:
            for one in text.split(";"):
                db.exec_driver_sql(one)
        engine.dispose()

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the database server ended with {self.process.returncode}")
        engine = sa.create_engine(self.url)
        try:
            with engine.connect():
                return True
        except OperationalError:
            return False
        finally:
            engine.dispose()


class MariaDb(DatabaseServer):
    """This machine's MariaDB, on a folder."""

    def __init__(self, folder, *more):
        self.folder, self._more = folder, more
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        install = [_program("mariadb-install-db"), "--no-defaults", "--user=root", f"--datadir={folder}/data"]
        install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True)
        super().__init__(port)

    def begin(self):
        words = [_program("mariadbd"), "--no-defaults", "--user=root", f"--datadir={self.folder}/data"]
        words += [f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.folder}/socket"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*words, *self._more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextmanager
def running_mariadb(folder):
    server = MariaDb(folder, *FAST)
    try:
        yield server
    finally:
        server.kill()


def _program(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    assert found is not None, f"{name} is not installed"
    return found
