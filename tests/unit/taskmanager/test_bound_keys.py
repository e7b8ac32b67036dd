"""A key that is bound to task types reaches no other type, whatever way it tries."""

import threading

import pytest

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.taskmanager.messages import LimitUse
from tests.support.api import TYPE, Api, running_api
from tests.support.processes import wait_until

ADMIN = "admin-key-of-the-file"
OTHER = "Test.Other"
CLAIM = {"task_types": [TYPE]}


@pytest.fixture
def api(tmp_path):
    with running_api(tmp_path, keys=(ApiKey.of(ADMIN, Scope.ADMIN),)) as api:
        new = {"name": "w", "scope": "worker", "task_types": [TYPE]}
        api.worker = api.call("POST", "/keys", new, key=ADMIN).json()["key"]
        yield api


def exchange(api, key, worker="w1", **said):
    return api.call("POST", "/tasks/exchange", {"worker_id": worker, **said}, key=key)


def create(api, task_type):
    return api.call("POST", "/tasks", {"type": task_type}, key=ADMIN).json()["id"]


def using(api, task_type, *uses):
    body = {"limits": list(uses)}
    assert api.call("PUT", f"/task-types/{task_type}/limits", body, key=ADMIN).status_code == 200


def publish(api, *uses, key=None):
    body = {"version": "1", "param_schema": {}, "limits": list(uses)}
    return api.call("PUT", f"/task-types/{TYPE}", body, key=key or api.worker)


def test_what_follows_its_children_is_of_its_types(api):
    create(api, TYPE)
    (task,) = exchange(api, api.worker, claim=CLAIM).json()["tasks"]
    report = {"task_id": task["id"], "lease_token": task["lease_token"], "outcome": "completed"}

    def follow(task_type):
        return exchange(api, api.worker, reports=[{**report, "then": {"type": task_type}}])

    assert follow(OTHER).status_code == 403
    assert follow(TYPE).json()["reports"][0]["verdict"] == "accepted"


def test_the_request_of_another_worker_gives_it_no_task_of_another_type(api):
    create(api, OTHER)
    claim = {"request_id": "r1", "claim": {"task_types": [OTHER]}}
    assert len(exchange(api, ADMIN, **claim).json()["tasks"]) == 1

    assert exchange(api, api.worker, request_id="r1", claim=CLAIM).json()["tasks"] == []
    assert len(exchange(api, ADMIN, **claim).json()["tasks"]) == 1


def test_it_gets_its_own_tasks_again_by_the_same_request(api):
    create(api, TYPE)
    first = exchange(api, api.worker, request_id="r1", claim=CLAIM).json()["tasks"]

    assert [one["id"] for one in first] == [
        one["id"] for one in exchange(api, api.worker, request_id="r1", claim=CLAIM).json()["tasks"]
    ]


def test_it_ends_no_wait_for_another_type(api):
    answers, own = [], Api(api.url)
    claim = {"task_types": [OTHER], "wait_seconds": 30}

    def wait():
        answers.append(exchange(own, ADMIN, request_id="r1", claim=claim).json())

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: api.call("GET", "/workers", key=ADMIN).json()["workers"], "the waiting worker")
    assert exchange(api, api.worker, request_id="r1", claim=CLAIM).json()["tasks"] == []
    task_id = create(api, OTHER)
    thread.join(30)
    own.session.close()

    assert [one["id"] for one in answers[0]["tasks"]] == [task_id]


def test_it_pauses_limits_that_its_types_use_and_no_others(api):
    using(api, TYPE, {"key": "own"}, {"path": "/host", "prefix": "host:"})
    names = ["own", "host:a", "other"]
    exchange(api, api.worker, pauses=[{"name": name, "seconds": 60} for name in names])

    assert [one["name"] for one in api.call("GET", "/limits", key=ADMIN).json()["limits"]] == [
        "host:a",
        "own",
    ]
    (act,) = api.call("GET", "/audit?kind=limit&target=other", key=ADMIN).json()["audit"]
    assert (act["who"], act["action"], act["detail"]) == ("w1", "pause refused", {"task_types": [TYPE]})


def test_a_key_that_is_bound_to_nothing_pauses_any_limit(api):
    exchange(api, ADMIN, pauses=[{"name": "other", "seconds": 60}])

    assert api.call("GET", "/limits/other", key=ADMIN).status_code == 200


def test_it_says_of_its_types_that_they_use_no_limit_of_others(api):
    using(api, OTHER, {"key": "shared"})
    assert publish(api, {"key": "own"}).status_code == 200
    refused = publish(api, {"key": "own"}, {"key": "shared"})
    assert refused.status_code == 403
    assert f"{OTHER} uses a limit" in refused.json()["detail"]
    assert f"PUT /task-types/{TYPE}/limits" in refused.json()["detail"]

    using(api, TYPE, {"key": "shared", "units": 2})
    assert publish(api, {"key": "shared", "units": 2}).status_code == 200
    assert publish(api, {"key": "shared", "units": 1000}).status_code == 403
    assert publish(api, {"key": "shared", "units": 1000}, key=ADMIN).status_code == 200


HOST = {"path": "/host", "prefix": "host:"}


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({"key": "a"}, {"key": "a", "units": 2}, True),
        ({"key": "a"}, {"key": "b"}, False),
        ({"key": "host:a"}, HOST, True),
        ({"key": "host"}, HOST, False),
        (HOST, {"path": "/name", "prefix": "host:a"}, True),
        (HOST, {"path": "/name", "prefix": "name:"}, False),
        (HOST, {"path": "/any"}, True),
        ({"key": "a"}, {"path": "/any"}, True),
    ],
)
def test_two_uses_overlap_when_some_params_name_the_same_limit(one, other, both):
    one, other = LimitUse(**one), LimitUse(**other)

    assert (one.overlaps(other), other.overlaps(one)) == (both, both)
