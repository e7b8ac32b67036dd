"""What waits shares a transaction, and nobody pays for a neighbour's fault."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.db.tables import meta
from prismq_worker_sdk.taskmanager.db.transactions import Writer


class Busy:
    """A writer that is held in an operation, so that what is asked meanwhile waits; tells how transactions ended."""

    def __init__(self, database):
        self.writer = Writer(database)
        self.ends = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        for name in ("commit", "rollback"):
            sa.event.listen(database.writing, name, lambda _db, name=name: self.ends.append(name))

    def hold(self, _db, _now):
        self.begun.set()
        self.go_on.wait(20)

    async def together(self, *operations):
        """The results of operations that all waited; an error in place of one that was refused."""
        held = asyncio.create_task(self.writer.run(self.hold))
        await asyncio.to_thread(self.begun.wait, 20)
        asked = [asyncio.create_task(self.writer.run(one)) for one in operations]
        await asyncio.sleep(0)
        self.go_on.set()
        await held
        return await asyncio.gather(*asked, return_exceptions=True)


@pytest.fixture
def database(tmp_path):
    made = connect(f"sqlite:///{tmp_path / 'tasks.db'}")
    yield made
    made.close()


@contextmanager
def busy(database):
    made = Busy(database)
    try:
        yield made
    finally:
        made.go_on.set()
        made.writer.close()


def put(name):
    def operation(db, _now):
        db.execute(meta.insert().values(name=name, value="x"))
        return name

    return operation


def refused(name):
    def operation(db, now):
        put(name)(db, now)
        raise ValueError(name)

    return operation


def broken(db, _now):
    db.exec_driver_sql("SELECT * FROM nowhere")


def stored(database):
    with database.reading.connect() as db:
        return sorted(db.scalars(sa.select(meta.c.name).where(meta.c.name != "instance")))


def test_r11_what_waits_shares_one_commit(database):
    with busy(database) as it:
        assert asyncio.run(it.together(*(put(f"n{number}") for number in range(50)))) == [
            f"n{number}" for number in range(50)
        ]
        assert it.ends == ["commit", "commit"]
    assert len(stored(database)) == 50


def test_one_that_is_refused_leaves_nothing_behind_and_costs_its_neighbours_no_commit_of_their_own(database):
    with busy(database) as it:
        first, fault, last = asyncio.run(it.together(put("a"), refused("b"), put("c")))
        assert it.ends == ["commit", "commit"]
    assert (first, str(fault), last) == ("a", "b", "c")
    assert stored(database) == ["a", "c"]


def test_one_that_the_database_refuses_spoils_no_neighbour(database):
    with busy(database) as it:
        first, fault, last = asyncio.run(it.together(put("a"), broken, put("c")))
    assert (first, type(fault), last) == ("a", OperationalError, "c")
    assert stored(database) == ["a", "c"]


def test_one_that_is_refused_alone_leaves_nothing_behind(database):
    writer = Writer(database)
    with pytest.raises(ValueError, match="b"):
        asyncio.run(writer.run(refused("b")))
    writer.close()

    assert stored(database) == []


def test_what_was_asked_before_the_end_is_done(database):
    with busy(database) as it:

        async def ask():
            held = asyncio.create_task(it.writer.run(it.hold))
            await asyncio.to_thread(it.begun.wait, 20)
            asked = asyncio.create_task(it.writer.run(put("a")))
            await asyncio.sleep(0)
            it.go_on.set()
            await asyncio.to_thread(it.writer.close)
            return await asyncio.gather(held, asked)

        assert asyncio.run(ask()) == [None, "a"]
    assert stored(database) == ["a"]
