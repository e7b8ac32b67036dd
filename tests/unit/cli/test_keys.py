"""`prismq-worker taskmanager keys`: on the database, whether its server runs or not."""

import json
import sys

import pytest

from prismq_worker_sdk.taskmanager.app_state import AppState
from tests.support.api import running_api


def test_a_key_is_made_listed_and_revoked_without_a_server(cli, tmp_path):
    made = cli("taskmanager", "keys", "create", "ops", "--scope", "admin")
    assert (made.code, made.out[:11], made.out.count("\n")) == (0, "prismq_key_", 1)
    assert made.err == "admin key ops: keep it now, only its digest is stored; send it as X-API-Key\n"
    assert (tmp_path / "taskmanager.db").exists()

    shown = cli("taskmanager", "keys", "list")
    assert " ".join(shown.out.split()) == "ops admin until revoked, never used, any rate, every type"
    assert cli("taskmanager", "keys", "revoke", "ops").out.startswith(
        "ops                  admin     revoked 20"
    )
    assert json.loads(cli("taskmanager", "keys", "list", "--json").out)["keys"][0]["revoked_at"]


def test_a_server_that_runs_takes_up_the_first_key_of_the_command(cli, tmp_path):
    database = str(tmp_path / "tasks.db")
    with running_api(tmp_path, database=database) as api:
        assert api.call("GET", "/stats").status_code == 200
        key = cli(
            "taskmanager", "keys", "create", "ops", "--scope", "reader", "--database", database
        ).out.strip()
        api.chore(AppState.look_at_keys)

        assert [api.call("GET", "/stats", key=given).status_code for given in (None, key)] == [401, 200]


def test_all_that_can_be_said_of_a_key_is_shown(cli, tmp_path):
    words = ("--type", "A.B", "--type", "A.A", "--expires", "90d", "--rate", "60", "--json")
    made = json.loads(
        cli(
            "taskmanager", "--database", tmp_path / "x.db", "keys", "create", "w", "--scope", "worker", *words
        ).out
    )
    assert (made["task_types"], made["requests_per_minute"]) == (["A.A", "A.B"], 60)
    shown = cli("taskmanager", "keys", "list", "--database", tmp_path / "x.db").out

    assert " ".join(shown.split()) == f"w worker until {made['expires_at']}, never used, 60/min, A.A, A.B"
    assert made["key"] not in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "k"), "Missing option '--scope'"),
        (("create", "k", "--scope", "boss"), "'boss' is not one of"),
        (("create", "k\n", "--scope", "admin"), "/name: must be printable characters"),
        (("create", "k", "--scope", "admin", "--type", "A.B"), "an admin key may do everything"),
        (("create", "k", "--scope", "reader", "--type", "no type"), "/task_types/0: must be dotted names"),
        (("create", "k", "--scope", "reader", "--expires", "soon"), "'soon' is not a duration"),
        (("create", "k", "--scope", "reader", "--rate", "0"), "0 is not in the range"),
        (("revoke", "nobody"), "there is no key nobody"),
        (("list", "--database", "no-such-folder/x.db"), "there is no folder"),
        (("list", "--database", "nonsense://x"), "--database is no file and no URL"),
        (("remove",), "No such command 'remove'; did you mean revoke?"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(cli, words, said):
    shown = cli("taskmanager", "keys", *words)

    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert "Traceback" not in shown.err


def test_a_name_that_was_used_is_refused(cli):
    for code in (0, 2):
        shown = cli("taskmanager", "keys", "create", "ops", "--scope", "admin")
        assert shown.code == code
    assert "there is, or was, a key 'ops'" in shown.err


def test_no_key_at_all_is_said(cli):
    shown = cli("taskmanager", "keys", "list")

    assert (shown.code, shown.out, shown.err) == (0, "", "no key\n")


@pytest.mark.parametrize("words", [["create", "k", "--scope", "admin"], ["list"], ["revoke", "k"]])
def test_without_the_extra_it_is_said_what_to_install(words, cli, monkeypatch):
    for name in ("fastapi", "sqlalchemy", "uvicorn"):
        monkeypatch.setitem(sys.modules, name, None)
    shown = cli("taskmanager", "keys", *words)

    assert (shown.code, shown.out) == (2, "")
    assert "prismq-worker-sdk[taskmanager]" in shown.err
