"""What the server does by itself: on and on, whatever happens, until the server ends."""

import asyncio
import logging

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from prismq_worker_sdk.taskmanager.app import CHORES
from prismq_worker_sdk.taskmanager.chores import (
    FORGET_OLD_LOCKS,
    SLICE,
    Chore,
    done_by_themselves,
    first_wait,
)
from prismq_worker_sdk.taskmanager.db.service_tables import dedupe_locks, waits

AWAY = OperationalError("SELECT 1", None, ConnectionRefusedError("nobody listens"))


def messages(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "prismq.taskmanager"]


def do(*outcomes):
    """Runs a chore once for each outcome: an error that it raises, or None."""

    async def play():
        left, over = list(outcomes), asyncio.Event()

        async def run(_state):
            if not left:
                over.set()
                await asyncio.Event().wait()
            if (error := left.pop(0)) is not None:
                raise error

        async with done_by_themselves([Chore("tidy", 0.0, run)], None):
            await asyncio.wait_for(over.wait(), 30)

    asyncio.run(play())


def test_a_chore_that_raises_is_told_once_for_each_kind_of_error_and_goes_on(caplog):
    do(ValueError("x"), ValueError("y"), None, ValueError("z"), KeyError("k"))

    assert messages(caplog) == ["tidy failed; it is tried again every 0 s"] * 2
    assert [record.exc_info[0] for record in caplog.records] == [ValueError, KeyError]


def test_a_database_that_is_away_is_told_once_without_a_trace_and_so_is_its_return(caplog):
    caplog.set_level(logging.INFO)
    do(AWAY, AWAY, None, None, AWAY)

    away = "the database failed, tidy goes on when it is back: nobody listens"
    assert messages(caplog) == [away, "tidy goes on", away]
    assert [record.exc_info for record in caplog.records if record.exc_info] == []


def test_chores_end_with_the_server_though_one_would_never_end():
    async def play():
        begun, ended = asyncio.Event(), []

        async def endless(_state):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        async with done_by_themselves([Chore("long", 0.0, endless), Chore("later", 1e9, endless)], None):
            await begun.wait()
        return ended

    assert asyncio.run(asyncio.wait_for(play(), 30)) == [True]


def test_the_first_run_is_at_a_random_time_within_a_minute_however_seldom_the_chore_is():
    assert [first_wait(86400.0, jitter) for jitter in (0.0, 0.5, 1.0)] == [0.0, 30.0, 60.0]
    assert first_wait(2.0, 0.5) == 1.0


def test_rows_of_locks_and_waits_go_an_hour_after_their_last_use(api):
    assert FORGET_OLD_LOCKS in CHORES

    def fill(db, now):
        for age in (0, 3599, 3601, 9999):
            db.execute(dedupe_locks.insert().values(digest=f"d{age}", used_at=now - age))
            db.execute(
                waits.insert().values(worker_id="w", request_id=f"r{age}", wait_id=f"i{age}", since=now - age)
            )

    def left(db, _now):
        return [sorted(db.scalars(sa.select(column))) for column in (dedupe_locks.c.digest, waits.c.wait_id)]

    api.chore(lambda state: state.run(fill))
    api.chore(FORGET_OLD_LOCKS.run)

    assert api.chore(lambda state: state.run(left)) == [["d0", "d3599"], ["i0", "i3599"]]


def test_many_old_rows_go_in_slices(api):
    def fill(db, now):
        db.execute(
            dedupe_locks.insert(), [{"digest": f"d{n}", "used_at": now - 9999} for n in range(SLICE * 2)]
        )

    api.chore(lambda state: state.run(fill))
    api.chore(FORGET_OLD_LOCKS.run)

    assert (
        api.chore(lambda state: state.run(lambda db, _now: db.scalar(sa.select(dedupe_locks.c.digest))))
        is None
    )
