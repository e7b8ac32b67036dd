"""What is old is deleted, with all that belongs to it, and nothing that somebody needs."""

import json

import pytest
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import export
from prismq_worker_sdk.taskmanager.db.service_tables import (
    alert_states,
    audit,
    bulk_jobs,
    fan_ins,
    limit_uses,
    limits,
    task_logs,
    type_pauses,
)
from prismq_worker_sdk.taskmanager.db.tables import claims, metadata, tasks
from prismq_worker_sdk.taskmanager.retention import LOG_ROWS, SLICE, delete_old, next_size
from tests.support.api import TYPE, running_api

DAY = 86400.0


def age(api, days):
    """Turns the clock, and does what the server does by itself then."""
    api.clock.turn(days * DAY)
    api.chore(delete_old)


def done(api, **more):
    task_id = api.submit(**more)
    assert api.claim()["id"] == task_id
    assert api.complete(task_id) == 200
    return task_id


def failed(api, **more):
    task_id = api.submit(max_attempts=1, **more)
    assert api.claim()["id"] == task_id
    assert api.fail(task_id) == 200
    return task_id


def write(api, *statements):
    def run(db, _now):
        for statement in statements:
            db.execute(statement)

    api.chore(lambda state: state.run(run))


def count(api, table):
    return api.chore(
        lambda state: state.reader.run(
            lambda db, _now: db.scalar(sa.select(sa.func.count()).select_from(table))
        )
    )


def ids(api):
    return {task["id"] for task in api.call("GET", "/tasks?limit=500").json()["tasks"]}


def log_rows(api, task_id, number):
    """Rows of two lines each."""
    at = api.clock.utc().timestamp()
    row = {"task_id": task_id, "claim": 1, "attempt": 1, "at": at}
    lines = json.dumps([[at, "info", "line 0"], [at, "info", "line 1"]])
    write(api, task_logs.insert().values([{**row, "content": lines} for _ in range(number)]))


def test_finished_tasks_go_by_age_and_status_and_unfinished_ones_never(api):
    completed, broken, waits = done(api), failed(api), api.submit()

    age(api, 29)
    assert ids(api) == {completed, broken, waits}
    age(api, 2)
    assert ids(api) == {broken, waits}
    assert api.call("GET", f"/tasks/{completed}").status_code == 404
    age(api, 60)
    assert ids(api) == {waits}
    age(api, 1000)
    assert ids(api) == {waits}


def test_nothing_goes_that_is_kept_for_ever(tmp_path):
    with running_api(tmp_path, keep_completed=None, keep_failed=None, keep_logs=None, keep_audit=None) as api:
        kept = {done(api), failed(api)}
        log_rows(api, next(iter(kept)), 1)
        age(api, 5000)
        assert ids(api) == kept
        assert count(api, task_logs) == 1


def test_a_task_takes_its_claims_logs_and_fan_in_along(api):
    gone, stays = done(api), api.submit()
    api.claim()
    log_rows(api, gone, 3)
    fan_in = dict.fromkeys((column.name for column in fan_ins.columns), 0)
    follower = {"parent_id": gone, "type": TYPE, "params": "{}", "task_id": "t"}
    write(api, fan_ins.insert().values({**fan_in, **follower}))
    age(api, 31)

    assert ids(api) == {stays}
    assert [count(api, table) for table in (tasks, claims, task_logs, fan_ins)] == [1, 1, 0, 0]


def test_logs_go_before_their_tasks_and_also_those_of_a_task_that_runs(api):
    task_id = api.submit()
    api.claim()
    log_rows(api, task_id, 1200)
    api.clock.turn(6 * DAY)
    log_rows(api, task_id, 1)
    age(api, 2)

    assert count(api, task_logs) == 1


def test_a_task_tells_nothing_of_a_log_that_is_gone(api):
    api.submit()
    claim = {"worker_id": "w1", "claim": {"task_types": [TYPE]}}
    (task,) = api.call("POST", "/tasks/exchange", claim).json()["tasks"]
    line = {"at": api.clock.utc().timestamp(), "level": "info", "text": "line"}
    report = {"task_id": task["id"], "lease_token": task["lease_token"], "outcome": "completed"}
    report["log"] = {"first": 1, "logged": 3, "lines": [line]}
    api.call("POST", "/tasks/exchange", {"worker_id": "w1", "reports": [report]})

    def log():
        return api.call("GET", f"/tasks/{task['id']}/logs").json()

    age(api, 6)
    assert log()["attempts"] == [{"attempt": 1, "lines": 1, "dropped": 2}]
    age(api, 2)
    assert (log()["lines"], log()["attempts"]) == ([], [])


def test_a_task_with_more_lines_than_one_transaction_takes_goes_too(tmp_path):
    with running_api(tmp_path, keep_logs=None) as api:
        task_id = done(api)
        log_rows(api, task_id, LOG_ROWS + 10)
        age(api, 31)
        assert ids(api) == set()
        assert count(api, task_logs) == 0


def test_a_parent_stays_until_its_children_are_finished(api):
    parent = done(api)
    child = api.submit(parent_id=parent)
    age(api, 100)
    assert ids(api) == {parent, child}

    api.claim()
    api.complete(child)
    age(api, 0)
    assert ids(api) == {child}
    age(api, 31)
    assert ids(api) == set()


def test_a_parent_stays_until_what_follows_its_children_was_created(api):
    parent = done(api)
    fan_in = dict.fromkeys((column.name for column in fan_ins.columns), 0)
    follower = {"parent_id": parent, "type": TYPE, "params": "{}", "task_id": None}
    write(api, fan_ins.insert().values({**fan_in, **follower}))
    age(api, 100)
    assert ids(api) == {parent}

    write(api, fan_ins.update().values(task_id="t"))
    age(api, 0)
    assert ids(api) == set()


def test_r22_a_child_that_is_asked_for_by_its_key_is_found_as_long_as_its_parent_is_there(api):
    parent = api.submit(task_type="Test.Parent")
    child = done(api, parent_id=parent, dedupe_key="k")
    without_key = done(api, parent_id=parent)
    age(api, 100)

    assert without_key not in ids(api)
    again = api.call("POST", "/tasks", {"type": TYPE, "parent_id": parent, "dedupe_key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, child)
    api.claim(types=["Test.Parent"])
    api.complete(parent)
    age(api, 31)
    age(api, 0)
    assert ids(api) == set()


def test_a_family_whose_grandparent_is_kept_stays_together(api):
    grandparent = failed(api)
    parent = done(api, parent_id=grandparent, dedupe_key="a")
    child = done(api, parent_id=parent, dedupe_key="b")
    age(api, 40)
    assert ids(api) == {grandparent, parent, child}

    age(api, 60)
    assert ids(api) <= {parent, child}
    age(api, 0)
    assert ids(api) == set()


def test_a_task_that_is_tried_again_while_it_is_about_to_be_deleted_stays(tmp_path, monkeypatch):
    with running_api(tmp_path, export_folder=tmp_path / "old") as api:
        task_id, other = failed(api), failed(api)
        exported = export.append

        def tried_again(folder, kind, now, lines):
            exported(folder, kind, now, lines)
            api.call("POST", f"/tasks/{task_id}/retry")

        monkeypatch.setattr(export, "append", tried_again)
        age(api, 91)
        assert ids(api) == {task_id}
        assert api.show(task_id)["status"] == "pending"
        assert api.call("GET", f"/tasks/{other}").status_code == 404


def test_a_report_of_a_task_that_was_deleted_is_unknown(api):
    claim = {"worker_id": "w1", "claim": {"task_types": [TYPE]}}
    api.submit()
    (task,) = api.call("POST", "/tasks/exchange", claim).json()["tasks"]
    report = {"task_id": task["id"], "lease_token": task["lease_token"], "outcome": "completed", "result": 1}
    told = {"worker_id": "w1", "reports": [report]}
    assert api.call("POST", "/tasks/exchange", told).json()["reports"][0]["verdict"] == "accepted"
    age(api, 31)

    assert api.call("POST", "/tasks/exchange", told).json()["reports"][0]["verdict"] == "unknown"


def test_many_go_in_slices(api):
    body = {"tasks": [{"type": TYPE}] * (2 * SLICE)}
    assert api.call("POST", "/tasks/batch", body).status_code == 200
    write(api, tasks.update().values(status="completed", completed_at=api.clock.utc().timestamp()))
    age(api, 31)

    assert count(api, tasks) == 0


def test_the_audit_and_ended_jobs_go_later(api):
    api.call("POST", f"/tasks/{api.submit()}/cancel")
    job = dict.fromkeys((column.name for column in bulk_jobs.columns), 1)
    texts = {"action": "retry", "filter": "{}", "asked_by": "me"}
    now = api.clock.utc().timestamp()
    rows = [
        {**job, **texts, "id": "ended", "ended_at": now},
        {**job, **texts, "id": "runs", "ended_at": None},
    ]
    write(api, bulk_jobs.insert().values(rows))
    age(api, 29)
    assert [count(api, table) for table in (audit, bulk_jobs)] == [1, 2]
    age(api, 2)
    assert [count(api, table) for table in (audit, bulk_jobs)] == [1, 1]
    age(api, 400)
    assert count(api, audit) == 0


def test_an_alert_forgets_types_of_which_all_is_well_for_long_and_one_that_is_gone_leaves_nothing(api):
    now = api.clock.utc().timestamp()
    made = {"rule": "oldest", "seconds": 100, "url": "https://hooks.example"}
    assert api.call("PUT", "/alerts/late", made).status_code == 201
    phases = {"resolved": "late", "firing": "late", "pending": "gone"}
    rows = [{"name": name, "type": f"Test.{phase}", "phase": phase} for phase, name in phases.items()]
    write(api, alert_states.insert().values([{**row, "since": now, "value": 1.0} for row in rows]))
    age(api, 29)
    assert count(api, alert_states) == 2
    age(api, 2)
    assert count(api, alert_states) == 1


def test_a_limit_that_was_only_a_pause_goes_and_so_does_what_was_used_long_ago(api):
    api.call("PUT", "/limits/hourly", {"units": 9, "period": 3600})
    api.call("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"key": "hourly"}]})
    done(api)
    pauses = [{"name": "of a handler", "seconds": 60}, {"name": "hourly", "seconds": 60}]
    api.call("POST", "/tasks/exchange", {"worker_id": "w1", "pauses": pauses})
    api.call("POST", f"/task-types/{TYPE}/pause", {"seconds": 60})
    age(api, 0.9)
    assert [count(api, table) for table in (limits, limit_uses, type_pauses)] == [2, 1, 0]
    age(api, 0.2)
    assert [count(api, table) for table in (limits, limit_uses)] == [2, 0]
    age(api, 30)
    assert [one["name"] for one in api.call("GET", "/limits").json()["limits"]] == ["hourly"]


def test_of_each_table_it_is_known_what_takes_its_rows_away():
    with_their_task = {"tasks", "claims", "task_logs", "fan_ins"}
    by_age = {"audit", "bulk_jobs", "workers", "worker_types", "deliveries", "alert_states", "limit_uses"}
    by_age |= {"worker_statuses", "type_pauses", "ended_counts", "dedupe_locks", "waits"}
    by_hand = {"limits", "schedules", "alerts"}
    one_for_each_name_ever = {"task_types", "type_uses", "api_keys", "meta", "lanes"}

    assert set(metadata.tables) == with_their_task | by_age | by_hand | one_for_each_name_ever


def test_what_is_deleted_is_exported_before(tmp_path):
    with running_api(tmp_path, export_folder=tmp_path / "old") as api:
        task_id, broken = done(api, params={"n": "ü"}, dedupe_key="k"), failed(api)
        log_rows(api, task_id, 1)
        age(api, 8)
        age(api, 23)
        age(api, 60)

    found = {
        file.name: file.read_text(encoding="utf-8").splitlines()
        for file in (tmp_path / "old").glob("*.jsonl")
    }
    kinds = sorted((name.partition("-")[0], len(lines)) for name, lines in found.items())
    assert kinds == [("logs", 2), ("tasks", 1), ("tasks", 1)]
    lines = [json.loads(line) for _name, some in sorted(found.items()) for line in some]
    assert [(line["task_id"], line["text"]) for line in lines[:2]] == [
        (task_id, "line 0"),
        (task_id, "line 1"),
    ]
    assert [line["id"] for line in lines[2:]] == [task_id, broken]
    assert (lines[2]["params"], lines[2]["dedupe_key"]) == ({"n": "ü"}, "k")
    assert lines[2]["history"][0]["verdict"] == "completed"
    assert lines[3]["error"] == "it broke"


def test_nothing_is_deleted_that_cannot_be_exported_and_the_server_goes_on(tmp_path, monkeypatch, caplog):
    with running_api(tmp_path, export_folder=tmp_path / "old") as api:
        kept = {done(api), done(api)}
        full = OSError(28, "No space left on device")

        def no_room(_descriptor):
            raise full

        with monkeypatch.context() as patched:
            patched.setattr(export.os, "fsync", no_room)
            age(api, 31)
        assert ids(api) == kept
        assert "old tasks stay" in caplog.text
        assert "No space left on device" in caplog.text
        assert [file.read_text() for file in (tmp_path / "old").glob("*.jsonl")] == [""]
        age(api, 0)
        assert ids(api) == set()


def test_a_folder_for_exports_that_another_process_uses_is_left_to_it(tmp_path):
    from prismq_worker_sdk.system import FileLock

    with running_api(tmp_path, export_folder=tmp_path / "old") as api:
        task_id = done(api)
        (tmp_path / "old").mkdir()
        lock = FileLock.acquire(tmp_path / "old" / ".lock")
        age(api, 31)
        assert ids(api) == {task_id}
        lock.release()
        age(api, 0)
        assert ids(api) == set()


@pytest.mark.parametrize("torn", ["", '{"id": "cut', "x" * 200_000])
def test_a_line_that_a_crash_has_cut_is_taken_away(tmp_path, torn):
    export.append(tmp_path, "tasks", 0.0, ["1", "2"])
    path = tmp_path / "tasks-1970-01-01.jsonl"
    with path.open("a") as file:
        file.write(torn)
    export.append(tmp_path, "tasks", 1.0, ["3"])

    assert path.read_text() == "1\n2\n3\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("size", "seconds", "then"),
    [
        (50, 0.02, 50),
        (50, 0.001, 100),
        (50, 0.2, 5),
        (50, 60.0, 1),
        (1, 60.0, 1),
        (500, 0.001, 500),
        (50, 0.0, 100),
    ],
)
def test_a_slice_that_took_long_is_followed_by_a_smaller_one(size, seconds, then):
    assert next_size(size, seconds) == then
