import pytest

from tests.support.api import TYPE
from tests.support.family import CHILD, LAST, Family
from tests.unit.model.test_trace_context import MALFORMED, PARENT

GIVEN = {"traceparent": PARENT, "tracestate": "a=1"}


def trace_of(task):
    return {name: task[name] for name in GIVEN if name in task}


def test_the_bundle_is_announced(api):
    assert api.call("GET", "/health").json()["capabilities"]["trace_context"] is True


def test_a_task_is_claimed_and_shown_with_its_trace_context(api):
    task_id = api.submit(**GIVEN)

    assert trace_of(api.claim()) == trace_of(api.call("GET", f"/tasks/{task_id}").json()) == GIVEN
    (listed,) = api.call("GET", "/tasks").json()["tasks"]
    assert trace_of(listed) == GIVEN


def test_a_task_without_one_says_nothing_of_it(api):
    api.submit()

    assert trace_of(api.claim()) == {}


@pytest.mark.parametrize("given", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_traceparent_is_passed_over(api, given):
    answer = api.call("POST", "/tasks", {"type": TYPE, "traceparent": given, "tracestate": "a=1"})

    assert answer.status_code == 201
    assert trace_of(answer.json()) == {}


def test_a_tracestate_without_traceparent_or_with_a_fault_is_passed_over(api):
    assert trace_of(api.call("POST", "/tasks", {"type": TYPE, "tracestate": "a=1"}).json()) == {}
    for wrong in (7, ["a=1"], {"a": 1}, "nonsense", "x" * 100_000):
        body = {"type": TYPE, "traceparent": PARENT, "tracestate": wrong}
        assert trace_of(api.call("POST", "/tasks", body).json()) == {
            "traceparent": PARENT,
            "tracestate": None,
        }


def test_a_huge_tracestate_is_cut_between_its_members(api):
    task = api.call(
        "POST", "/tasks", {"type": TYPE, "traceparent": PARENT, "tracestate": "a=" + "x" * 256}
    ).json()
    many = ",".join(f"k{n}={'x' * 30}" for n in range(32))
    cut = api.call("POST", "/tasks", {"type": TYPE, "traceparent": PARENT, "tracestate": many}).json()

    assert len(task["tracestate"]) == 258
    assert many.startswith(f"{cut['tracestate']},")
    assert len(cut["tracestate"]) <= 512


def test_tasks_of_a_batch_have_each_their_own(api):
    tasks = [{"type": TYPE, **GIVEN}, {"type": TYPE}, {"type": TYPE, "traceparent": "x"}]
    answers = api.call("POST", "/tasks/batch", {"tasks": tasks}).json()["tasks"]

    assert [trace_of(one["task"]) for one in answers] == [GIVEN, {}, {}]


def test_children_and_what_follows_them_have_those_of_the_report(api):
    family = Family(api)
    api.submit("Fan.Root")
    (root,) = family.claim("Fan.Root")
    child = {"key": "c", "type": CHILD, "params": {}, **GIVEN}
    then = {"type": LAST, "params": {}, "traceparent": PARENT, "tracestate": None}
    family.report(root, children=[child], then=then)
    (child,) = family.claim(CHILD)
    family.report(child)

    assert trace_of(child) == GIVEN
    assert trace_of(family.claim(LAST)[0]) == {"traceparent": PARENT, "tracestate": None}


def test_a_malformed_one_of_a_child_refuses_no_report(api):
    family = Family(api)
    api.submit("Fan.Root")
    (root,) = family.claim("Fan.Root")
    child = {"key": "c", "type": CHILD, "params": {}, "traceparent": 7, "tracestate": []}

    assert family.report(root, children=[child]) == ["accepted"]
    assert trace_of(family.claim(CHILD)[0]) == {}
