"""The state file: whatever is wrong with it, it is said once, and no task fails by it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from prismq_youtube_shorts.ledger import Ledger
from prismq_youtube_shorts.quota import Bucket
from prismq_youtube_shorts.state_file import VERSION, StateFile


def ledger_of(file, clock):
    return Ledger(file, "p", dict.fromkeys(Bucket, 100), clock)


def test_a_folder_that_cannot_be_made_costs_the_count_and_is_told_once(tmp_path, clock, caplog):
    (tmp_path / "state").write_text("a file in the way")
    file = StateFile(tmp_path / "state")
    ledger = ledger_of(file, clock)

    ledger.spend(Bucket.SEARCH)
    ledger.spend(Bucket.SEARCH)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert ["cannot be used" in record.getMessage() for record in warnings] == [True]
    assert "quota is not counted" in caplog.text


def test_a_file_in_a_folder_that_may_not_be_entered_costs_the_count_and_no_task(
    tmp_path, clock, caplog, monkeypatch
):
    file = StateFile(tmp_path)
    stat = Path.stat

    def forbidden(path, **options):
        if path == file.path:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", forbidden)

    assert file.read("SELECT 1", ()) == []
    assert file.read("SELECT 1", ()) == []
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert ["cannot be used ([Errno 13]" in record.getMessage() for record in warnings] == [True]


def test_a_damaged_file_is_set_aside_and_a_fresh_one_is_begun(tmp_path, clock, caplog):
    (tmp_path / "youtube.db").write_bytes(b"this is no database at all, and long enough to be looked at" * 40)
    file = StateFile(tmp_path)
    ledger = ledger_of(file, clock)
    ledger.spend(Bucket.SEARCH)
    ledger.spend(Bucket.SEARCH)

    assert ledger.quota(Bucket.SEARCH).used == 2
    assert [path.name.split("-")[0] for path in sorted(tmp_path.glob("youtube.db.*"))] == [
        "youtube.db.damaged"
    ]
    assert "it was set aside as youtube.db.damaged-" in caplog.text


def test_a_file_of_a_newer_plugin_is_left_alone(tmp_path, clock, caplog):
    with sqlite3.connect(tmp_path / "youtube.db") as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    file = StateFile(tmp_path)
    ledger_of(file, clock).spend(Bucket.SEARCH)

    assert f"it is of version {VERSION + 1}, this plugin knows {VERSION}" in caplog.text
    assert not list(tmp_path.glob("*.damaged*"))


def test_what_one_transaction_could_not_finish_is_undone(tmp_path):
    file = StateFile(tmp_path)

    def half(db):
        db.execute("INSERT INTO usage VALUES ('p', 'search', '2026-01-01', 1)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        file.run(half, None)
    assert file.run(lambda db: db.execute("SELECT count(*) FROM usage").fetchone()[0], None) == 0


def test_a_file_that_is_deleted_under_a_worker_is_begun_anew(tmp_path, clock):
    file = StateFile(tmp_path)
    ledger = ledger_of(file, clock)
    ledger.spend(Bucket.SEARCH)
    file.path.unlink()
    ledger.spend(Bucket.SEARCH)

    assert ledger.quota(Bucket.SEARCH).used == 1
    assert file.path.exists()


def test_of_two_processes_that_find_one_file_damaged_the_second_uses_what_the_first_began(tmp_path, clock):
    first, second = StateFile(tmp_path), StateFile(tmp_path)
    mine, other = ledger_of(first, clock), ledger_of(second, clock)
    mine.spend(Bucket.SEARCH)
    other.spend(Bucket.SEARCH)
    with (tmp_path / "youtube.db").open("r+b") as written:
        written.write(b"this is no database any more" * 400)
    mine.spend(Bucket.SEARCH)
    other.spend(Bucket.SEARCH)
    mine.spend(Bucket.SEARCH)

    assert mine.quota(Bucket.SEARCH).used == other.quota(Bucket.SEARCH).used == 3
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
