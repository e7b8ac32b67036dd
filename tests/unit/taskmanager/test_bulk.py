"""What is done to many tasks at once."""

import threading
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import bulk
from prismq_worker_sdk.taskmanager.app import CHORES
from prismq_worker_sdk.taskmanager.bulk import GO_ON, SLICE, BulkRequest, do_slice, go_on, next_slice
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope, TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.db.service_tables import task_logs
from prismq_worker_sdk.taskmanager.db.tables import claims, tasks
from prismq_worker_sdk.taskmanager.messages import NewTask
from prismq_worker_sdk.taskmanager.producing import create
from tests.support.api import TYPE, Api, database_of, running_api


def bulk_call(api, action, wanted=None, **more):
    return api.call("POST", "/tasks/bulk", {"action": action, "filter": wanted or {}, **more})


def over(api, job_id):
    api.chore(go_on)
    job = api.call("GET", f"/tasks/bulk/{job_id}").json()
    assert job["status"] == "done"
    return job


def done(api, action, wanted=None, **more):
    answer = bulk_call(api, action, wanted, **more)
    assert answer.status_code == 201, answer.text
    job = over(api, answer.json()["id"])
    return job["found"], job["done"], job["passed_over"]


def failed(api, task_type=TYPE, error="it broke", **more):
    task_id = api.submit(task_type, max_attempts=1, **more)
    api.claim(types=[task_type])
    api.fail(task_id, error=error)
    return task_id


def statuses(api, *ids):
    return [api.show(task_id)["status"] for task_id in ids]


def test_a_dry_run_gives_the_number_and_does_nothing(api):
    ids = [failed(api), failed(api, error="timeout")]
    api.submit()
    answer = bulk_call(api, "retry", {"error": "TIMEOUT"}, dry_run=True)

    assert (answer.status_code, answer.json()) == (200, {"found": 1})
    assert bulk_call(api, "retry", dry_run=True).json() == {"found": 2}
    assert statuses(api, *ids) == ["failed", "failed"]
    assert api.call("GET", "/tasks/bulk").json() == {"jobs": []}


def test_failed_tasks_of_a_filter_are_tried_again_and_no_others(api):
    slow, wrong = failed(api, error="timeout"), failed(api, error="no such video")
    other = failed(api, "Test.Other", error="timeout")

    assert done(api, "retry", {"type": TYPE, "error": "timeout"}) == (1, 1, 0)
    assert statuses(api, slow, wrong, other) == ["pending", "failed", "failed"]
    assert api.claim()["id"] == slow


def test_a_job_says_how_it_stands_and_who_asked_for_it(api):
    failed(api)
    first = bulk_call(api, "retry", {"status": "failed", "created_after": "2020-01-01T00:00:00Z"}).json()
    job = over(api, first["id"])

    assert (first["status"], job["status"], job["asked_by"]) == ("running", "done", "anonymous")
    assert job["filter"] == {"status": "failed", "created_after": "2020-01-01T00:00:00+00:00"}
    assert job["ended_at"] is not None
    assert api.call("GET", "/tasks/bulk").json() == {"jobs": [job]}


def test_cancel_fails_what_waits_and_asks_for_the_end_of_what_runs(api):
    running, ended = api.submit(), failed(api, "Test.Other")
    api.claim()
    waiting, later = api.submit(), api.submit(delay_seconds=60)

    assert done(api, "cancel") == (3, 3, 0)
    assert statuses(api, running, waiting, later) == ["processing", "failed", "failed"]
    assert api.show(running)["cancel_asked"] is True
    assert api.show(ended)["error_type"] != "cancelled"


def test_priority_is_set_of_what_waits(api):
    first, second = api.submit(), api.submit()
    running = api.claim()["id"]

    assert running == first
    assert done(api, "priority", {"type": TYPE}, priority=7) == (1, 1, 0)
    assert [api.show(one)["priority"] for one in (first, second)] == [0, 7]


def test_delete_takes_all_that_belongs_to_a_task_and_passes_over_what_runs(api, tmp_path):
    running = api.submit()
    claim = {"worker_id": "w1", "claim": {"task_types": [TYPE]}}
    api.call("POST", "/tasks/exchange", claim)
    gone = [failed(api), api.submit()]

    assert done(api, "delete", {"type": TYPE}) == (3, 2, 1)
    assert [api.call("GET", f"/tasks/{one}").status_code for one in (*gone, running)] == [404, 404, 200]
    database = connect(TaskManagerConfig(database=database_of(tmp_path)).url)
    with database.reading.connect() as db:
        assert set(db.scalars(sa.select(claims.c.task_id))) == {running}
        assert list(db.scalars(sa.select(task_logs.c.task_id))) == []
    database.close()


def test_a_task_whose_dedupe_key_was_taken_meanwhile_is_passed_over(api):
    old = failed(api, dedupe_key="k")
    new = api.submit(dedupe_key="k")
    free = failed(api, "Test.Other")

    assert done(api, "retry") == (2, 1, 1)
    assert statuses(api, old, new, free) == ["failed", "pending", "pending"]


def test_a_claim_that_waits_is_woken(api):
    task_id, found, own = failed(api), [], Api(api.url)
    claim = {"task_types": [TYPE], "wait_seconds": 20}

    def wait():
        found.append(own.call("POST", "/tasks/exchange", {"worker_id": "w2", "claim": claim}).json()["tasks"])

    waiting = threading.Thread(target=wait)
    with own.session:
        waiting.start()
        while not api.call("GET", "/workers").json()["workers"]:
            pass
        done(api, "retry")
        waiting.join(20)

    assert [one["id"] for one in found[0]] == [task_id]


def test_a_server_goes_on_with_jobs_by_itself():
    assert GO_ON in CHORES


@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_children_that_are_cancelled_or_deleted_hold_up_nothing_that_follows_them(api, action):
    api.submit("Test.Parent")
    claim = {"worker_id": "w1", "claim": {"task_types": ["Test.Parent"]}}
    (parent,) = api.call("POST", "/tasks/exchange", claim).json()["tasks"]
    report = {"task_id": parent["id"], "lease_token": parent["lease_token"], "outcome": "completed"}
    report |= {"children": [{"key": str(n), "type": TYPE} for n in range(2)], "then": {"type": "Test.Then"}}
    api.call("POST", "/tasks/exchange", {"worker_id": "w1", "reports": [report]})

    assert done(api, action, {"parent_id": parent["id"]}) == (2, 2, 0)
    told = api.claim(types=["Test.Then"])["params"]["children"]
    assert (told["completed"], told["failed"]) == (0, 2)


@pytest.mark.parametrize("path", ["bulk", "one"])
def test_r22_a_child_whose_parent_may_create_it_again_by_its_key_is_not_deleted(api, path):
    parent = api.submit("Test.Parent")
    child = {"parent_id": parent, "dedupe_key": "k"}
    keyed, other = api.submit(**child), api.submit(parent_id=parent)

    def delete(task_id):
        if path == "one":
            return api.call("DELETE", f"/tasks/{task_id}").status_code == 200
        return done(api, "delete", {"q": task_id}) == (1, 1, 0)

    assert [delete(keyed), delete(other)] == [False, True]
    assert api.submit(**child) == keyed
    api.claim(types=["Test.Parent"])
    api.complete(parent)
    assert delete(keyed)


def test_a_family_is_deleted_with_its_parent(api):
    parent = failed(api)
    api.submit(parent_id=parent, dedupe_key="k")

    assert done(api, "delete", {"type": TYPE}) == (2, 2, 0)


def test_more_than_one_slice_is_done_and_each_task_tells_of_it(api):
    many = [{"type": TYPE, "params": {"n": n}} for n in range(2 * SLICE + 7)]
    made = api.call("POST", "/tasks/batch", {"tasks": many}).json()["tasks"]
    job = bulk_call(api, "cancel", {"type": TYPE}).json()

    assert over(api, job["id"])["done"] == 2 * SLICE + 7
    (act,) = api.show(made[-1]["task"]["id"])["audit"]
    assert (act["action"], act["detail"]) == ("cancel", {"bulk": job["id"]})
    (asked,) = api.call("GET", "/audit?kind=bulk").json()["audit"]
    assert asked["detail"] == {"filter": {"type": TYPE}, "found": 2 * SLICE + 7}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "retry"},
        {"action": "explode", "filter": {}},
        {"action": "retry", "filter": {"statsu": "failed"}},
        {"action": "retry", "filter": {"status": "completed"}},
        {"action": "cancel", "filter": {"status": "failed"}},
        {"action": "priority", "filter": {}},
        {"action": "retry", "filter": {}, "priority": 5},
        {"action": "priority", "filter": {}, "priority": 1_000_001},
        {"action": "delete", "filter": {"created_before": "yesterday"}},
        {"action": "delete", "filter": {"limit": 5}},
        {"action": "delete", "filter": {}, "dry_run": 1},
        {"action": "delete", "filter": {"type": "\ud800"}},
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_done(api, body):
    task_id = failed(api)

    assert api.call("POST", "/tasks/bulk", body).status_code == 422
    assert api.show(task_id)["status"] == "failed"


def test_a_job_that_is_over_cannot_be_stopped_and_an_unknown_one_is_not_found(api):
    job_id = bulk_call(api, "retry").json()["id"]
    over(api, job_id)

    assert api.call("DELETE", f"/tasks/bulk/{job_id}").status_code == 409
    assert api.call("DELETE", "/tasks/bulk/none").status_code == 404
    assert api.call("GET", "/tasks/bulk/none").status_code == 404


def test_only_an_admin_does_it(tmp_path):
    keys = (ApiKey.of("admin-key", Scope.ADMIN), ApiKey.of("producer-key", Scope.PRODUCER))
    with running_api(tmp_path, keys=keys) as api:
        body = {"action": "delete", "filter": {}}
        assert api.call("POST", "/tasks/bulk", body, key="producer-key").status_code == 403
        assert api.call("POST", "/tasks/bulk", body, key="admin-key").status_code == 201


@contextmanager
def opened(folder):
    database = connect(TaskManagerConfig(database=database_of(folder)).url, lambda: 1000.0)
    try:
        yield database
    finally:
        database.close()


def run(database, operation, now=1000.0):
    with database.writing.begin() as db:
        return operation(db, now)


def filled(database, number):
    new = [NewTask(type=TYPE) for _ in range(number)]
    run(database, lambda db, now: create(db, TaskManagerConfig(), new, now))


def begun(database, **body):
    asked = BulkRequest.model_validate({"filter": {}, **body})

    def begin(db, now):
        return bulk.begin(db, asked, "me", bulk.count(db, asked, now)).id

    return run(database, begin)


def job_of(database, job_id):
    return run(database, lambda db, _now: bulk.job_named(db, job_id))


def slice_of(database, job_id):
    return run(database, lambda db, now: next_slice(job_id, SLICE, db, now))


def do(database, job_id, found, now=1000.0):
    return run(database, lambda db, now: do_slice(job_id, found, db, now), now)


def test_tasks_that_come_or_end_later_are_not_of_the_set(tmp_path):
    with opened(tmp_path) as database:
        filled(database, 3)
        run(database, lambda db, _now: db.execute(tasks.update().values(status="failed", completed_at=999.0)))
        job_id = begun(database, action="retry")
        filled(database, 2)
        late = tasks.update().values(status="failed", completed_at=1001.0)
        run(database, lambda db, _now: db.execute(late.where(tasks.c.seq != 1)))
        do(database, job_id, slice_of(database, job_id), 1002.0)
        job = job_of(database, job_id)

        assert (job.found, job.done, job.passed_over, job.ended_at) == (3, 1, 2, 1002.0)


def test_a_slice_that_two_processes_found_is_done_once(tmp_path):
    with opened(tmp_path) as database:
        filled(database, SLICE + 1)
        job_id = begun(database, action="priority", priority=5)
        both = [slice_of(database, job_id), slice_of(database, job_id)]
        assert both[0] == both[1]
        for found in both:
            do(database, job_id, found)
        assert job_of(database, job_id).done == SLICE
        do(database, job_id, slice_of(database, job_id))
        assert (job_of(database, job_id).done, slice_of(database, job_id)) == (SLICE + 1, None)


def test_what_left_the_set_between_look_and_deed_is_left_alone(tmp_path):
    with opened(tmp_path) as database:
        filled(database, 2)
        job_id = begun(database, action="delete", filter={"status": "pending"})
        found = slice_of(database, job_id)
        run(database, lambda db, _now: db.execute(tasks.update().values(status="processing")))
        do(database, job_id, found)

        assert (job_of(database, job_id).done, job_of(database, job_id).passed_over) == (0, 2)


def test_tasks_that_no_index_finds_are_looked_through_part_by_part(api, monkeypatch):
    monkeypatch.setattr(bulk, "SPAN", 3)
    many = [{"type": TYPE, "params": {"n": n, "who": "me" if n in {0, 7, 8} else ""}} for n in range(10)]
    api.call("POST", "/tasks/batch", {"tasks": many})
    looks = []
    look = bulk.next_slice

    def counted(*args):
        looks.append(look(*args))
        return looks[-1]

    monkeypatch.setattr(bulk, "next_slice", counted)

    assert done(api, "cancel", {"q": '"who": "me"'}) == (3, 3, 0)
    assert [len(one.seqs) for one in looks if one is not None] == [1, 0, 2, 0]
    looks.clear()
    assert done(api, "cancel", {"type": TYPE}) == (7, 7, 0)
    assert [len(one.seqs) for one in looks if one is not None] == [7]


def test_a_job_that_is_stopped_goes_no_further(tmp_path):
    with opened(tmp_path) as database:
        filled(database, SLICE + 1)
        job_id = begun(database, action="cancel")
        do(database, job_id, slice_of(database, job_id))
        found = slice_of(database, job_id)
        run(database, lambda db, now: bulk.stop(db, job_id, now))
        do(database, job_id, found)
        job = job_of(database, job_id)

        assert (job.done, job.cancelled, slice_of(database, job_id)) == (SLICE, 1, None)


def test_a_job_that_was_cut_off_goes_on_with_the_next_server(tmp_path):
    with opened(tmp_path) as database:
        filled(database, 2 * SLICE)
        job_id = begun(database, action="cancel")
        do(database, job_id, slice_of(database, job_id))
    with running_api(tmp_path) as api:
        assert over(api, job_id)["done"] == 2 * SLICE
