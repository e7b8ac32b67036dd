"""A statement that takes too long is broken off by the database, and its connection goes on."""

from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError, PendingRollbackError

from prismq_worker_sdk.taskmanager.db.deadline import TooSlow, within

ENDLESS = {
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "mysql": "SELECT count(*) FROM information_schema.columns a, information_schema.columns b,"
    " information_schema.columns c WHERE a.column_name > b.column_name AND b.column_name > c.column_name",
}
ENDLESS["mariadb"] = ENDLESS["mysql"]


@pytest.fixture
def reading(api):
    with api.state.database.reading.connect() as db:
        yield db


def test_what_takes_too_long_is_broken_off_and_the_connection_goes_on(reading):
    with reading.begin():
        with pytest.raises(TooSlow), within(reading, 0.05):
            reading.exec_driver_sql(ENDLESS[reading.dialect.name])
        assert reading.exec_driver_sql("SELECT count(*) FROM tasks").scalar() == 0


class Lost:
    """A connection to a database server that goes away."""

    dialect = SimpleNamespace(name="mysql", is_mariadb=True)
    connection = SimpleNamespace(driver_connection=None)
    invalidated = False

    def exec_driver_sql(self, _text):
        if self.invalidated:
            raise PendingRollbackError

    def lose(self):
        self.invalidated = True
        raise OperationalError("SELECT", None, Exception(2013, "lost"))


def test_a_connection_that_is_lost_is_told_as_that():
    db = Lost()
    with pytest.raises(OperationalError), within(db, 60.0):
        db.lose()


def test_what_is_quick_is_answered_and_what_is_wrong_is_told(reading):
    with within(reading, 60.0):
        assert reading.exec_driver_sql("SELECT count(*) FROM tasks").scalar() == 0
    with pytest.raises(OperationalError), within(reading, 60.0):
        reading.exec_driver_sql("SELECT nothing FROM tasks")
