import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from prismq_worker_sdk.taskmanager import queries, stats, workers
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.db.tables import tasks
from prismq_worker_sdk.taskmanager.server import RunningServer
from prismq_worker_sdk.testing import FakeClock
from tests.support.api import Api

READS = {
    "/tasks?q=a": (queries, "listed"),
    "/tasks/{id}": (queries, "history"),
    "/task-types": (queries, "types"),
    "/stats": (stats, "look"),
    "/metrics": (stats, "look"),
    "/workers": (workers, "listed"),
}


def statuses(db):
    return db.execute(sa.select(tasks.c.status).order_by(tasks.c.seq)).scalars().all()


@pytest.mark.parametrize("path", READS)
def test_a_read_that_is_held_open_does_not_stop_a_claim(api, monkeypatch, path):
    module, name = READS[path]
    read, begun, finish, seen = getattr(module, name), threading.Event(), threading.Event(), []

    def held_open(db, *arguments, **options):
        seen.append(statuses(db))
        begun.set()
        finish.wait(60)
        seen.append(statuses(db))
        return read(db, *arguments, **options)

    monkeypatch.setattr(module, name, held_open)
    task_id, answers, own = api.submit(), [], Api(api.url)
    looking = threading.Thread(target=lambda: answers.append(own.call("GET", path.replace("{id}", task_id))))
    with own.session:
        looking.start()
        try:
            assert begun.wait(20)
            assert api.claim()["id"] == task_id
            assert api.complete(task_id) == 200
        finally:
            finish.set()
            looking.join(20)

    assert answers[0].status_code == 200
    assert seen == [["pending"], ["pending"]]


def test_what_was_answered_is_seen_by_the_next_read(api):
    for number in range(20):
        task_id = api.submit()
        assert api.show(task_id)["status"] == "pending"
        api.call("POST", f"/tasks/{task_id}/cancel")
        assert len(api.call("GET", "/tasks?status=failed").json()["tasks"]) == number + 1


def test_a_connection_for_reading_cannot_write(tmp_path):
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    database = connect(url)
    with database.reading.connect() as db, db.begin(), pytest.raises(OperationalError, match="readonly"):
        db.execute(tasks.update().values(status="failed"))
    database.close()


def test_a_database_in_memory_is_read_where_it_is_written():
    with RunningServer(TaskManagerConfig(database="sqlite://", port=0), clock=FakeClock()) as server:
        api = Api(server.url)
        with api.session:
            task_id = api.submit()
            assert api.show(task_id)["status"] == "pending"
            assert api.claim()["id"] == task_id
            assert api.call("GET", "/stats").json()["types"]["Test.Some"]["processing"] == 1
