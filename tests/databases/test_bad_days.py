"""A database that is killed, comes back, cannot be written: a clear answer each time, and nothing is lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.server import RunningServer
from tests.support.api import TYPE, Api, running_api
from tests.support.processes import wait_until


def asked(api, method, path, body=None):
    answer = api.call(method, path, body)
    return answer.status_code, answer.headers.get("Retry-After"), answer.headers["content-type"]


AWAY = (503, "1", "application/problem+json")


def test_a_database_that_was_killed_is_used_again_when_it_is_back(own_mariadb, tmp_path, monkeypatch):
    monkeypatch.setenv("PRISMQ_TEST_DATABASE", own_mariadb.url)
    with running_api(tmp_path, own_time=True) as api:
        ids = [api.submit() for _ in range(5)]
        held = api.claim()
        own_mariadb.kill()
        claim = {"worker_id": "w1", "task_types": [TYPE]}
        for method, path, body in (
            ("POST", "/tasks/claim", claim),
            ("POST", "/tasks", {"type": TYPE}),
            ("GET", "/tasks", None),
            (
                "POST",
                "/tasks/exchange",
                {"worker_id": "w1", "claim": {"task_types": [TYPE], "wait_seconds": 5}},
            ),
        ):
            assert asked(api, method, path, body) == AWAY, path
        assert api.call("GET", "/health").status_code == 200
        own_mariadb.start()

        assert api.complete(held["id"]) == 200
        assert {api.claim()["id"] for _ in range(4)} == set(ids) - {held["id"]}
        assert api.claim() is None


def test_a_database_that_may_not_be_written_is_told_and_read_on(own_mariadb, tmp_path, monkeypatch):
    monkeypatch.setenv("PRISMQ_TEST_DATABASE", own_mariadb.url)
    with running_api(tmp_path, own_time=True) as api:
        task_id = api.submit()
        name = api.state.database.writing.url.database
        own_mariadb.sql(f"CREATE USER me IDENTIFIED BY 'secret77'; GRANT ALL ON {name}.* TO me")
    address = own_mariadb.url.removeprefix("mysql+pymysql://root@")
    config = TaskManagerConfig(database=f"mysql+pymysql://me:secret77@{address}/{name}", port=0)
    with RunningServer(config) as server, Api(server.url).session as session:
        api = Api(server.url)
        api.session = session
        own_mariadb.sql("SET GLOBAL read_only = 1")
        assert asked(api, "POST", "/tasks", {"type": TYPE}) == AWAY
        assert api.show(task_id)["status"] == "pending"
        own_mariadb.sql("SET GLOBAL read_only = 0")

        assert api.claim()["id"] == task_id


def test_a_database_server_that_syncs_later_than_it_answers_is_warned_of(
    own_mariadb, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("PRISMQ_TEST_DATABASE", own_mariadb.url)
    with running_api(tmp_path):
        assert "innodb_flush_log_at_trx_commit" not in caplog.text
    own_mariadb.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    with running_api(tmp_path):
        assert "innodb_flush_log_at_trx_commit is 2" in caplog.text


def test_a_log_in_that_is_refused_is_a_fault_of_the_settings_which_says_no_password(mariadb):
    address = mariadb.url.removeprefix("mysql+pymysql://root@")
    with pytest.raises(SettingsError, match="--database") as raised:
        connect(f"mysql+pymysql://nobody:hunter22@{address}/tasks")
    assert "hunter22" not in str(raised.value)


def test_a_database_server_that_is_not_up_yet_is_waited_for(own_mariadb, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PRISMQ_TEST_DATABASE", own_mariadb.url)
    own_mariadb.sql("CREATE DATABASE late")
    own_mariadb.kill()
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(connect, f"{own_mariadb.url}/late")
        wait_until(lambda: "cannot be reached yet" in caplog.text, "the first try")
        own_mariadb.start()
        opened.result(60).close()


def test_a_database_server_that_does_not_come_up_is_a_fault_of_the_settings(own_mariadb):
    own_mariadb.kill()
    with pytest.raises(SettingsError, match=r"--database .*Can't connect"):
        connect(f"{own_mariadb.url}/late", patience=0.0)
