"""When schedules fire: at the same instants whatever clocks do, and never twice for one time."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.taskmanager.firing import (
    MISSED_AFTER,
    MOST_MISSED,
    Cron,
    Every,
    latest,
    next_times,
    timing_of,
    to_make,
)

BERLIN = "Europe/Berlin"
NINE = datetime(2026, 5, 4, 9, tzinfo=timezone.utc).timestamp()


def utc(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc).timestamp()


def fires(cron, zone, after, number):
    times = next_times(Cron(cron, zone), utc(after), number)
    return [datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M") for at in times]


def test_a_cron_expression_is_read_on_the_clocks_of_its_zone():
    assert fires("30 9 * * MON-FRI", BERLIN, "2026-05-01 12:00", 2) == [
        "2026-05-04 07:30",
        "2026-05-05 07:30",
    ]
    assert fires("0 0 1 * *", "UTC", "2026-05-01 00:00", 1) == ["2026-06-01 00:00"]


def test_a_time_that_a_change_of_clocks_leaves_out_is_made_up_for_right_after_it_once():
    nights = ["2026-03-29 01:00", "2026-03-30 00:30", "2026-03-31 00:30"]
    assert fires("30 2 * * *", BERLIN, "2026-03-28 12:00", 3) == nights
    assert fires("0,30 2 * * *", BERLIN, "2026-03-28 12:00", 2) == ["2026-03-29 01:00", "2026-03-30 00:00"]
    assert fires("0 0 * * *", "Africa/Cairo", "2026-04-23 10:00", 1) == ["2026-04-23 22:00"]


def test_a_time_that_comes_twice_counts_once():
    nights = ["2026-10-25 00:30", "2026-10-26 01:30"]
    assert fires("30 2 * * *", BERLIN, "2026-10-24 12:00", 2) == nights
    assert fires("45 2 * * *", BERLIN, "2026-10-25 01:30", 1) == ["2026-10-26 01:45"]


def test_minutes_and_hours_that_begin_with_a_star_follow_the_time_that_really_passes():
    hours = ["2026-10-24 23:00", "2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00"]
    assert fires("0 * * * *", BERLIN, "2026-10-24 22:30", 4) == hours
    assert fires("0 * * * *", BERLIN, "2026-03-28 23:30", 3) == [
        "2026-03-29 00:00",
        "2026-03-29 01:00",
        "2026-03-29 02:00",
    ]


@given(
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 */2 * * *", "15,45 1-3 * * 0", "0 0 * * *"]),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]),
    st.floats(1.6e9, 1.9e9),
)
def test_each_firing_is_later_than_the_one_before_and_asking_anew_gives_the_same(cron, zone, at):
    timing = Cron(cron, zone)
    times = next_times(timing, at, 8)

    assert times[0] > at
    assert all(earlier < later for earlier, later in pairwise(times))
    assert next_times(timing, times[3], 4) == times[4:]


def test_every_so_many_seconds_is_counted_from_one_firing_and_does_not_drift():
    timing = Every(0.1 * 30, NINE)

    assert next_times(timing, NINE + 1e6, 1) == [NINE + 1000002]
    assert next_times(timing, NINE, 2) == [NINE + 3, NINE + 6]
    assert next_times(timing, NINE - 1, 1) == [NINE]


@pytest.mark.parametrize("timing", [Every(60, NINE), Cron("* * * * *", "UTC")])
def test_the_latest_firings_of_a_long_time_are_found_in_order(timing):
    until = NINE + timedelta(days=5000).total_seconds()

    assert latest(timing, NINE, until, 3) == [until - 120, until - 60, until]
    assert latest(timing, NINE, NINE + 119, 3) == [NINE, NINE + 60]
    assert latest(timing, NINE, NINE, 3) == [NINE]


def test_the_latest_firings_are_found_however_far_apart_they_are():
    day = 86400
    assert latest(Cron("0 9 * * *", "UTC"), NINE, NINE + 40 * day, 3) == [
        NINE + n * day for n in (38, 39, 40)
    ]
    assert latest(Cron("0 9 4 5 *", "UTC"), NINE, NINE + 800 * day, 9) == [
        NINE,
        NINE + 365 * day,
        NINE + 730 * day + day,
    ]


def test_a_firing_that_is_due_is_made_by_every_rule():
    for missed in ("skip", "once", "all"):
        assert to_make(Every(3600, NINE), NINE, missed, NINE + MISSED_AFTER) == [NINE]


def test_of_missed_firings_skip_makes_none_once_the_latest_and_all_a_hundred():
    timing, now = Every(3600, NINE), NINE + 200 * 3600 + MISSED_AFTER + 1

    assert to_make(timing, NINE, "skip", now) == []
    assert to_make(timing, NINE, "once", now) == [NINE + 200 * 3600]
    assert to_make(timing, NINE, "all", now) == [NINE + n * 3600 for n in range(201 - MOST_MISSED, 201)]


def test_after_missed_firings_skip_makes_the_one_that_is_due_now():
    assert to_make(Every(10, NINE), NINE, "skip", NINE + 1000) == [NINE + 1000]


@pytest.mark.parametrize(
    ("cron", "zone", "every", "said"),
    [
        (None, "UTC", None, "either cron or every_seconds"),
        ("* * * * *", "UTC", 60.0, "either cron or every_seconds"),
        ("61 * * * *", "UTC", None, "Bad minute"),
        ("* * * *", "UTC", None, "Wrong number of fields"),
        ("* * * * * *", "UTC", None, "Wrong number of fields"),
        ("0 22-2 * * *", "UTC", None, "Bad hour"),
        ("0 0 30 2 *", "UTC", None, "Bad day-of-month"),
        ("0 0 LW 2 */7", "UTC", None, "never fires"),
        ("0 0 * * *", "Europe/Nowhere", None, "no time zone 'Europe/Nowhere'"),
        ("0 0 * * *", "Europe", None, "no time zone"),
        ("0 0 * * *", "../../etc/passwd", None, "no time zone"),
        ("0 0 * * *", "UTC\0", None, "no time zone"),
    ],
)
def test_what_is_no_timing_is_told_in_a_sentence(cron, zone, every, said):
    with pytest.raises(ValueError, match=said):
        timing_of(cron, zone, every, NINE)


@given(st.text("0123456789*/,-#LWMONSUJANFEB ", max_size=40) | st.text(max_size=20))
def test_any_text_is_an_expression_or_told_to_be_none(text):
    try:
        timing = Cron(text, "UTC")
    except ValueError:
        return
    assert len(next_times(timing, NINE, 1)) <= 1
