import asyncio
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.db.migrate import instance_of
from prismq_worker_sdk.taskmanager.server import RunningServer
from tests.support.api import Api, running_api


def together(count, work):
    start = threading.Barrier(count)

    def one(number):
        start.wait(30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.fixture
def pair(tmp_path):
    with running_api(tmp_path) as one, running_api(tmp_path) as two:
        yield one, two


def test_two_servers_never_hand_out_a_task_twice_while_both_are_asked(pair):
    ids = [pair[n % 2].submit() for n in range(60)]

    def claim(number):
        own, got = Api(pair[number % 2].url), []
        with own.session:
            while (task := own.claim(f"w{number}")) is not None:
                got.append(task["id"])
        return got

    got = [task_id for some in together(12, claim) for task_id in some]
    assert Counter(got) == Counter(ids)


def test_two_servers_make_one_task_for_one_dedupe_key(pair):
    def create(number):
        own = Api(pair[number % 2].url)
        with own.session:
            return [own.submit(dedupe_key=f"k{n}") for n in range(10)]

    made = together(8, create)
    assert all(some == made[0] for some in made)
    assert len(set(made[0])) == 10


def test_a_wish_to_cancel_at_one_server_meets_the_failure_at_the_other(pair):
    one, two = pair
    ids = [one.submit() for _ in range(20)]
    for _ in ids:
        one.claim()

    def end(number):
        own = Api(pair[number].url)
        with own.session:
            for task_id in ids:
                if number == 0:
                    own.call("POST", f"/tasks/{task_id}/cancel")
                else:
                    own.fail(task_id)

    together(2, end)
    for task_id in ids:
        shown = two.show(task_id)
        assert shown["status"] in {"failed", "pending"}
        assert not (shown["status"] == "pending" and shown["cancel_asked"])


def test_servers_that_start_at_once_on_a_fresh_database_agree_on_its_instance(tmp_path):
    def opened(_number):
        database = connect(f"sqlite:///{tmp_path / 'fresh.db'}")
        try:
            return instance_of(database.writing)
        finally:
            database.close()

    assert len(set(together(6, opened))) == 1


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE claims (id INTEGER PRIMARY KEY, handler TEXT)")
    db.close()

    with pytest.raises(SettingsError, match=r"other\.db cannot be opened"):
        connect(f"sqlite:///{file}")
    with sqlite3.connect(file) as db:
        assert [row[0] for row in db.execute("SELECT name FROM sqlite_master")] == ["claims"]
    db.close()


@pytest.mark.parametrize("url", ["nonsense://x", "sqlite:////nowhere/at/all/tasks.db"])
def test_a_database_that_cannot_be_is_a_fault_of_the_settings(url):
    with pytest.raises(SettingsError, match="--database"):
        connect(url)


def test_a_password_in_the_database_url_is_not_said(tmp_path):
    with pytest.raises(SettingsError) as raised:
        connect(f"sqlite://me:hunter22@/{tmp_path}/x.db")
    assert "hunter22" not in str(raised.value)


def test_a_database_that_is_locked_for_long_is_told_as_503_and_the_server_goes_on(tmp_path):
    config = TaskManagerConfig(database=str(tmp_path / "tasks.db"), port=0)
    with RunningServer(config) as server, closing(Api(server.url).session) as session:
        state = server._server.config.app.state.taskmanager
        asyncio.run(state.run(lambda db, _now: db.exec_driver_sql("PRAGMA busy_timeout = 20").close()))
        with closing(sqlite3.connect(config.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = session.post(f"{server.url}/tasks", json={"type": "T.T"}, timeout=20)
            other.execute("ROLLBACK")
        stored = session.post(f"{server.url}/tasks", json={"type": "T.T"}, timeout=20)
        listed = session.get(f"{server.url}/tasks", timeout=20).json()["tasks"]

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.headers["content-type"] == "application/problem+json"
    assert [task["id"] for task in listed] == [stored.json()["id"]]
