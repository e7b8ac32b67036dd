"""A damaged outbox is set aside whole, and what can still be read goes on in a fresh one."""

import sqlite3
from contextlib import closing
from datetime import datetime

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.model.outcome import Failed
from prismq_worker_sdk.outbox.damage import mend
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.schema import STEPS, VERSION, open_database
from prismq_worker_sdk.outbox.store import Lapse

NOW = datetime(2026, 11, 24, 12, 30, 5, tzinfo=UTC)
ASIDE = "outbox.db.damaged-20261124T123005Z"
PAGE = 4096
LEAF = 13
"""The first byte of a page that holds rows."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


def waiting(path, clock):
    """The tasks whose reports wait in a file."""
    outbox = Outbox.open(path, clock)
    found = [report.identity.task_id for report in outbox.after(0, 1000)]
    outbox.close()
    return found


def names(path):
    return sorted(found.name for found in path.parent.iterdir())


def test_a_sound_outbox_and_none_at_all_are_left_as_they_are(path, line):
    assert mend(path, NOW) is None
    assert names(path) == []
    line.commit(path, *line.results(3))
    before = path.read_bytes()

    assert mend(path, NOW) is None
    assert path.read_bytes() == before


def test_a_log_that_a_killed_process_left_is_no_damage(path, line, tmp_path):
    image = log_of_a_killed_process(path, line, tmp_path)

    assert mend(path, NOW) is None
    assert path.with_name("outbox.db-wal").read_bytes() == image


def log_of_a_killed_process(path, line, tmp_path):
    """Makes the files as they are after SIGKILL: reports in the log, hardly anything in the database."""
    with closing(open_database(tmp_path / "other.db")) as db:
        db.execute("PRAGMA wal_autocheckpoint = 0")
        line.commit(tmp_path / "other.db", *line.results(3), held=["h"])
        for end in ("", "-wal"):
            path.with_name(path.name + end).write_bytes((tmp_path / f"other.db{end}").read_bytes())
    for left in tmp_path.glob("other.db*"):
        left.unlink()
    return path.with_name("outbox.db-wal").read_bytes()


def test_garbage_is_kept_and_the_outbox_begins_afresh(path, clock):
    garbage = b"not a database, but long enough to be taken for one" * 400
    path.write_bytes(garbage)
    said = mend(path, NOW)

    assert "is damaged (file is not a database)" in said
    assert f"kept as {ASIDE}" in said
    assert "0 reports and 0 claims could be read" in said
    assert path.with_name(ASIDE).read_bytes() == garbage
    assert waiting(path, clock) == []
    assert mend(path, NOW) is None


def test_what_a_truncated_file_still_holds_goes_on(path, line, clock):
    line.commit(path, *line.results(60, size=2000), held=["h"])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    said = mend(path, NOW)

    left = waiting(path, clock)
    assert 10 < len(left) < 60
    assert f": {len(left)} reports and 1 claims could be read" in said
    assert path.with_name(ASIDE).read_bytes() == whole[: len(whole) * 2 // 3]


def break_pages(path, leaves, *names):
    """Overwrites so many pages of reports, far from each other, and the first pages of these indexes."""
    image = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_master"))
    full = [
        number
        for number in range(len(image) // PAGE)
        if image[number * PAGE] == LEAF and image.count(b"x" * 900, number * PAGE, (number + 1) * PAGE) > 1
    ]
    broken = [full[len(full) * (place + 1) // (leaves + 1)] for place in range(leaves)]
    for number in (*broken, *(roots[name] - 1 for name in names)):
        image[number * PAGE : number * PAGE + 200] = b"\xff" * 200
    path.write_bytes(bytes(image))


@pytest.mark.parametrize(("leaves", "indexes"), [(1, ()), (2, ()), (1, ("outcomes_line", "outcomes_task"))])
def test_damaged_pages_cost_the_reports_on_them_and_no_other(leaves, indexes, path, line, clock):
    line.commit(path, *line.results(60, size=1000))
    break_pages(path, leaves, *indexes)
    said = mend(path, NOW)

    assert "is damaged" in said
    assert 60 - 6 * leaves <= len(waiting(path, clock)) < 60


def test_a_log_beside_an_empty_file_is_read_and_kept(path, line, clock, tmp_path):
    image = log_of_a_killed_process(path, line, tmp_path)
    path.write_bytes(b"")
    said = mend(path, NOW)

    assert "the file is empty, but its write-ahead log is not" in said
    assert "3 reports and 1 claims could be read" in said
    assert path.with_name(f"{ASIDE}-wal").read_bytes() == image
    assert waiting(path, clock) == ["t0", "t1", "t2"]


def test_a_log_whose_file_was_deleted_is_read_and_kept(path, line, clock, tmp_path):
    log_of_a_killed_process(path, line, tmp_path)
    path.unlink()

    assert "3 reports" in mend(path, NOW)
    assert waiting(path, clock) == ["t0", "t1", "t2"]


def test_a_database_of_something_else_is_set_aside(path, clock):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE songs (title TEXT)")

    assert "a database of something else" in mend(path, NOW)
    assert names(path) == ["outbox.db", ASIDE]


def test_r18_how_often_a_task_was_given_back_is_read_from_a_damaged_outbox(path, line, clock):
    line.commit(path, Failed("e"))
    outbox = Outbox.open(path, clock)
    for _ in range(22):
        outbox.hold(line.claim("deferred"))
        outbox.end(Lapse(line.claim("deferred").identity))
    outbox.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE pauses")
    mend(path, NOW)
    outbox = Outbox.open(path, clock)

    assert outbox.hold(line.claim("deferred")).lapses == 22
    outbox.close()


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_sound_outbox_of_an_older_version_is_not_damaged(version, path):
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{''.join(STEPS[:version])}PRAGMA user_version = {version};")

    assert mend(path, NOW) is None


def test_an_outbox_without_its_tables_is_set_aside_with_what_it_has(path, line, clock):
    line.commit(path, Failed("e"), held=["h"])
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE pauses")

    said = mend(path, NOW)
    assert "the tables pauses are missing" in said
    assert "1 reports and 1 claims" in said
    assert waiting(path, clock) == ["t0"]


def test_the_log_of_a_damaged_file_is_set_aside_with_it(path):
    path.write_bytes(b"no database at all" * 500)
    path.with_name("outbox.db-wal").write_bytes(b"no log either" * 500)
    mend(path, NOW)

    assert path.with_name(f"{ASIDE}-wal").read_bytes() == b"no log either" * 500
    assert [name for name in names(path) if not name.endswith("-shm")] == ["outbox.db", ASIDE, f"{ASIDE}-wal"]


def test_without_room_to_look_into_it_nothing_is_touched(path, monkeypatch):
    path.write_bytes(b"no database at all" * 500)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("prismq_worker_sdk.outbox.damage.shutil.copyfile", full)
    with pytest.raises(StateFolderError, match=r"No space left on device.*free twice its size"):
        mend(path, NOW)
    assert [name for name in names(path) if not name.endswith("-shm")] == ["outbox.db"]
