from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import fan_in
from tests.support.api import running_api
from tests.support.family import CHILD, PARENT, Family
from tests.support.processes import wait_until

WAITING = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"


@pytest.fixture
def engine(mariadb):
    server = sa.create_engine(mariadb.url)
    with server.begin() as db:
        db.exec_driver_sql("CREATE DATABASE fan_in")
    server.dispose()
    engine = sa.create_engine(f"{mariadb.url}/fan_in", isolation_level="READ COMMITTED")
    yield engine
    engine.dispose()


def test_a_child_that_ends_in_a_transaction_of_that_moment_is_waited_for(mariadb, engine, tmp_path):
    with (
        running_api(tmp_path, database=f"{mariadb.url}/fan_in") as api,
        engine.connect() as db,
        engine.connect() as looker,
        ThreadPoolExecutor(1) as pool,
    ):
        family = Family(api)
        api.submit(PARENT)
        (parent,) = family.claim(PARENT)
        child = api.submit(CHILD, parent_id=parent["id"])
        db.execute(sa.text("UPDATE tasks SET status = 'completed' WHERE id = :id"), {"id": child})
        assert not fan_in.follow(db, [parent["id"]], 0.0)
        asked = pool.submit(family.completes, parent, 0)
        wait_until(lambda: asked.done() or looker.execute(sa.text(WAITING)).one()[1] != "0", "the report")
        db.commit()
        asked.result(30)

        assert family.counts() == (1, 0)
