"""Database servers of other Debians, each in a folder (root, debootstrap)."""

import shutil
import socket
import subprocess

from tests.prove.tree import Tree
from tests.support.databases import DatabaseServer

PLACE = "/srv/data"


class TreeServer(DatabaseServer):
    """A database server in a tree, on a fresh data folder; it can be killed and started again on its port."""

    def __init__(self, tree, install, program, *more):
        self._tree, self._program = tree.made(), [program, "--no-defaults", "--user=root", *more]
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._place = f"{PLACE}-{port}"
        done = self._tree.does([*install, f"--datadir={self._place}"], "/")
        if done.returncode:
            raise RuntimeError(f"{install[0]} failed: {done.stdout[-2000:]}")
        super().__init__(port)

    def begin(self):
        words = [f"--datadir={self._place}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        words += [f"--socket={self._place}.sock", f"--pid-file={self._place}.pid"]
        return subprocess.Popen(
            self._tree.inside([*self._program, *words]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def forget(self):
        shutil.rmtree(self._tree.root / self._place.lstrip("/"), ignore_errors=True)


def mariadb_11_8(_folder, *more):
    tree = Tree("trixie", ("mariadb-server",), "trixie-mariadb")
    install = [
        "mariadb-install-db",
        "--no-defaults",
        "--user=root",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]
    return TreeServer(tree, install, "mariadbd", *more)


def mysql_9(_folder, *more):
    tree = Tree("sid", ("mysql-server",), "sid-mysql")
    install = ["mysqld", "--no-defaults", "--user=root", "--initialize-insecure"]
    return TreeServer(tree, install, "mysqld", "--mysqlx=OFF", *more)


DATABASES = {"MariaDB 11.8": mariadb_11_8, "MySQL 9": mysql_9}
