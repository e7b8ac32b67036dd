"""Which tasks a filter means; `GET /tasks` shows them."""

from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import filters
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.db.deadline import TooSlow
from prismq_worker_sdk.taskmanager.db.tables import tasks
from prismq_worker_sdk.taskmanager.filters import matching
from prismq_worker_sdk.taskmanager.messages import TaskSet
from prismq_worker_sdk.taskmanager.views import instant
from tests.support.api import TYPE


def listed(api, **wanted):
    answer = api.call("GET", "/tasks", params=wanted)
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in answer.json()["tasks"]]


def now(api):
    return instant(api.clock.utc().timestamp())


def failed(api, error="it broke", error_type=None):
    task_id = api.submit(max_attempts=1)
    body = {"worker_id": "w1", "claim": {"task_types": [TYPE]}}
    (task,) = api.call("POST", "/tasks/exchange", body).json()["tasks"]
    report = {"task_id": task_id, "lease_token": task["lease_token"], "outcome": "failed"}
    report |= {"error": error, "error_type": error_type}
    api.call("POST", "/tasks/exchange", {"worker_id": "w1", "reports": [report]})
    return task_id


def test_tasks_are_found_by_the_type_and_the_text_of_their_error(api):
    slow = failed(api, "timeout after 30 s", "Timeout")
    wrong = failed(api, "no such video", "ValueError")
    api.submit()

    assert listed(api, error_type="Timeout") == [slow]
    assert listed(api, error="such") == [wrong]
    assert listed(api, error_type="Timeout", error="such") == []
    assert listed(api, error_type="timeout") == []


def test_a_text_is_found_in_either_case_of_ascii_and_no_other(api):
    task_id = failed(api, "Ärger mit 100% [a+b] (Zoë)\n.*")

    for found in ("ÄRGER MIT", "100% [A+B]", "(zoë)", "\n.*", "Ä"):
        assert listed(api, error=found) == [task_id], found
        assert listed(api, q=found) == [task_id], found
    for other in ("ärger", "100_", "a.b", "ZOË"):
        assert listed(api, error=other) == [], other


@contextmanager
def too_slow(_db, _seconds):
    yield
    raise TooSlow


@pytest.mark.parametrize("wanted", [{"q": "never there"}, {"error": "no"}, {"worker_id": "w9"}])
def test_a_search_that_takes_too_long_is_broken_off_and_says_what_to_do(api, monkeypatch, wanted):
    api.submit()
    assert listed(api, **wanted) == []
    monkeypatch.setattr(filters, "within", too_slow)
    for refused in (
        api.call("GET", "/tasks", params=wanted),
        api.call("POST", "/tasks/bulk", {"action": "cancel", "filter": wanted}),
    ):
        assert refused.status_code == 422
        assert "narrow it by type, status, parent_id or times" in refused.json()["detail"]

    assert len(listed(api, type=TYPE)) == 1


def test_tasks_are_found_by_their_parent(api):
    parent = api.submit()
    children = [api.submit(parent_id=parent) for _ in range(2)]

    assert listed(api, parent_id=parent) == children[::-1]


def test_spans_of_creation_hold_their_beginning_and_not_their_end(api):
    times, ids = [], []
    for _ in range(3):
        times.append(now(api))
        ids.append(api.submit())
        api.clock.turn(60)

    assert listed(api, created_after=times[1]) == [ids[2], ids[1]]
    assert listed(api, created_before=times[1]) == [ids[0]]
    assert listed(api, created_after=times[1], created_before=times[2]) == [ids[1]]
    assert listed(api, created_after=now(api)) == []


def test_spans_of_ends_leave_out_what_has_not_ended(api):
    first = failed(api)
    begun = now(api)
    api.clock.turn(60)
    second = failed(api)
    api.submit()

    assert listed(api, ended_after=begun) == [second, first]
    assert listed(api, ended_before=now(api)) == [first]
    assert listed(api, ended_after=now(api), status="failed") == [second]


def test_a_span_may_be_named_in_any_zone(api):
    task_id = api.submit()
    offset = now(api).replace("Z", "+00:00")

    assert listed(api, created_after=offset) == [task_id]


@pytest.mark.parametrize(
    "wanted",
    [
        {"created_after": "yesterday"},
        {"created_before": "2026-11-29"},
        {"ended_after": "2026-11-29T12:00:00"},
        {"ended_before": "12"},
        {"error": "x" * 201},
        {"parent_id": "x" * 37},
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(api, wanted):
    assert api.call("GET", "/tasks", params=wanted).status_code == 422


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({"type": "T"}, "tasks_by_type"),
        ({"worker_id": "w"}, "tasks_by_worker"),
        ({"parent_id": "p"}, "tasks_by_parent"),
        ({"error_type": "E"}, "tasks_by_error"),
        ({"status": "failed"}, "tasks_failed"),
        ({"status": "failed", "created_after": "2026-01-01T00:00:00Z"}, "tasks_failed"),
        ({"created_before": "2026-01-01T00:00:00Z"}, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ({"ended_after": "2026-01-01T00:00:00Z"}, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ],
)
def test_a_page_is_walked_in_its_order_by_the_index_of_what_is_wanted(wanted, index):
    database = connect("sqlite://")
    wanted = TaskSet.model_validate(wanted)
    with database.writing.begin() as db:
        near = [tasks.c.seq.between(1, 5)] if "rowid" in index else []
        query = sa.select(tasks).where(*matching(db, wanted), *near).order_by(tasks.c.seq.desc()).limit(51)
        compiled = query.compile(db, compile_kwargs={"literal_binds": True})
        plan = [step[3] for step in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]
    database.close()

    assert len(plan) == 1
    assert index in plan[0]
