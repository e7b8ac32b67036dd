"""When to claim, and how much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.decide.claims import (
    LONG,
    SHORT,
    Ask,
    Pace,
    longest_wait,
    next_claim,
    pace_after,
    prefetch,
    recent,
)
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import Conflict, Rejected, Throttled, Unreachable

JITTER = st.floats(0, 1)


@given(st.integers(0, 300), st.integers(1, 200), st.integers(0, 50), st.integers(0, 60))
def test_r04_never_more_is_asked_for_than_free_slots_and_runs_left(free, max_tasks, claimed, max_runs):
    plan = next_claim(free=free, rooms={"T": None}, max_tasks=max_tasks, claimed=claimed, max_runs=max_runs)

    room = free if max_runs == 0 else min(free, max_runs - claimed)
    assert plan == (Ask(min(room, max_tasks), ("T",)) if room > 0 else None)


def test_r04_tasks_are_prefetched_only_where_no_type_that_may_be_claimed_has_a_limit():
    asked = {"free": -1, "max_tasks": 128, "claimed": 0, "max_runs": 0, "ahead": 4}

    assert next_claim(rooms={"T": None}, **asked) == Ask(3, ("T",))
    assert next_claim(rooms={"T": None, "Narrow": 2}, **asked) is None
    assert next_claim(rooms={"T": None}, **asked | {"claimed": 8, "max_runs": 10}) == Ask(2, ("T",))


@given(st.integers(1, 256), st.floats(0, 3600), st.floats(0, 100))
def test_r04_no_more_is_prefetched_than_there_are_slots_and_nothing_while_handlers_are_long(
    slots, handler_seconds, exchange_seconds
):
    ahead = prefetch(slots, handler_seconds=handler_seconds, exchange_seconds=exchange_seconds)

    assert 0 <= ahead <= slots
    assert bool(ahead) is (handler_seconds <= SHORT)


def test_r04_what_slots_end_during_two_exchanges_is_prefetched():
    assert prefetch(16, handler_seconds=0.2, exchange_seconds=0.045) == 8
    assert prefetch(16, handler_seconds=0.0, exchange_seconds=0.0) == 16


def test_handlers_are_long_until_some_were_short_and_one_that_hangs_counts_as_long():
    mean, seen = LONG, 0
    while mean > SHORT:
        mean, seen = recent(mean, 0.01), seen + 1

    assert seen == 5
    assert recent(recent(mean, 3600.0), 0.01) < LONG


def test_nothing_is_claimed_while_no_type_may_be():
    assert next_claim(free=4, rooms={}, max_tasks=1, claimed=0, max_runs=0) is None


@given(
    st.dictionaries(st.sampled_from("ABCD"), st.none() | st.integers(1, 9), min_size=1),
    st.integers(1, 12),
    st.booleans(),
)
def test_no_type_is_asked_for_more_than_it_has_room_for(rooms, free, whole):
    plan = next_claim(free=free, rooms=rooms, max_tasks=128, claimed=0, max_runs=0, whole=whole)

    assert all(rooms[name] is None or plan.max_tasks <= rooms[name] for name in plan.types)
    assert plan.part is (set(plan.types) != set(rooms))
    assert not (whole and plan.part)


def test_types_with_room_enough_are_asked_for_first_and_then_all():
    rooms = {"Narrow": 2, "Wide": None}
    asked = {"free": 16, "rooms": rooms, "max_tasks": 128, "claimed": 0, "max_runs": 0}

    assert next_claim(**asked, whole=False) == Ask(16, ("Wide",), part=True)
    assert next_claim(**asked, whole=True) == Ask(2, ("Narrow", "Wide"))


def test_idle_waits_grow_to_the_poll_interval_and_a_task_ends_them():
    worked = pace_after(Pace(), 1, poll_interval=10.0, jitter=1.0)
    pace, waits = worked, []
    for _ in range(7):
        pace = pace_after(pace, 0, poll_interval=10.0, jitter=1.0)
        waits.append(round(pace.wait, 6))

    assert worked.wait == 0.0
    assert waits == [0.1, 0.3, 0.9, 2.7, 8.1, 10.0, 10.0]
    assert pace_after(pace, 1, poll_interval=10.0, jitter=1.0) == worked


@given(JITTER)
def test_a_worker_begins_as_an_idle_one(jitter):
    wait = pace_after(Pace(), 0, poll_interval=10.0, jitter=jitter).wait

    assert 5.0 <= wait <= 10.0


@given(st.sampled_from([Unreachable("cut"), Throttled("503", 0.0), Rejected(400, "odd")]), JITTER)
def test_an_idle_worker_asks_no_sooner_after_a_failure_and_is_idle_still(failure, jitter):
    failed = pace_after(Pace(), failure, poll_interval=10.0, jitter=jitter)

    assert failed.wait >= 5.0
    assert pace_after(failed, 0, poll_interval=10.0, jitter=jitter).wait >= 5.0


def test_a_worker_that_had_work_asks_again_soon_after_a_failure():
    worked = pace_after(Pace(), 1, poll_interval=10.0, jitter=1.0)

    assert pace_after(worked, Unreachable("cut"), poll_interval=10.0, jitter=1.0).wait == 0.2


def test_r34_a_conflict_is_repeated_quickly_three_times_and_then_at_the_poll_interval():
    pace, waits = Pace(), []
    for _ in range(5):
        pace = pace_after(pace, Conflict(), poll_interval=10.0, jitter=1.0)
        waits.append(pace.wait)

    assert waits == [0.2, 0.2, 0.2, 10.0, 10.0]


def test_the_server_s_own_wish_for_patience_is_followed():
    pace = pace_after(Pace(), Throttled("429", retry_after=42.0), poll_interval=1.0, jitter=0.5)

    assert pace.wait == 47.0, "and spread over ten seconds, lest a fleet come back at once"


def test_an_unreachable_server_is_tried_less_and_less_often_but_for_ever():
    pace = Pace()
    for _ in range(100):
        pace = pace_after(pace, Unreachable("refused"), poll_interval=1.0, jitter=1.0)

    assert pace.wait == 30.0


def test_a_server_that_asks_for_days_is_asked_again_within_the_hour():
    pace = pace_after(Pace(), Throttled("503", retry_after=1e20), poll_interval=1.0, jitter=0.5)

    assert 3600 <= pace.wait < 4000


@pytest.mark.parametrize(
    ("lease", "longest_of_server", "poll", "wait"),
    [(60.0, 30.0, 10.0, 10.0), (60.0, 30.0, 100.0, 20.0), (6.0, 30.0, 10.0, 2.0), (0.0, 30.0, 10.0, 10.0)],
)
def test_r05_a_claim_waits_on_the_server_for_a_third_of_its_lease_at_most(
    lease, longest_of_server, poll, wait
):
    can = Capabilities(lease_seconds=lease, max_wait_seconds=longest_of_server)

    assert longest_wait(can, poll, 1.0) == wait
    assert longest_wait(can, poll, 0.0) == wait / 2, (
        "workers that started together must not ask together for ever"
    )


def test_r34_a_limit_of_requests_does_not_make_an_idle_worker_ask_more_often():
    idle = pace_after(Pace(), 0, poll_interval=10.0, jitter=1.0)
    limited = pace_after(idle, Throttled("100 a minute", 0.5, limited=True), poll_interval=10.0, jitter=0.0)

    assert limited.wait == 0.5
    assert pace_after(limited, 0, poll_interval=10.0, jitter=1.0).wait == idle.wait == 10.0
