"""Several servers on one database: what one does the others tell, and a repeat may meet any of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.api import TYPE, Api, routed, running_api
from tests.support.processes import wait_until

EMPTY = {"reports": [], "leases": [], "tasks": [], "worker": "run"}


@pytest.fixture
def replicas(mariadb, tmp_path, monkeypatch):
    """Two servers on one MariaDB database, with its time."""
    monkeypatch.setenv("PRISMQ_TEST_DATABASE", mariadb.url)
    with running_api(tmp_path, own_time=True) as one, running_api(tmp_path, own_time=True) as two:
        routed(one, two)
        yield one, two


@pytest.fixture
def claiming():
    """Claims on connections and threads of their own; each returns once its server has written down that it waits."""
    with ThreadPoolExecutor(8) as pool:

        def claim(api, request_id="r1", worker_id="w1", wait=20):
            said = {"worker_id": worker_id, "request_id": request_id}
            said["claim"] = {"task_types": [TYPE], "wait_seconds": wait}
            own, before = Api(api.url), _wait_of(api, worker_id, request_id)
            answer = pool.submit(lambda: own.call("POST", "/tasks/exchange", said).json())
            wait_until(
                lambda: answer.done() or _wait_of(api, worker_id, request_id) not in {before, None, ""},
                "the claim that waits",
            )
            return answer

        yield claim


def test_a_claim_that_waits_at_one_gets_the_task_that_another_was_given(replicas, claiming):
    one, two = replicas
    answer = claiming(one)
    task_id = two.submit()

    assert [task["id"] for task in answer.result(30)["tasks"]] == [task_id]


def test_r06_a_wait_ends_empty_when_its_request_is_sent_again_to_another(replicas, claiming):
    one, two = replicas
    first = claiming(one)
    again = claiming(two)
    task_id = two.submit()

    assert [task["id"] for task in again.result(30)["tasks"]] == [task_id]
    assert first.result(30) == EMPTY
    (claim,) = two.show(task_id)["history"]
    assert claim["verdict"] is None


def test_r06_a_repeat_without_a_wait_ends_the_wait_at_another(replicas, claiming):
    one, two = replicas
    first = claiming(one)
    said = {"worker_id": "w1", "request_id": "r1", "claim": {"task_types": [TYPE]}}
    assert two.call("POST", "/tasks/exchange", said).json() == EMPTY
    task_id = one.submit()

    assert first.result(30) == EMPTY
    assert one.claim("w2")["id"] == task_id


def test_r06_a_repeat_at_another_is_answered_with_what_the_first_sending_was_given(replicas, claiming):
    one, two = replicas
    task_id = one.submit()
    (given,) = claiming(one).result(30)["tasks"]
    (again,) = claiming(two).result(30)["tasks"]

    assert (again["id"], again["lease_token"]) == (task_id, given["lease_token"])


def test_r40_a_worker_whose_claim_waits_at_one_hears_what_another_was_told(replicas, claiming):
    one, two = replicas
    answer = claiming(one)
    two.call("POST", "/workers/w1/quiet")

    assert answer.result(30)["worker"] == "quiet"


def test_waits_of_many_workers_leave_no_row_behind(replicas, claiming):
    one, two = replicas
    answers = [claiming(replicas[n % 2], f"r{n}", f"w{n}") for n in range(6)]
    for _ in answers:
        two.submit()

    got = [task["id"] for answer in answers for task in answer.result(30)["tasks"]]
    assert len(got) == len(set(got)) == 6
    with one.state.database.writing.connect() as db:
        wait_until(lambda: _rows(db, "waits") == 0, "an empty table of waits")


def test_servers_that_start_at_once_on_an_empty_database_agree_on_its_tables(mariadb, tmp_path, monkeypatch):
    monkeypatch.setenv("PRISMQ_TEST_DATABASE", mariadb.url)
    with ThreadPoolExecutor(4) as pool:

        def instance(_number):
            with running_api(tmp_path, own_time=True) as api:
                return api.call("GET", "/health").json()["server"]["instance"]

        assert len(set(pool.map(instance, range(4)))) == 1


def _wait_of(api, worker_id, request_id):
    asked = "SELECT wait_id FROM waits WHERE worker_id = %s AND request_id = %s"
    with api.state.database.writing.connect() as db:
        return db.exec_driver_sql(asked, (worker_id, request_id)).scalar()


def _rows(db, table):
    found = db.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
    db.rollback()
    return found
