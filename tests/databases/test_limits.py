"""Limits where several servers hand out tasks: whoever waits for another is the later one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.db.service_tables import limit_uses, limits
from prismq_worker_sdk.taskmanager.db.tables import claims
from prismq_worker_sdk.testing import FakeClock
from tests.support.api import TYPE, running_api
from tests.support.processes import wait_until

WAITING = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"
"""Looked up each time: `innodb_trx` says the same again to whoever asks ten times a second."""


@pytest.fixture
def url(mariadb):
    mariadb.sql("CREATE OR REPLACE DATABASE waits_for_limits")
    return f"{mariadb.url}/waits_for_limits"


def test_a_claim_that_waited_for_its_limit_is_of_the_time_when_it_had_it(url, tmp_path):
    clock = FakeClock()
    engine = sa.create_engine(url)
    with running_api(tmp_path, clock, database=url) as api, ThreadPoolExecutor() as pool:
        api.call("PUT", "/limits/k", {"units": 5, "period": 60})
        api.call("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"key": "k"}]})
        api.submit()
        with engine.begin() as other:
            other.execute(sa.select(limits).with_for_update())
            claim = pool.submit(api.claim)
            with engine.connect() as looking:
                wait_until(lambda: int(looking.exec_driver_sql(WAITING).one()[1]), "a claim that waits")
            clock.turn(30)
        assert claim.result(60) is not None
        now = clock.utc().timestamp()
        with engine.connect() as db:
            assert db.scalar(sa.select(claims.c.claimed_at)) == pytest.approx(now)
            assert db.scalar(sa.select(limit_uses.c.slice)) >= now * 1_000_000
    engine.dispose()
