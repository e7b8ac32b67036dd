"""When an alert fires and is resolved."""

import pytest

from prismq_worker_sdk.taskmanager.alert_rules import (
    Reading,
    next_pause,
    of_age,
    of_claims,
    of_failures,
    step,
)

BAD, WELL, BETWEEN = Reading(True, False, 9.0), Reading(False, True, 1.0), Reading(False, False, 5.0)


def told(*readings, hold=60.0):
    """What is told when, given readings half a minute apart."""
    state, found = None, []
    for place, reading in enumerate(readings):
        state, tell = step(state, reading, place * 30.0, hold)
        if tell:
            found.append((place, state.phase))
    return found


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([WELL] * 5, []),
        ([BAD, BAD, WELL, BAD, BAD, WELL], []),
        ([BAD] * 6, [(2, "firing")]),
        ([BAD] * 3 + [WELL] * 5, [(2, "firing"), (5, "resolved")]),
        ([BAD] * 3 + [BETWEEN] * 9, [(2, "firing")]),
        ([BAD] * 3 + [WELL, BETWEEN, WELL, BAD, WELL, WELL, WELL], [(2, "firing"), (9, "resolved")]),
        ([BAD] * 3 + [WELL] * 3 + [BAD] * 3, [(2, "firing"), (5, "resolved"), (8, "firing")]),
        ([BAD, BETWEEN, BAD, BAD, BAD], [(4, "firing")]),
    ],
)
def test_a_change_is_told_once_it_has_stayed(readings, expected):
    assert told(*readings) == expected


def test_without_a_hold_it_is_told_at_once():
    assert told(BAD, BAD, WELL, WELL, BAD, hold=0.0) == [(0, "firing"), (2, "resolved"), (4, "firing")]


@pytest.mark.parametrize(
    ("completed", "failed", "holds", "well"),
    [
        (8, 2, False, False),
        (7, 3, True, False),
        (0, 0, False, True),
        (9, 1, False, True),
        (0, 1, False, True),
    ],
)
def test_a_share_of_failures_counts_once_there_are_enough(completed, failed, holds, well):
    found = of_failures(completed, failed, share=0.2, least=2)
    assert (found.holds, found.well) == (holds, well)


@pytest.mark.parametrize(
    ("age", "holds", "well"), [(0, False, True), (89, False, True), (95, False, False), (101, True, False)]
)
def test_an_age_is_well_again_some_way_below_its_bound(age, holds, well):
    found = of_age(age, 100.0)
    assert (found.holds, found.well) == (holds, well)


@pytest.mark.parametrize(
    ("waited", "unseen", "holds"),
    [
        (None, None, False),
        (None, 999, False),
        (50, None, False),
        (101, None, True),
        (500, 20, False),
        (500, 101, True),
    ],
)
def test_no_worker_is_told_when_something_waits_and_nobody_was_seen(waited, unseen, holds):
    found = of_claims(waited, unseen, 100.0)
    assert (found.holds, found.well) == (holds, not holds)


def test_a_delivery_is_tried_ever_later():
    pauses = [next_pause(tries) for tries in range(1, 40)]
    assert pauses[:3] == [5.0, 15.0, 45.0]
    assert max(pauses) == 3600.0
    assert pauses == sorted(pauses)
