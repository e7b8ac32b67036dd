"""`prismq-worker taskmanager --dialect prismq-client` as a process that is killed and started again."""

import pytest

from tests.support.prismq_client import Caller, good
from tests.support.taskmanager import TaskManager


@pytest.fixture
def process(tmp_path):
    running = TaskManager(tmp_path, dialect="prismq-client")
    yield running
    running.kill()


def test_a_server_that_is_killed_finds_its_tasks_again(process):
    api = Caller(process.url)
    first, second = api.create({"n": 1}), api.create({"n": 2})
    assert api.claim("w1")["id"] == first
    good(api.complete(first, "w1", result={"kept": True}))
    assert api.claim("w1")["id"] == second
    process.kill()
    process.start()

    assert (api.show(first)["status"], api.show(first)["result"]) == ("completed", {"kept": True})
    assert (api.show(second)["status"], api.show(second)["claimed_by"]) == ("claimed", "w1")
    assert good(api.complete(second, "w1"))["status"] == "completed"
    assert api.claim("w1") is None


def test_every_task_of_a_killed_server_was_accepted_once(process):
    api = Caller(process.url)
    wanted = [api.create({"n": number}) for number in range(10)]
    for task_id in wanted[:5]:
        api.claim("w1")
        api.complete(task_id, "w1")
    process.kill()
    process.start()
    while (task := api.claim("w2")) is not None:
        api.complete(task["id"], "w2")

    with process.opened() as db:
        ends = db.execute("SELECT task_id FROM history WHERE what = 'completed' ORDER BY task_id").fetchall()
    db.close()
    assert [row[0] for row in ends] == wanted
