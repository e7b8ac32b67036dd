from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import fan_in
from prismq_worker_sdk.taskmanager.db.tables import tasks
from tests.support.api import Api, running_api
from tests.support.family import CHILD, LAST, PARENT, Family, at_once

LANES = sa.select(tasks.c.lane).where(tasks.c.type == LAST)


@pytest.fixture
def family(api):
    return Family(api)


def test_the_bundle_is_announced(api):
    assert api.call("GET", "/health").json()["capabilities"]["fan_in"] is True


def test_a_task_follows_the_last_child_with_its_params_and_how_the_children_ended(family):
    parent = family.parent(3)
    first, second, third = family.claim(number=3)
    family.report(first, second)
    assert family.followers() == []
    family.report(third, outcome="failed", retryable=False)

    (one,) = family.followers()
    assert one["params"] == {"run": 7, "children": {"parent_id": parent, "completed": 2, "failed": 1}}
    assert (one["status"], one["priority"], one["parent_id"]) == ("pending", 3, None)
    assert family.claim(LAST)[0]["id"] == one["id"]


def test_children_that_end_in_one_report_and_its_repeat_are_followed_once(family):
    family.parent(5)
    held = family.claim(number=5)
    assert family.report(*held) == ["accepted"] * 5
    assert family.report(*held) == ["duplicate"] * 5

    assert family.counts() == (5, 0)


def test_a_parent_without_children_is_followed_at_once(family):
    family.parent(0)

    assert family.counts() == (0, 0)


def test_a_child_that_is_tried_again_has_not_ended(family):
    family.parent(1)
    family.report(*family.claim(), outcome="failed", delay_seconds=0)
    family.report(*family.claim(), outcome="released")
    assert family.followers() == []
    family.report(*family.claim())

    assert family.counts() == (1, 0)


def test_cancelled_children_count_as_failed(family):
    family.parent(2)
    (running,) = family.claim()
    pending = next(
        one
        for one in family.api.call("GET", f"/tasks?type={CHILD}").json()["tasks"]
        if one["id"] != running["id"]
    )
    for one in (running, pending):
        family.api.call("POST", f"/tasks/{one['id']}/cancel")
    assert family.followers() == []
    family.report(running, outcome="released")

    assert family.counts() == (0, 2)


def test_a_child_that_is_cancelled_last_is_followed(family):
    family.parent(1)
    (child,) = family.api.call("GET", f"/tasks?type={CHILD}").json()["tasks"]
    family.api.call("POST", f"/tasks/{child['id']}/cancel")

    assert family.counts() == (0, 1)


def test_a_child_whose_last_claim_expires_counts_as_failed(family):
    family.parent(1)
    for _ in range(30):
        if not family.claim():
            break
        family.api.clock.turn(61)

    assert family.counts() == (0, 1)


def test_a_failed_child_that_is_retried_before_the_last_end_is_open_again(family):
    family.parent(2)
    bad, good = family.claim(number=2)
    family.report(bad, outcome="failed", retryable=False)
    family.api.call("POST", f"/tasks/{bad['id']}/retry")
    family.report(good)
    assert family.followers() == []
    family.report(*family.claim())

    assert family.counts() == (2, 0)


def test_a_retry_after_the_follower_is_there_makes_no_second_one(family):
    family.parent(1)
    (bad,) = family.claim()
    family.report(bad, outcome="failed", retryable=False)
    family.api.call("POST", f"/tasks/{bad['id']}/retry")
    family.report(*family.claim())

    assert family.counts() == (0, 1)


def test_r8_a_child_that_completes_after_its_last_claim_ran_out_counts_as_completed(family):
    parent = family.parent(1)
    family.api.submit(CHILD, parent_id=parent, max_attempts=1)
    other, late = family.claim(number=2)
    family.exchange(leases=[{"task_id": late["id"], "lease_token": late["lease_token"]}])
    family.api.clock.turn(61)
    assert family.api.show(late["id"])["error_type"] == "expired"
    family.report(late)
    family.report(other)

    assert family.counts() == (2, 0)


def test_a_child_waits_for_the_follower_of_its_own_children(family):
    family.parent(2, child="Test.Inner")
    one, two = family.claim("Test.Inner", 2)
    family.completes(one, 1, then="Test.InnerLast")
    family.completes(two, 0, then="Test.InnerLast")
    family.report(*family.claim("Test.InnerLast"))
    assert family.followers() == []
    family.report(*family.claim())
    assert family.followers() == []
    family.report(*family.claim("Test.InnerLast"), outcome="failed", retryable=False)

    assert family.counts() == (3, 1)


def test_tasks_that_a_producer_gives_a_parent_are_its_children_too(family):
    family.api.submit(PARENT)
    (task,) = family.claim(PARENT)
    early = [family.api.submit(CHILD, parent_id=task["id"]) for _ in range(2)]
    family.completes(task, 0)
    first, second = family.claim(number=2)
    assert [first["id"], second["id"]] == early
    family.report(first)
    family.api.submit(CHILD, parent_id=task["id"])
    family.report(second)
    assert family.followers() == []
    family.report(*family.claim())

    assert family.counts() == (3, 0)


def test_children_that_are_there_already_are_waited_for_where_they_have_not_ended(family):
    family.api.submit(PARENT)
    (task,) = family.claim(PARENT)
    family.api.submit(CHILD, parent_id=task["id"], dedupe_key="0")
    family.report(*family.claim())
    family.completes(task, 1)

    assert family.counts() == (1, 0)


def test_a_report_that_is_lost_or_failed_asks_for_nothing(family):
    family.api.submit(PARENT)
    (lost,) = family.claim(PARENT)
    family.api.clock.turn(61)
    (task,) = family.claim(PARENT)
    then = {"type": LAST}
    assert family.report(lost, then=then) == ["lost"]
    assert family.report(task, outcome="failed", retryable=False, then=then) == ["accepted"]

    assert family.followers() == []


@pytest.mark.parametrize(
    ("params", "why"),
    [({"q": 1}, "do not fit"), ({"run": 1, "children": {}}, "a member 'children'")],
)
def test_a_follower_that_does_not_fit_refuses_the_report_and_leaves_nothing_behind(family, params, why):
    schema = {"type": "object", "required": ["run", "children"]}
    family.api.call("PUT", f"/task-types/{LAST}", {"version": "1", "param_schema": schema})
    family.api.submit(PARENT)
    (task,) = family.claim(PARENT)
    said = {"outcome": "completed", "result": 1, "children": [{"key": "0", "type": CHILD}]}
    report = {"task_id": task["id"], "lease_token": task["lease_token"], **said}
    (answer,) = family.exchange(reports=[report | {"then": {"type": LAST, "params": params}}])["reports"]

    assert (answer["verdict"], why in answer["detail"]) == ("refused", True)
    assert family.api.call("GET", f"/tasks?type={CHILD}").json()["tasks"] == []
    assert family.report(task, outcome="failed", retryable=False) == ["accepted"]


def test_a_follower_is_created_though_its_schema_has_changed_meanwhile(family):
    family.parent(1)
    schema = {"type": "object", "required": ["more"]}
    family.api.call("PUT", f"/task-types/{LAST}", {"version": "2", "param_schema": schema})
    family.report(*family.claim())

    assert family.counts() == (1, 0)


def test_a_follower_is_held_to_the_limits_of_its_type(family):
    family.api.call("PUT", f"/task-types/{LAST}/limits", {"limits": [{"path": "/run", "prefix": "run:"}]})
    family.api.call("PUT", "/limits/run:7", {"units": 1, "period": 60})
    family.parent(0)
    family.parent(0)

    assert len(family.claim(LAST, 2)) == 1
    lanes = family.api.chore(lambda state: state.run(lambda db, _now: set(db.scalars(LANES))))
    assert 0 not in lanes


def test_another_follower_under_the_same_token_is_another_report(family):
    family.api.submit(PARENT)
    (task,) = family.claim(PARENT)
    assert family.report(task, then={"type": LAST}) == ["accepted"]

    assert family.report(task, then={"type": LAST, "params": {"n": 1}}) == ["refused"]
    assert family.report(task) == ["refused"]
    assert family.report(task, then={"type": LAST}) == ["duplicate"]


def test_children_may_end_by_the_base_protocol(family):
    family.parent(2)
    for _ in range(2):
        assert family.api.complete(family.api.claim("b", [CHILD])["id"], "b") == 200

    assert family.counts() == (2, 0)


def test_the_children_of_a_task_are_listed_in_pages_with_their_number_by_status(family):
    parent = family.parent(3)
    one, two = family.claim(number=2)
    family.report(one)
    family.report(two, outcome="failed", retryable=False)

    def children(query=""):
        answer = family.api.call("GET", f"/tasks/{parent}/children?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    page = children("limit=2")
    assert page["counts"] == {"pending": 1, "processing": 0, "completed": 1, "failed": 1}
    assert (page["open"], page["then"]) == (1, {"type": LAST, "task_id": None})
    rest = children(f"limit=2&cursor={page['next_cursor']}")
    assert [one["params"]["n"] for one in page["tasks"] + rest["tasks"]] == [2, 1, 0]
    assert [task["id"] for task in children("status=completed")["tasks"]] == [one["id"]]
    family.report(*family.claim())
    told = children("limit=0")
    assert (told["tasks"], told["next_cursor"], told["status"]) == ([], None, "completed")
    assert (told["open"], told["then"]["task_id"]) == (0, family.followers()[0]["id"])


def test_a_child_whose_follower_is_still_to_come_is_told_as_open(family):
    outer = family.parent(1, child="Test.Inner")
    family.completes(*family.claim("Test.Inner"), 1, then="Test.InnerLast")
    told = family.api.call("GET", f"/tasks/{outer}/children").json()

    assert (told["counts"]["completed"], told["open"]) == (1, 1)


@pytest.mark.parametrize(
    ("path", "status"), [("none/children", 404), (f"{'x' * 99}/children", 404), ("{}/children?limit=-1", 422)]
)
def test_children_that_cannot_be_listed_are_a_problem(family, path, status):
    task_id = family.api.submit()

    assert family.api.call("GET", f"/tasks/{path.format(task_id)}").status_code == status


def test_a_task_without_children_has_none(family):
    told = family.api.call("GET", f"/tasks/{family.api.submit()}/children").json()

    assert (told["tasks"], told["open"], told["then"]) == ([], 0, None)


def deleted(api, *ids):
    """Deletes tasks as operators and retention do."""

    def delete(db, now):
        rows = list(db.execute(sa.select(tasks).where(tasks.c.id.in_(ids))))
        db.execute(sa.delete(tasks).where(tasks.c.id.in_(ids)))
        return fan_in.forget(db, rows, now)

    return api.chore(lambda state: state.run(delete))


def test_children_that_are_deleted_hold_nothing_up_and_are_counted(family):
    family.parent(3)
    good, bad = family.claim(number=2)
    family.report(good)
    deleted(family.api, good["id"])
    assert family.followers() == []
    (left,) = family.api.call("GET", f"/tasks?type={CHILD}&status=pending").json()["tasks"]
    deleted(family.api, bad["id"], left["id"])

    assert family.counts() == (1, 2)


def test_a_parent_that_is_deleted_is_followed_all_the_same_and_then_forgotten(family):
    parent = family.parent(1)
    deleted(family.api, parent)
    family.report(*family.claim())
    assert family.counts() == (1, 0)
    second = family.parent(0, then="Test.Other")
    deleted(family.api, second)

    count = sa.select(sa.func.count()).select_from(fan_in.fan_ins)
    assert family.api.chore(lambda state: state.run(lambda db, _now: db.scalar(count))) == 0


@pytest.fixture
def pair(tmp_path):
    with running_api(tmp_path) as one, running_api(tmp_path) as two:
        yield one, two


def members(pair):
    """A worker at each of two servers, with connections of their own."""
    return [Family(Api(server.url, server.clock), f"w{n}") for n, server in enumerate(pair)]


def test_the_last_children_that_end_at_once_on_two_servers_are_followed_once(pair):
    one, two = members(pair)
    for _ in range(15):
        one.parent(2)
        first, second = one.claim(), two.claim()
        at_once(lambda: one.report(*first), lambda: two.report(*second))  # noqa: B023

    told = [task["params"]["children"] for task in one.followers()]
    assert [(each["completed"], each["failed"]) for each in told] == [(2, 0)] * 15
    assert len({each["parent_id"] for each in told}) == 15


def test_a_child_that_ends_while_its_parent_asks_for_a_follower_is_followed(pair):
    one, two = members(pair)
    for _ in range(15):
        one.api.submit(PARENT)
        (task,) = one.claim(PARENT)
        two.api.submit(CHILD, parent_id=task["id"])
        child = two.claim()
        at_once(lambda: one.completes(task, 0), lambda: two.report(*child))  # noqa: B023

    assert [task["params"]["children"]["completed"] for task in one.followers()] == [1] * 15


def test_children_of_many_parents_that_end_in_any_order_on_two_servers_are_all_followed_once(pair):
    one, two = members(pair)
    for _ in range(6):
        one.parent(6)
    held = SimpleNamespace(one=one.claim(number=18), two=two.claim(number=18))
    at_once(
        *(lambda part=part: one.report(*part) for part in (held.one[::2], held.one[1::2][::-1])),
        *(lambda part=part: two.report(*part) for part in (held.two[::2], held.two[1::2][::-1])),
    )

    assert sorted(task["params"]["children"]["completed"] for task in one.followers()) == [6] * 6
