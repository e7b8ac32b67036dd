"""One task for one dedupe key, whatever two servers on one database are asked at the same time."""

import random
from collections import Counter

import pytest

from tests.support.api import TYPE, Api, routed, running_api
from tests.support.family import CHILD, PARENT, Family, at_once


@pytest.fixture
def replicas(mariadb, tmp_path, monkeypatch):
    monkeypatch.setenv("PRISMQ_TEST_DATABASE", mariadb.url)
    with running_api(tmp_path, own_time=True) as one, running_api(tmp_path, own_time=True) as two:
        routed(one, two)
        yield one, two


def all_tasks(api, query):
    tasks, cursor = [], ""
    while cursor is not None:
        page = api.call("GET", f"/tasks?limit=500&{query}{cursor and f'&cursor={cursor}'}").json()
        tasks, cursor = tasks + page["tasks"], page["next_cursor"]
    return tasks


def test_batches_with_keys_in_common_make_one_task_for_each_key_and_all_are_answered(replicas):
    keys = [f"key {n}" for n in range(300)]

    def work(number):
        dice, own = random.Random(number), Api(replicas[number % 2].url)
        found = []
        for _ in range(3):
            some = dice.sample(keys, 200)
            body = {"tasks": [{"type": TYPE, "dedupe_key": key, "params": {"key": key}} for key in some]}
            answer = own.call("POST", "/tasks/batch", body)
            assert answer.status_code == 200, answer.text
            found += zip(some, answer.json()["tasks"], strict=True)
            (one,) = dice.sample(keys, 1)
            alone = own.call("POST", "/tasks", {"type": TYPE, "dedupe_key": one, "params": {"key": one}})
            found.append((one, {"status": alone.status_code, "task": alone.json()}))
        return found

    found = [one for some in at_once(*(lambda n=n: work(n) for n in range(8))) for one in some]
    assert all(said["task"]["params"] == {"key": key} for key, said in found)
    made = Counter(said["status"] for _, said in found)
    assert made[201] == len({key for key, _ in found}) == len(all_tasks(replicas[0], f"type={TYPE}"))
    assert made.keys() == {200, 201}


def test_of_a_retry_and_a_submit_with_the_same_key_one_gives_way(replicas):
    one, two = replicas
    for number in range(15):
        key = {"dedupe_key": f"key {number}"}
        failed = one.submit(max_attempts=1, **key)
        one.claim()
        assert one.fail(failed) == 200
        retried, made = at_once(
            lambda: one.call("POST", f"/tasks/{failed}/retry").status_code,  # noqa: B023
            lambda: two.call("POST", "/tasks", {"type": TYPE, **key}).status_code,  # noqa: B023
        )
        (pending,) = all_tasks(two, f"type={TYPE}&status=pending")
        assert (retried, made, pending["id"] == failed) in {(200, 200, True), (409, 201, False)}
        one.claim()
        assert one.complete(pending["id"]) == 200


def test_a_child_that_a_report_and_a_producer_create_at_the_same_time_is_one(replicas):
    one, two = Family(replicas[0]), replicas[1]
    for _ in range(15):
        one.api.submit(PARENT)
        (task,) = one.claim(PARENT)
        child = {"type": CHILD, "dedupe_key": "0", "parent_id": task["id"]}
        _, made = at_once(
            lambda: one.completes(task, 1),  # noqa: B023
            lambda: two.call("POST", "/tasks", child).status_code,  # noqa: B023
        )
        assert made in {200, 201}
        assert len(all_tasks(two, f"parent_id={task['id']}")) == 1
