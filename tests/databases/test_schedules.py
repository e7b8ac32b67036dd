"""Schedules while the servers that fire them are killed: each firing makes exactly one task."""

from datetime import datetime

import pytest
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.db.service_tables import schedules
from prismq_worker_sdk.taskmanager.db.tables import tasks
from tests.support.api import TYPE, Api
from tests.support.processes import wait_until
from tests.support.taskmanager import TaskManager

NAMES = ("a", "b", "c", "d")
EVERY = {"type": TYPE, "every_seconds": 1, "missed": "all", "overlap": "allow"}


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tasks.db'}"
    server = request.getfixturevalue("mariadb").url
    engine = sa.create_engine(server)
    with engine.begin() as db:
        db.exec_driver_sql("CREATE DATABASE scheduled")
    engine.dispose()
    return f"{server}/scheduled"


@pytest.fixture
def pair(database, tmp_path):
    servers = [TaskManager(tmp_path / name, database=database) for name in ("one", "two")]
    yield servers
    for server in servers:
        server.kill()


@pytest.fixture
def looked_at(database, pair):
    engine = sa.create_engine(database)
    yield engine
    engine.dispose()


def seconds_of(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def fired(engine):
    """The times of each schedule's tasks, as their keys say them."""
    with engine.connect() as db:
        keys = sorted(db.scalars(sa.select(tasks.c.dedupe_key)))
    return {name: [key.split(":", 2)[2] for key in keys if key.split(":")[1] == name] for name in NAMES}


def test_kills_in_between_lose_no_firing_and_make_none_twice(pair, looked_at):
    api = Api(pair[0].url)
    with api.session:
        firsts = {name: api.call("PUT", f"/schedules/{name}", EVERY).json()["next_at"] for name in NAMES}
        for victims in (pair[:1], pair[1:], pair):
            before = len(fired(looked_at)["a"])
            wait_until(lambda before=before: len(fired(looked_at)["a"]) > before + 1, "two firings")
            for victim in victims:
                victim.kill()
            for victim in victims:
                victim.start()
        for name in NAMES:
            api.call("POST", f"/schedules/{name}/pause")
    with looked_at.connect() as db:
        lasts = dict(db.execute(sa.select(schedules.c.name, schedules.c.last_at)).all())

    for name, times in fired(looked_at).items():
        seconds = [seconds_of(at) for at in times]
        assert times[0] == firsts[name]
        assert seconds == pytest.approx([seconds[0] + n for n in range(len(seconds))], abs=0.002)
        assert seconds[-1] == pytest.approx(lasts[name], abs=0.002)
