"""An outbox stays small: what is past its time goes, and what was delivered gives its disk space back."""

import sqlite3
from contextlib import closing

import pytest

from prismq_worker_sdk.decide.delivery import Settle
from prismq_worker_sdk.model.claim import TaskKey
from prismq_worker_sdk.model.outcome import Completed, Released
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.outbox import bounds
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.store import Drop
from tests.support.outbox import commit

MIB = 1024 * 1024
DAY = 86_400.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path, clock):
    opened = Outbox.open(path, clock)
    yield opened
    opened.close()


def rows(outbox, table):
    return outbox.transactions.run(lambda db: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def store(outbox, line, number, size, first=0):
    for place in range(first, first + number):
        claim = line.claim(f"t{place}")
        outbox.hold(claim)
        commit(outbox, claim.identity, Completed(f'"{"x" * size}"'))


def deliver(outbox, *, keep=False):
    while due := outbox.due(128):
        verdict = Settle(Settlement.LOST if keep else Settlement.ACCEPTED, keep=keep)
        outbox.settle_and_hold([(report, verdict, 0.0) for report in due], ())


def tidy(outbox):
    """Tidies until nothing is left to give; how many steps that took."""
    steps = 1
    while outbox.tidy():
        steps += 1
    return steps


def test_a_log_is_emptied_once_nobody_reads_it_any_more(outbox, path, line, monkeypatch):
    monkeypatch.setattr(bounds, "JOURNAL_BYTES", MIB)
    log = path.with_name("outbox.db-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM outcomes").fetchone()
        store(outbox, line, 3, MIB)
        deliver(outbox)
        held = bounds.empty_log(path)
        assert held.startswith(f"{log.stat().st_size // MIB} MiB are the log outbox.db-wal, which cannot")
        assert held.endswith("reads the outbox; end it")

    assert log.stat().st_size > MIB
    assert bounds.empty_log(path) is None
    assert log.stat().st_size == 0


def test_a_log_without_its_file_is_left_alone(tmp_path):
    (tmp_path / "outbox.db-wal").write_bytes(b"the last results")

    assert bounds.empty_log(tmp_path / "outbox.db") is None
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [
        ("outbox.db-wal", b"the last results")
    ]


def test_what_was_delivered_gives_its_disk_space_back_in_small_steps(outbox, path, line):
    store(outbox, line, 24, MIB)
    assert outbox.used_bytes() > 24 * MIB
    deliver(outbox)

    assert outbox.used_bytes() < 1 * MIB
    assert tidy(outbox) >= 5
    store(outbox, line, 3, 10)
    assert path.stat().st_size < 10 * MIB
    assert path.with_name("outbox.db-wal").stat().st_size <= 17 * MIB


def test_some_free_pages_stay_for_the_next_reports(outbox, line):
    store(outbox, line, 3, MIB)
    deliver(outbox)

    assert outbox.tidy() is False
    assert outbox.transactions.run(lambda db: db.execute("PRAGMA freelist_count").fetchone()[0]) > 512


def test_nothing_is_written_where_nothing_is_to_be_tidied(outbox, path, line):
    store(outbox, line, 3, 100)
    sizes = [found.stat().st_size for found in sorted(path.parent.iterdir())]
    for _ in range(100):
        assert outbox.tidy() is False

    assert [found.stat().st_size for found in sorted(path.parent.iterdir())] == sizes


def test_a_worker_that_runs_for_weeks_forgets_what_is_past_its_time(outbox, line, clock):
    store(outbox, line, 2, 10)
    deliver(outbox, keep=True)
    outbox.checkpoint(TaskKey("s", "t", "T", "d"), "1")
    outbox.hold(line.claim("c"))
    outbox.resolve_orphans(retried=lambda _attempt: False)
    assert [rows(outbox, table) for table in ("recent", "checkpoints", "crashes")] == [2, 1, 1]

    clock.turn(DAY + 1)
    outbox.tidy()
    assert [rows(outbox, table) for table in ("recent", "checkpoints", "crashes")] == [0, 1, 1]
    clock.turn(6 * DAY)
    outbox.tidy()
    assert [rows(outbox, table) for table in ("recent", "checkpoints", "crashes")] == [0, 0, 0]


def test_r30_a_clock_that_jumps_takes_no_checkpoint_that_is_still_needed(outbox, line, clock):
    running, reported = line.claim("running"), line.claim("reported")
    for claim in (running, reported):
        outbox.hold(claim)
        outbox.checkpoint(claim.identity.task_key, "1")
    outbox.checkpoint(TaskKey("s", "elsewhere", "T", "d"), "1")
    commit(outbox, reported.identity, Released("later"))
    clock.turn(8 * DAY)
    outbox.tidy()

    assert rows(outbox, "checkpoints") == 2
    deliver(outbox)
    outbox.end(Drop(running.identity))
    clock.turn(DAY)
    outbox.tidy()
    assert rows(outbox, "checkpoints") == 0


@pytest.mark.parametrize(
    ("table", "instant", "most"), [("checkpoints", "CHECKPOINT_ROWS", 5), ("crashes", "CRASH_ROWS", 5)]
)
def test_of_too_many_the_oldest_are_forgotten(outbox, line, clock, monkeypatch, table, instant, most):
    monkeypatch.setattr(bounds, instant, most)
    for place in range(8):
        clock.turn(1)
        if table == "checkpoints":
            outbox.checkpoint(TaskKey("s", f"t{place}", "T", "d"), "1")
        else:
            outbox.hold(line.claim(f"t{place}"))
            outbox.resolve_orphans(retried=lambda _attempt: False)
    outbox.recover()

    left = outbox.transactions.run(lambda db: db.execute(f"SELECT task_id FROM {table}").fetchall())
    assert sorted(left) == [(f"t{place}",) for place in range(3, 8)]


def test_r25_kept_results_are_bounded_in_number_and_in_bytes(outbox, line, monkeypatch):
    monkeypatch.setattr(bounds, "RECENT_ROWS", 5)
    store(outbox, line, 8, 10)
    deliver(outbox, keep=True)
    assert rows(outbox, "recent") == 5

    monkeypatch.setattr(bounds, "RECENT_BYTES", 3_000)
    store(outbox, line, 8, 1_000, first=10)
    deliver(outbox, keep=True)
    assert rows(outbox, "recent") == 2
