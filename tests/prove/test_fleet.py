"""What a fleet has in common is counted in the order of the database, and what is one too many is found."""

import pytest

from tests.prove import fleet
from tests.prove.fleet import FleetRecords

ONE, TWO = ("claimed", 1), ("claimed", 2)


@pytest.mark.parametrize(
    ("steps", "running"),
    [
        ([ONE, TWO], [1, 2]),
        ([ONE, ("claim", 1), TWO], [1, 1]),
        ([ONE, ("claimed", 3), ("claim", 1), TWO], [1, 1, 2]),  # 3 is the next claim of the same task
        ([ONE, ("claimed", 4), TWO], [1, 2]),  # 4 is of another type
    ],
)
def test_parts_that_are_claimed_at_the_same_time_are_counted(steps, running):
    assert fleet.running_at_each({1: "a", 2: "b", 3: "a"}, steps) == running


GOOD = FleetRecords({"a": [(2, 0)], "b": [(1, 1)]}, [0.0, 0.0, 1.0, 1.0], [1, 2, 1, 2])
EXPECTED = {"a": (2, 0), "b": (1, 1)}


def test_tasks_that_follow_and_claims_within_the_limit_are_right():
    found = fleet.found(EXPECTED, GOOD)

    assert found == dict.fromkeys(found, 0) | {"with_parts": 2, "limited_claims": 4, "at_the_limit": 2}


@pytest.mark.parametrize(
    ("records", "wrong"),
    [
        (FleetRecords({"a": [(2, 0)]}), "followers_lost"),
        (FleetRecords(GOOD.followers | {"a": [(2, 0), (2, 0)]}), "followers_twice"),
        (FleetRecords(GOOD.followers | {"a": [(1, 1)]}), "followers_wrong"),
        (FleetRecords(GOOD.followers, [], [1, 2, fleet.AT_ONCE + 1]), "too_many_at_once"),
        (FleetRecords(GOOD.followers, [5.0] * (fleet.UNITS + 1)), "too_many_in_a_period"),
    ],
)
def test_one_too_few_or_too_many_is_counted(records, wrong):
    assert {name for name, number in fleet.found(EXPECTED, records).items() if number} - {
        "with_parts",
        "limited_claims",
        "at_the_limit",
    } == {wrong}
