"""The beginning of an id stands for a task, as long as it is of one only."""

import pytest

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from tests.support.api import TYPE, running_api

BRIEF = 23
"""Characters by which tasks that are made one after the other differ."""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 200),
        ("GET", "/logs", 200),
        ("GET", "/children", 200),
        ("POST", "/expedite", 200),
        ("POST", "/cancel", 200),
        ("DELETE", "", 200),
    ],
)
def test_each_look_and_each_act_takes_a_short_id(api, method, path, status):
    task_id = api.submit()
    assert api.call(method, f"/tasks/{task_id[:BRIEF]}{path}").status_code == status


def test_what_is_done_by_a_short_id_is_written_down_of_the_whole_one(api):
    task_id = api.submit()
    api.call("POST", f"/tasks/{task_id[:BRIEF]}/cancel")
    assert [act["action"] for act in api.show(task_id)["audit"]] == ["cancel"]


def test_a_beginning_of_several_is_refused_and_names_them(api):
    made = api.call("POST", "/tasks/batch", {"tasks": [{"type": TYPE}] * 7}).json()["tasks"]
    ids = [one["task"]["id"] for one in made]
    answer = api.call("DELETE", f"/tasks/{ids[0][:13]}")
    assert answer.status_code == 409
    assert sum(one in answer.json()["detail"] for one in ids) == 5
    assert len(api.call("GET", "/tasks").json()["tasks"]) == 7


@pytest.mark.parametrize(
    "begin", ["0000000", "00000000", "ffffffff-", "ABCDEF01", "%25%25%25%25%25%25%25%25", "0" * 35, "0" * 37]
)
def test_a_beginning_of_none_is_told_so(api, begin):
    api.submit()
    assert api.call("GET", f"/tasks/{begin}").status_code == 404


def test_a_key_that_is_bound_to_types_learns_nothing_of_others(tmp_path):
    with running_api(tmp_path, keys=(ApiKey.of("admin-key-text", Scope.ADMIN),)) as api:
        new = {"name": "bound", "scope": "reader", "task_types": ["Test.Mine"]}
        key = api.call("POST", "/keys", new, key="admin-key-text").json()["key"]
        made = api.call("POST", "/tasks", {"type": TYPE}, key="admin-key-text").json()
        assert api.call("GET", f"/tasks/{made['id'][:BRIEF]}", key=key).status_code == 404


def test_workers_name_their_tasks_in_full(api):
    task_id = api.submit()
    api.claim()
    assert api.complete(task_id[:BRIEF]) == 404
    assert api.complete(task_id) == 200
