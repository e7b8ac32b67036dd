"""The simulator: the same plan always goes the same way, found plans shrink and replay, and no promise breaks."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator import Plan, Work, random_plan, shrink, simulate
from tests.simulator.plan import Crash, Disturbed, Stop

FOUND = sorted((Path(__file__).parent / "plans").glob("*.json"))


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_no_plan_loses_a_task_accepts_an_outcome_twice_or_hangs(first):
    for seed in range(first, first + 50):
        assert simulate(random_plan(seed)).findings == (), f"random_plan({seed})"


@pytest.mark.parametrize("first", range(0, 100, 50))
def test_nor_does_one_on_prismq_client(first):
    for seed in range(first, first + 50):
        assert simulate(random_plan(seed, "prismq-client")).findings == (), f"random_plan({seed})"


def test_nor_does_one_whose_handlers_log_and_no_line_comes_twice():
    found = [simulate(replace(random_plan(seed, "exchange"), talks=True)) for seed in range(80)]

    assert [one.findings for one in found if one.findings] == []
    assert sum(one.lines for one in found) > 1_000


def test_some_plans_have_tasks_that_follow_others_and_pauses_of_a_limit():
    works = [work for seed in range(100) for work in random_plan(seed).works]

    assert sum(work.follower for work in works) > 20
    assert sum(work.pauses > 0 for work in works) > 20


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(10**6, 10**9), st.sampled_from(["base", "exchange", "prismq-client"]))
def test_nor_does_one_that_chance_gives(seed, dialect):
    assert simulate(random_plan(seed, dialect)).findings == ()


def test_plans_of_short_tasks_prefetch_many():
    hurried = [plan for seed in range(40) if len((plan := random_plan(seed, "exchange")).works) >= 30]

    assert sum(simulate(plan).prefetched for plan in hurried) > 10 * len(hurried) > 0


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path):
    assert simulate(Plan.load(path)).findings == ()


def test_every_task_of_a_plan_that_always_fails_has_few_attempts_to_do_so() -> None:
    failing = [
        work for seed in range(300) for work in random_plan(seed).works if work.end in {"error", "permanent"}
    ]
    assert len(failing) > 20
    assert max(work.max_attempts for work in failing) == 3


def test_the_same_plan_goes_the_same_way():
    plan = random_plan(17)
    ways = {tuple(_without_ids(simulate(plan, traced=True).trace)) for _ in range(2)}

    assert len(ways) == 1


def _without_ids(trace):
    return [line.split("request_id")[0] for line in trace]


def test_a_plan_is_the_same_after_it_was_saved(tmp_path):
    for seed in range(50):
        random_plan(seed).save(tmp_path / "plan.json")
        assert Plan.load(tmp_path / "plan.json") == random_plan(seed)


@pytest.mark.parametrize("text", ["{}", "[]", '{"works": [], "faults": [{"kind": "flood"}]}', "nothing"])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(ValueError):
        Plan.parse(text)


def test_a_plan_shrinks_to_what_makes_it_fail():
    whole = Plan(
        seed=3,
        workers=3,
        slots=4,
        works=(Work(), Work(seconds=2.0, children=1), Work()),
        faults=(Disturbed(3, "slow"), Crash(0, "step", 9, 1.0), Stop(1, 2.0, 10.0, 1.0)),
    )

    small = shrink(whole, lambda plan: any(isinstance(fault, Stop) for fault in plan.faults))
    assert small == Plan(seed=3, workers=2, slots=1, works=(Work(),), faults=(Stop(1, 2.0, 10.0, 1.0),))


def test_a_plan_that_keeps_every_promise_does_not_shrink():
    with pytest.raises(ValueError, match="nothing to shrink"):
        shrink(Plan(seed=1))


def test_an_hour_without_the_server_costs_no_result():
    from tests.prove.simulation import hour_plan

    for seed in range(20):
        plan = hour_plan(seed)
        result = simulate(plan)
        assert result.findings == ()
        assert result.starts == len(plan.works), "a result was computed again"
