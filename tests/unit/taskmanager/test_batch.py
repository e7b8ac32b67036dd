import threading

import pytest

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from tests.support.api import TYPE, Api, running_api
from tests.support.processes import wait_until

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}


def submit(api, *items, key=None):
    return api.call("POST", "/tasks/batch", {"tasks": list(items)}, key=key)


def answers(api, *items):
    said = submit(api, *items)
    assert said.status_code == 200, said.text
    return said.json()["tasks"]


def new(n=0, **more):
    return {"type": TYPE, "params": {"n": n}, **more}


def test_the_bundle_is_announced_with_its_bounds(api):
    announced = api.call("GET", "/health").json()["capabilities"]

    assert announced["batch"] == {"max_tasks": 1000, "max_bytes": 16777216}
    assert announced["manage"] is True


def test_each_task_of_a_batch_is_answered_as_if_it_had_come_alone_in_the_order_sent(api):
    found = answers(api, new(0, priority=3, max_attempts=7), new(1, delay_seconds=60), new(2, parent_id="p"))

    assert [one["status"] for one in found] == [201, 201, 201]
    assert [one["task"]["params"]["n"] for one in found] == [0, 1, 2]
    for one in found:
        assert {**one["task"], "history": [], "audit": []} == api.show(one["task"]["id"])
    assert found[0]["task"]["priority"] == 3
    assert found[1]["task"]["not_before"] is not None


def test_what_is_wrong_with_one_stops_no_other_and_is_told_as_a_problem_of_its_own(api):
    api.call("PUT", "/task-types/Test.Checked", {"version": "1", "param_schema": SCHEMA})
    found = answers(
        api,
        new(1),
        {"type": "no type!"},
        {"type": "Test.Checked", "params": {"q": 1}},
        "nonsense",
        new(2, params={"x": "a" * 2**20}),
        new(3),
    )

    assert [one["status"] for one in found] == [201, 422, 422, 422, 413, 201]
    assert [fault["pointer"] for fault in found[1]["problem"]["errors"]] == ["/type"]
    assert [fault["pointer"] for fault in found[2]["problem"]["errors"]] == ["/q"]
    assert {one["problem"]["status"] for one in found[1:5]} == {422, 413}
    assert len(api.call("GET", f"/tasks?type={TYPE}").json()["tasks"]) == 2


def test_a_dedupe_key_holds_for_tasks_that_were_there_and_for_tasks_of_the_same_batch(api):
    known = api.submit(dedupe_key="known")
    found = answers(
        api,
        new(dedupe_key="known"),
        new(1, dedupe_key="a"),
        new(2, dedupe_key="a"),
        new(3, dedupe_key="b"),
        {"type": "Test.Other", "dedupe_key": "a"},
    )

    assert [one["status"] for one in found] == [200, 201, 200, 201, 201]
    assert found[0]["task"]["id"] == known
    assert found[2]["task"] == found[1]["task"]
    assert len(api.call("GET", "/tasks").json()["tasks"]) == 4


def test_a_key_of_a_child_is_its_parents_within_a_batch_too(api):
    found = answers(
        api,
        new(dedupe_key="k", parent_id="p"),
        new(dedupe_key="k", parent_id="q"),
        new(dedupe_key="k", parent_id="p"),
        new(dedupe_key="k"),
    )

    assert [one["status"] for one in found] == [201, 201, 200, 200]
    assert found[2]["task"]["id"] == found[0]["task"]["id"]
    assert found[3]["task"]["id"] == found[1]["task"]["id"]


def test_a_batch_is_handed_out_in_the_order_sent(api):
    ids = [one["task"]["id"] for one in answers(api, *(new(n) for n in range(30)))]

    assert [api.claim()["id"] for _ in ids] == ids


@pytest.mark.parametrize("tasks", [[], [{}] * 1001, None, "x"], ids=["none", "too many", "null", "a text"])
def test_a_batch_that_makes_no_sense_is_refused_whole(api, tasks):
    refused = api.call("POST", "/tasks/batch", {"tasks": tasks})

    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/tasks"]


def test_the_largest_batch_is_taken(api):
    assert {one["status"] for one in answers(api, *[{"type": TYPE}] * 1000)} == {201}


def test_a_batch_takes_the_key_of_a_producer(tmp_path):
    keys = {scope: f"{scope}-key-1234" for scope in Scope}
    with running_api(tmp_path, keys=tuple(ApiKey.of(text, scope) for scope, text in keys.items())) as api:
        status = {scope: submit(api, new(), key=text).status_code for scope, text in keys.items()}

    assert status == {Scope.READER: 403, Scope.WORKER: 403, Scope.PRODUCER: 200, Scope.ADMIN: 200}


def test_a_claim_that_waits_gets_what_a_batch_brings(api):
    got, own = [], Api(api.url)
    wanted = {"worker_id": "w1", "claim": {"task_types": [TYPE], "max_tasks": 9, "wait_seconds": 30}}

    def wait():
        got.extend(own.call("POST", "/tasks/exchange", wanted).json()["tasks"])

    waiter = threading.Thread(target=wait)
    with own.session:
        waiter.start()
        wait_until(lambda: api.call("GET", "/workers").json()["workers"], "the waiting worker")
        made = answers(api, new(1), {"type": "bad!"}, new(2))
        waiter.join(20)

    assert [task["id"] for task in got] == [made[0]["task"]["id"], made[2]["task"]["id"]]
