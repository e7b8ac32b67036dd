"""Databases of before open as they are, statements find their rows without a walk, and ids grow."""

import importlib
import json
import os
import pkgutil
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from prismq_worker_sdk import taskmanager
from prismq_worker_sdk.taskmanager import deleting, retention
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.db.migrate import OLD_INDEXES
from prismq_worker_sdk.taskmanager.db.statements import Statement
from prismq_worker_sdk.taskmanager.db.tables import tasks
from prismq_worker_sdk.taskmanager.ids import new_ids, new_tokens
from prismq_worker_sdk.testing import FakeClock
from tests.support.api import SERVER, TYPE, running_api

OLD = (Path(__file__).parent / "database_0_1_0.sql").read_text(encoding="utf-8")
DONE, RENEWED, UNCONFIRMED = (
    {"task_id": "30644efa-8ff5-493e-a579-65b274a10a89", "lease_token": "4TjxgY00k1MGacD8ygpvAQP_LUBB1gCD"},
    {"task_id": "61a2647e-ef11-4614-868f-05c214327681", "lease_token": "8UBY8lmDJ1hqZfPBnahYX4rrITJ4JQKb"},
    {"task_id": "45a242d3-44e9-4116-907c-f8bdf6244681", "lease_token": "KxgaWeabT2SCwYHm-VzwlyaatEWm5JKI"},
)
"""Claims of the old database: reported, renewed, and without a sign of life."""
FOUND = ("known", "next", "asked", "line")
FEW = {"SCAN CONSTANT ROW", "SCAN json_each VIRTUAL TABLE INDEX 1:", *(f"SCAN {one}" for one in FOUND)}
"""What the statement itself has found or was given."""
SMALL = {"keys._LIVE": "SCAN api_keys", "claimants._SEEN": "SCAN worker_types"}
"""Tables of one row for each key, and for each worker, all of which are wanted."""
MODULES = [
    importlib.import_module(f"{taskmanager.__name__}.{one.name}")
    for one in pkgutil.iter_modules(taskmanager.__path__)
]
STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Statement) and "DUPLICATE KEY" not in value._text
}


@pytest.fixture
def old(tmp_path):
    if SERVER in os.environ:
        pytest.skip("version 0.1.0 knew SQLite only")
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as db:
        db.executescript(OLD)
    with running_api(tmp_path, FakeClock()) as api:
        yield api


def exchanged(api, **said):
    return api.call("POST", "/tasks/exchange", {"worker_id": "w1", **said}).json()


def test_claims_of_a_database_of_version_0_1_0_go_on(old):
    done = {"outcome": "completed", "result": {"done": 1}}
    answer = exchanged(old, reports=[{**DONE, **done}, {**RENEWED, **done}], leases=[UNCONFIRMED])

    assert [one["verdict"] for one in answer["reports"]] == ["duplicate", "accepted"]
    assert [one["verdict"] for one in answer["leases"]] == ["renewed"]
    assert old.show(RENEWED["task_id"])["checkpoint"] == {"p": 1}
    assert old.complete("0144ecf9-2320-4f4d-b776-a9a69019d288", "w2") == 200


def test_a_request_to_a_server_of_version_0_1_0_is_answered_alike_when_it_is_repeated(old):
    claim = {"task_types": [TYPE], "max_tasks": 3}
    again = exchanged(old, request_id="r1", claim=claim)["tasks"]

    assert [(task["id"], task["lease_token"]) for task in again] == [
        (one["task_id"], one["lease_token"]) for one in (RENEWED, UNCONFIRMED)
    ]


def test_tasks_of_a_database_of_version_0_1_0_are_shown_handed_out_and_tried_again(old):
    assert old.submit(dedupe_key="k") == RENEWED["task_id"]
    (failed,) = old.call("GET", "/tasks?status=failed").json()["tasks"]
    assert old.call("POST", f"/tasks/{failed['id']}/retry").status_code == 200
    assert old.claim(types=["Test.Failed"])["id"] == failed["id"]
    assert old.claim(types=["Test.Waits"]) is None
    old.clock.turn(60)
    assert old.claim(types=["Test.Waits"])["params"] == {"n": 5}
    assert old.call("POST", "/tasks", {"type": "Test.Checked", "params": {"q": 1}}).status_code == 422


def test_a_database_of_version_0_1_0_has_the_indexes_of_this_one_once_it_was_opened(old, tmp_path):
    fresh = connect("sqlite://")
    with fresh.writing.connect() as db:
        wanted = set(db.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'index'").scalars())
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as db:
        found = {row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE type = 'index'")}
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    fresh.close()

    assert found == wanted
    assert names.isdisjoint(OLD_INDEXES)
    assert names >= {index.name for index in tasks.indexes}


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_of_a_task_walks_through_a_table(name):
    database = connect("sqlite://")
    with database.writing.connect() as db:
        text, order = STATEMENTS[name]._for(database.writing.dialect)
        plan = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", (1,) * len(order)).all()
    database.close()
    steps = [step[3] for step in plan]

    walks = [step for step in steps if step.startswith("SCAN") and "INDEX" not in step]
    assert [step for step in walks if step not in FEW | {SMALL.get(name)}] == []
    groups = "GROUP BY" in STATEMENTS[name]._text
    assert groups or name == "candidates._EXPIRED" or [step for step in steps if "TEMP B-TREE" in step] == []


@pytest.mark.parametrize("number", [1, retention.SLICE])
def test_no_statement_of_a_deletion_walks_through_a_table(number):
    row = {"dedupe_key": "k", "status": "failed"}
    rows = [SimpleNamespace(id=f"t{n}", parent_id=f"p{n}", **row) for n in range(number)]
    database, plans = connect("sqlite://"), []
    with database.writing.connect() as db, db.begin():

        @sa.event.listens_for(db, "before_cursor_execute")
        def explain(_db, cursor, statement, parameters, _context, _many):
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in cursor.fetchall())

        deleting.those_that_may_go(db, rows)
        deleting.delete_logs(db, [row.id for row in rows], 5)
        deleting.delete(db, rows, 0.0)
    database.close()

    assert len(plans) >= 7
    assert [step for step in plans if step.startswith("SCAN")] == []


def test_the_ids_of_tasks_are_uuids_that_grow_and_never_come_twice():
    ids = [one for _ in range(3) for one in new_ids(2000)]

    assert {uuid.UUID(one).version for one in ids} == {7}
    assert {uuid.UUID(one).variant for one in ids} == {uuid.RFC_4122}
    assert len(set(ids)) == len(ids)
    assert ids[:2000] == sorted(ids[:2000])


def test_r02_tokens_grow_and_end_in_what_nobody_can_guess():
    tokens = [one for _ in range(3) for one in new_tokens(128)]

    assert tokens[:128] == sorted(tokens[:128])
    assert {len(one) for one in tokens} == {48}
    assert len({one[-32:] for one in tokens}) == len(tokens)
    assert json.loads(json.dumps(tokens)) == tokens
