"""The tables of an outbox file have a version; older ones are brought to this one, newer ones are left alone."""

import sqlite3
from contextlib import closing

import pytest

from prismq_worker_sdk.errors import StateFolderError, UsageError
from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.outbox import schema
from prismq_worker_sdk.outbox.folder import take_instance
from prismq_worker_sdk.outbox.left_behind import inherit
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.schema import STEPS, TABLES, VERSION, open_database, tables

VERSION_1 = """
CREATE TABLE holds (
    server TEXT NOT NULL, dialect TEXT NOT NULL, task_id TEXT NOT NULL, task_type TEXT NOT NULL,
    digest TEXT NOT NULL, worker_id TEXT NOT NULL, token TEXT NOT NULL,
    attempt INTEGER, held_at REAL NOT NULL,
    PRIMARY KEY (server, dialect, task_id, task_type, digest, worker_id, token)) WITHOUT ROWID;
CREATE TABLE outcomes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE,
    server TEXT NOT NULL, dialect TEXT NOT NULL, task_id TEXT NOT NULL, task_type TEXT NOT NULL,
    digest TEXT NOT NULL, worker_id TEXT NOT NULL, token TEXT NOT NULL,
    attempt INTEGER, kind TEXT NOT NULL CHECK (kind IN ('completed', 'failed', 'released')),
    body TEXT NOT NULL, children TEXT NOT NULL DEFAULT '[]',
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'parked')),
    committed_at REAL NOT NULL, next_try REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    maybe_seen INTEGER NOT NULL DEFAULT 0, passed INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '');
CREATE INDEX outcomes_line ON outcomes (state, next_try, number);
CREATE INDEX outcomes_task ON outcomes (server, task_id, state);
CREATE TABLE recent (
    server TEXT NOT NULL, task_id TEXT NOT NULL, task_type TEXT NOT NULL, digest TEXT NOT NULL,
    result TEXT NOT NULL, kept_at REAL NOT NULL, PRIMARY KEY (server, task_id, task_type, digest));
CREATE TABLE crashes (
    server TEXT NOT NULL, task_id TEXT NOT NULL, task_type TEXT NOT NULL, digest TEXT NOT NULL,
    times INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (server, task_id, task_type, digest)) WITHOUT ROWID;
CREATE TABLE checkpoints (
    server TEXT NOT NULL, task_id TEXT NOT NULL, task_type TEXT NOT NULL, digest TEXT NOT NULL,
    value TEXT NOT NULL, stored_at REAL NOT NULL, PRIMARY KEY (server, task_id, task_type, digest));
CREATE TABLE pauses (task_type TEXT PRIMARY KEY, until REAL NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO holds VALUES ('http://s/api', 'v1', 'running', 'T', 'd', 'w1', '', 1, 5.0);
INSERT INTO outcomes (uid, server, dialect, task_id, task_type, digest, worker_id, token, attempt, kind, body,
                      committed_at, next_try, state, detail) VALUES
    ('u1', 'http://s/api', 'v1', 'parked', 'T', 'd', 'w1', '', 1, 'completed', '[1]', 5.0, 5.0, 'parked', '413'),
    ('u2', 'http://s/api', 'v1', 'waits', 'T', 'd', 'w1', '', 1, 'completed', '{"n": 2}', 6.0, 6.0, 'waiting', ''),
    ('u3', 'http://s/api', 'v1', 'parked', 'T', 'd', 'w1', '', 1, 'failed',
     '{"error": "refused", "error_type": "refused", "retryable": false, "delay_seconds": null}',
     7.0, 7.0, 'waiting', '');
INSERT INTO pauses VALUES ('T', 9e12, 'quota used up');
PRAGMA user_version = 1;
"""
"""A file as the first version wrote it; what it says must not change."""


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA journal_mode = WAL;" + VERSION_1)
    return path


def test_a_file_of_version_1_is_brought_to_this_version_with_all_it_holds(old, clock):
    outbox = Outbox.open(old, clock)

    assert [(report.identity.task_id, report.outcome) for report in outbox.after(0, 9)] == [
        ("waits", Completed('{"n": 2}')),
        ("parked", Failed("refused", "refused", retryable=False)),
    ]
    assert outbox.count("parked") == 1
    assert [identity.task_id for identity, _ in outbox.resolve_orphans(retried=lambda _attempt: False)] == [
        "running"
    ]
    assert outbox.pauses()["T"][1] == "quota used up"
    outbox.close()


def test_a_report_that_was_parked_by_version_1_knows_the_failure_that_took_its_place(old):
    with closing(open_database(old)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        parked = db.execute("SELECT replacement, parked_at FROM outcomes WHERE state = 'parked'").fetchall()
        assert parked == [("u3", 5.0)]
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_every_way_up_the_ladder_leads_to_the_same_tables(old, tmp_path):
    def tables(path):
        with closing(open_database(path)) as db:
            rows = db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
            return {row: db.execute(f"PRAGMA table_info({row[1]})").fetchall() for row in sorted(rows)}

    assert tables(old) == tables(tmp_path / "new.db")


def test_the_list_of_tables_is_what_the_database_has(tmp_path):
    for version in range(1, VERSION + 1):
        with closing(sqlite3.connect(tmp_path / f"{version}.db")) as db:
            for step in STEPS[:version]:
                db.executescript(step)
            found = db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
            assert sorted(tables(version)) == sorted(name for (name,) in found)
    assert tables(VERSION) == TABLES


def test_a_step_that_fails_leaves_the_version_before_it_whole(old, monkeypatch):
    broken = ("", "ALTER TABLE outcomes ADD COLUMN half TEXT;\nINSERT INTO nowhere VALUES (1)")
    monkeypatch.setattr(schema, "STEPS", broken)
    with pytest.raises(StateFolderError, match="no such table: nowhere"):
        open_database(old)
    monkeypatch.undo()
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert "half" not in {row[1] for row in db.execute("PRAGMA table_info(outcomes)")}

    open_database(old).close()


def test_an_outbox_of_a_newer_version_is_refused_by_its_version_and_left_alone(tmp_path):
    path = tmp_path / "o.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE outcomes (new TEXT); PRAGMA user_version = 99")
    before = path.read_bytes()

    with pytest.raises(StateFolderError, match=f"format 99, .* up to {VERSION}; use the newer SDK"):
        open_database(path)
    assert path.read_bytes() == before


def test_r39_what_a_free_instance_of_an_older_version_left_is_taken_over(old, tmp_path, clock):
    folder = tmp_path / "state"
    (folder / "instance-0").mkdir(parents=True)
    old.rename(folder / "instance-0" / "outbox.db")
    sibling = take_instance(folder)
    with closing(open_database(tmp_path / "own.db")) as own:
        inherit(own, sibling)
    sibling.release()
    outbox = Outbox.open(tmp_path / "own.db", clock)

    assert [report.identity.task_id for report in outbox.after(0, 9)] == ["waits", "parked"]
    (parked,) = [number for number in range(9) if _retries(outbox, number)]
    assert len(outbox.after(0, 9)) == 2
    assert parked
    outbox.close()


def _retries(outbox, number):
    """Whether a parked report goes back into the line, the failure in its place withdrawn."""
    try:
        return outbox.retry(number)
    except UsageError:
        return False
