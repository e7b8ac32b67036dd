"""`prismq-worker taskmanager export|backup`, beside a server that runs."""

import json
import os
import sqlite3
from contextlib import closing

import pytest

from tests.support.api import TYPE


@pytest.fixture
def database(api, tmp_path):
    """Of a running server, with one task of each kind."""
    ids = [api.submit(params={"n": number}, max_attempts=1) for number in range(3)]
    for _ in range(2):
        api.claim()
    api.complete(ids[0], result={"r": 1})
    api.fail(ids[1])
    return tmp_path / "tasks.db"


def exported(cli, *options):
    shown = cli("taskmanager", "export", *options)
    assert (shown.code, shown.err) == (0, "")
    return [json.loads(line) for line in shown.out.splitlines()]


def test_every_task_is_printed_with_its_history_and_logs(cli, database):
    lines = exported(cli, "--database", database)

    assert [line["status"] for line in lines] == ["completed", "failed", "pending"]
    assert [line["history"][0]["verdict"] for line in lines[:2]] == ["completed", "failed"]
    assert [(line["params"], line["logs"]) for line in lines] == [({"n": n}, []) for n in range(3)]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--status", "failed"], ["failed"]),
        (["--type", TYPE, "--status", "pending"], ["pending"]),
        (["--type", "Test.Other"], []),
        (["--older-than", "1s"], ["completed", "failed"]),
        (["--older-than", "11000d"], []),
    ],
)
def test_tasks_are_chosen_by_status_type_and_age(cli, database, options, found):
    lines = exported(cli, *options, "--database", database)

    assert [line["status"] for line in lines] == found


def test_what_taskmanager_was_given_counts_for_its_commands(cli, database, tmp_path, monkeypatch):
    shown = cli("taskmanager", "--database", database, "export")
    assert shown.out.count("\n") == 3
    assert cli("taskmanager", "--database", database, "backup", tmp_path / "copy.db").code == 0
    monkeypatch.setenv("PRISMQ_TASKMANAGER_DATABASE", str(database))
    assert len(exported(cli)) == 3


def test_a_file_may_hold_the_address_of_the_database(cli, database, tmp_path, monkeypatch):
    (tmp_path / "address").write_text(f"{database}\n")
    assert cli("taskmanager", "--database-file", "address", "export").out.count("\n") == 3
    monkeypatch.setenv("PRISMQ_TASKMANAGER_DATABASE_FILE", str(tmp_path / "address"))
    assert len(exported(cli)) == 3
    assert "keep one of them" in cli("taskmanager", "--database", database, "export").err


@pytest.mark.parametrize(("text", "said"), [(None, "cannot be read"), ("\n", "is empty")])
def test_a_file_that_holds_no_address_is_named(text, said, cli, tmp_path):
    if text is not None:
        (tmp_path / "address").write_text(text)
    shown = cli("taskmanager", "--database-file", "address")

    assert (shown.code, shown.out) == (2, "")
    assert f"--database-file names {tmp_path / 'address'}, which {said}" in shown.err


def test_a_copy_holds_what_was_answered_and_stands_alone(cli, api, database, tmp_path):
    copy = tmp_path / "copies" / "copy.db"
    copy.parent.mkdir()
    copy.write_text("an older copy")
    shown = cli("taskmanager", "backup", copy, "--database", database)

    assert (shown.code, shown.out, shown.err) == (0, "", f"{copy}: 3 tasks, checked\n")
    assert [path.name for path in copy.parent.iterdir()] == ["copy.db"]
    api.submit()
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (3,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert len(exported(cli, "--database", copy)) == 3


def test_a_copy_that_was_cut_off_is_made_anew(cli, database, tmp_path):
    (tmp_path / "copy.db.part").write_bytes(b"cut off")
    assert cli("taskmanager", "backup", "copy.db", "--database", database).code == 0
    assert not (tmp_path / "copy.db.part").exists()


def test_a_damaged_database_is_told_and_the_last_copy_stays(cli, api, database, tmp_path):
    copy, bad = tmp_path / "copy.db", tmp_path / "bad.db"
    assert cli("taskmanager", "backup", bad, "--database", database).code == 0
    copy.write_text("the last one")
    data = bytearray(bad.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    bad.write_bytes(data)
    shown = cli("taskmanager", "backup", copy, "--database", bad)

    assert (shown.code, shown.out) == (1, "")
    assert str(bad) in shown.err
    assert copy.read_text() == "the last one"
    assert not (tmp_path / "copy.db.part").exists()


@pytest.mark.parametrize("command", [["export"], ["backup", "copy.db"]])
@pytest.mark.parametrize("there", [False, True])
def test_what_is_no_database_of_a_taskmanager_is_told(cli, tmp_path, command, there):
    if there:
        (tmp_path / "other.db").write_text("no database at all, but a text")
    shown = cli("taskmanager", *command, "--database", tmp_path / "other.db")

    assert shown.code in {1, 2}
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert ("other.db" in shown.err) if not there else ("not a database" in shown.err)
    assert {path.name for path in tmp_path.iterdir()} <= {"other.db", "state"}


def test_the_copy_of_a_database_server_is_left_to_its_own_tool(cli):
    shown = cli("taskmanager", "backup", "copy.db", "--database", "mysql+pymysql://me:hunter22@db/prismq")

    assert (shown.code, shown.out) == (2, "")
    assert "mariadb-dump --single-transaction --databases prismq > FILE" in shown.err
    assert "hunter22" not in shown.err


def test_a_database_is_not_copied_onto_itself(cli, database):
    shown = cli("taskmanager", "backup", database, "--database", database)

    assert (shown.code, shown.out) == (2, "")
    assert "is the database itself" in shown.err


@pytest.mark.parametrize("kept", ["-1", "soon", "1y", "", "30", "1.5"])
def test_an_age_that_is_none_is_refused(cli, kept):
    shown = cli("taskmanager", f"--keep-failed={kept}", "--port", "0")

    assert (shown.code, shown.out) == (2, "")
    assert "--keep-failed" in shown.err
    assert "write for example 12h or 30d, or forever" in shown.err


def test_a_new_database_and_its_copy_are_for_their_user_alone(cli, tmp_path):
    before = os.umask(0)
    try:
        assert cli("taskmanager", "--database", "new.db", "keys", "list").code == 0
        assert cli("taskmanager", "--database", "new.db", "backup", "copy.db").code == 0
    finally:
        os.umask(before)

    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.glob("*.db*")} == {"0o600"}
