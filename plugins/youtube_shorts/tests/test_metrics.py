"""Figures about one Short among others: each worked out by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.cache import Snapshot
from prismq_youtube_shorts.metrics import (
    Measured,
    age_hours,
    engagement_rate,
    outlier_score,
    percentile,
    ratio,
    robust_z,
    velocity,
)
from prismq_youtube_shorts.result import Short

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MARCH_BREAK = datetime(2025, 3, 31, tzinfo=UTC)
AUGUST_BREAK = datetime(2026, 8, 27, tzinfo=UTC)
NUMBERS = st.integers(-(10**12), 10**12)


def short(
    video_id="this",
    *,
    hours=8.0,
    now=NOW,
    published=...,
    views=960,
    likes=90,
    comments=6,
    channel_id="UC-one",
):
    published = now - timedelta(hours=hours) if published is ... else published
    told = Short.model_construct(
        video_id=video_id,
        channel_id=channel_id,
        published_at=published and published.isoformat(),
        view_count=views,
        like_count=likes,
        comment_count=comments,
    )
    return Measured(told, now)


def ratios(**counts):
    """Engagement rate, like ratio and comment ratio."""
    views, likes, comments = ({"views": 2000, "likes": 90, "comments": 10} | counts).values()
    rate = engagement_rate(views=views, likes=likes, comments=comments)
    return rate, ratio(likes, views), ratio(comments, views)


def channel(*views, hours=8.0, **changes):
    """A Short with so many views each, all of the same age."""
    return [short(f"peer-{n}", hours=hours, views=each, **changes) for n, each in enumerate(views)]


def looked(*, before=timedelta(0), views=1000, now=NOW):
    return Snapshot("this", now - before, views)


# --- age and views per hour


@pytest.mark.parametrize(
    ("minutes", "hours"),
    [(600, 10.0), (90, 1.5), (61.2, 1.02), (60, 1.0), (59, 1.0), (1, 1.0), (0, 1.0)],
)
def test_age_is_in_hours_and_the_first_hour_counts_whole(minutes, hours):
    assert short(hours=minutes / 60).age_hours == pytest.approx(hours)


def test_one_published_in_the_future_counts_as_an_hour_old():
    assert short(hours=-48).age_hours == 1.0
    assert short(hours=-48, views=7).views_per_hour == 7.0


def test_age_is_unknown_without_a_time_of_publishing():
    assert short(published=None).age_hours is None


def test_age_counts_hours_that_passed_not_those_on_the_wall():
    los_angeles = ZoneInfo("America/Los_Angeles")
    published = datetime(2026, 11, 1, 0, 30, tzinfo=los_angeles)
    measured_at = datetime(
        2026, 11, 1, 3, 30, tzinfo=los_angeles
    )  # clocks went back at 02:00: 07:30 to 11:30 UTC

    assert age_hours(published, measured_at) == 4.0


def test_age_compares_times_of_different_zones():
    published = datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=2)))  # 10:00 UTC

    assert short(published=published).age_hours == 2.0


@pytest.mark.parametrize(
    ("views", "hours", "rate"),
    [
        (960, 8, 120.0),  # 960 / 8
        (1000, 0.5, 1000.0),  # half an hour counts as one
        (1, 4, 0.25),
        (0, 4, 0.0),
    ],
)
def test_views_per_hour_is_the_average_over_the_whole_life(views, hours, rate):
    assert short(views=views, hours=hours).views_per_hour == rate


@pytest.mark.parametrize("unknown", [{"views": None}, {"published": None}])
def test_views_per_hour_is_unknown_without_views_or_time_of_publishing(unknown):
    assert short(**unknown).views_per_hour is None


# --- velocity


def test_velocity_is_what_came_between_two_looks_by_the_hours_between():
    # (1500 - 1000) / 2 h
    assert velocity(short(views=1500), looked(before=timedelta(hours=2), views=1000)) == 250.0


def test_velocity_is_negative_when_youtube_takes_views_back():
    # (900 - 1000) / 2 h
    assert velocity(short(views=900), looked(before=timedelta(hours=2), views=1000)) == -50.0


def test_velocity_of_a_short_nobody_watched_in_between_is_zero():
    assert velocity(short(views=1000), looked(before=timedelta(hours=2), views=1000)) == 0.0


@pytest.mark.parametrize(
    ("before", "views", "rate"),
    [
        (timedelta(minutes=15), 1100, 400.0),  # 100 / 0.25 h
        (timedelta(days=30), 73_000, 100.0),  # 72000 / 720 h
    ],
)
def test_looks_may_lie_from_15_minutes_to_30_days_apart(before, views, rate):
    assert velocity(short(views=views), looked(before=before, views=1000)) == rate


@pytest.mark.parametrize(
    "before",
    [
        timedelta(minutes=15) - timedelta(microseconds=1),
        timedelta(0),
        timedelta(hours=-2),
        timedelta(days=30, microseconds=1),
    ],
)
def test_velocity_is_unknown_for_looks_too_close_too_far_or_in_the_wrong_order(before):
    assert velocity(short(), looked(before=before)) is None


def test_velocity_is_unknown_without_views_or_without_an_earlier_look_at_this_video():
    two_hours = timedelta(hours=2)

    assert velocity(short(), None) is None
    assert velocity(short(views=None), looked(before=two_hours)) is None
    assert velocity(short("another"), looked(before=two_hours)) is None


@pytest.mark.parametrize("changed", [MARCH_BREAK, AUGUST_BREAK])
@pytest.mark.parametrize(
    "after", [timedelta(0), timedelta(hours=1), timedelta(hours=1, microseconds=999_999)]
)
def test_velocity_is_unknown_across_a_change_of_youtubes_count(changed, after):
    now = changed + after

    assert velocity(short(now=now), looked(before=timedelta(hours=2), now=now)) is None


@pytest.mark.parametrize("changed", [MARCH_BREAK, AUGUST_BREAK])
@pytest.mark.parametrize("after", [timedelta(microseconds=-1), timedelta(hours=2), timedelta(days=9)])
def test_velocity_is_known_when_both_looks_lie_on_one_side_of_the_change(changed, after):
    now = changed + after

    # (1300 - 1000) / 2 h; the change itself belongs to the later side
    assert velocity(short(now=now, views=1300), looked(before=timedelta(hours=2), now=now)) == 150.0


# --- ratios


@pytest.mark.parametrize(
    ("counts", "rates"),
    [
        ({}, (5.0, 4.5, 0.5)),  # (90 + 10) / 2000 * 100, 90 / 2000 * 100, 10 / 2000 * 100
        ({"views": 10, "likes": 15, "comments": 5}, (200.0, 150.0, 50.0)),  # views lag behind
        ({"likes": 0, "comments": 0}, (0.0, 0.0, 0.0)),
        ({"views": None}, (None, None, None)),
        ({"views": 0}, (None, None, None)),
        ({"likes": None}, (None, None, 0.5)),
        ({"comments": None}, (None, 4.5, None)),
    ],
)
def test_ratios_are_for_each_hundred_views_and_unknown_where_a_count_is_hidden(counts, rates):
    assert ratios(**counts) == rates


# --- outlier score: this one has 960 views in 8 hours, 120 an hour


def test_the_score_is_its_rate_by_the_usual_rate_of_its_channel():
    # 10, 20, 30, 40, 50 an hour: the median is 30, and 120 / 30 = 4
    peers = channel(80, 160, 240, 320, 400)

    assert outlier_score(short(), peers, None) == (4.0, "channel_median")


def test_of_an_even_number_of_peers_the_two_in_the_middle_are_averaged():
    # 10, 20, 30, 50, 60, 70 an hour: the median is 40, and 120 / 40 = 3
    peers = channel(80, 160, 240, 400, 480, 560)

    assert outlier_score(short(), peers, 10) == (3.0, "channel_median")


def test_peers_are_from_a_quarter_to_four_times_as_old():
    # 8 h old: from 2 h to 32 h. Four at 30 an hour, one at 10, one at 50: the median is 30.
    within = [
        *channel(240, 240, 240, 240),
        short("young", hours=2, views=20),
        short("old", hours=32, views=1600),
    ]
    beyond = [short("younger", hours=1.99, views=10**6), short("older", hours=32.01, views=10**6)]

    assert outlier_score(short(), within + beyond, None) == (4.0, "channel_median")


def test_no_more_than_the_thirty_latest_count():
    # 30 of 8 h at 10 an hour, and 40 of 16 h at 1000 an hour, which alone would be the median
    latest = [short(f"latest-{n}", hours=8, views=80) for n in range(30)]
    earlier = [short(f"earlier-{n}", hours=16, views=16_000) for n in range(40)]

    assert outlier_score(short(), earlier + latest, None) == (12.0, "channel_median")  # 120 / 10


def test_it_is_no_peer_of_itself_nor_are_other_channels_or_those_of_unknown_rate():
    passed_over = [
        short(),
        short("foreign", channel_id="UC-two"),
        short("nobody's", channel_id=None),
        short("hidden", views=None),
        short("undated", published=None),
    ]

    # four are too few: 960 / 4800
    score = outlier_score(short(), [*passed_over, *channel(80, 160, 240, 320)], 4800)

    assert score == (0.2, "subscribers")


def test_a_peer_given_twice_counts_once_as_it_came_last():
    # 10, 20, 30, 40, 50 an hour in the end
    peers = [short("peer-4", views=10**6), *channel(80, 160, 240, 320, 400)]

    assert outlier_score(short(), peers, None) == (4.0, "channel_median")


@pytest.mark.parametrize(
    ("subscribers", "score"),
    [
        (4800, 0.2),  # 960 / 4800
        (1000, 0.96),
        (999, 0.96),  # below 1000 subscribers count as 1000
        (0, 0.96),
    ],
)
def test_with_too_few_peers_views_are_measured_by_the_subscribers(subscribers, score):
    assert outlier_score(short(), [], subscribers) == (score, "subscribers")


def test_a_channel_that_nobody_watches_has_no_usual_rate():
    peers = channel(0, 0, 0, 0, 9)

    assert outlier_score(short(), peers, 4800) == (0.2, "subscribers")
    assert outlier_score(short(), peers, None) is None


@pytest.mark.parametrize("unknown", [{"published": None}, {"channel_id": None}])
def test_without_its_age_or_channel_only_the_subscribers_are_left(unknown):
    peers = channel(80, 160, 240, 320, 400, channel_id=unknown.get("channel_id", "UC-one"))

    assert outlier_score(short(**unknown), peers, 4800) == (0.2, "subscribers")
    assert outlier_score(short(**unknown), peers, None) is None


def test_without_views_there_is_no_score():
    assert outlier_score(short(views=None), channel(80, 160, 240, 320, 400), 4800) is None


def test_with_too_few_peers_and_hidden_subscribers_there_is_no_score():
    assert outlier_score(short(), channel(80, 160, 240, 320), None) is None


def test_a_short_without_views_scores_zero():
    assert outlier_score(short(views=0), channel(80, 160, 240, 320, 400), None) == (0.0, "channel_median")


# --- robust z


@pytest.mark.parametrize(
    ("value", "z"),
    [
        (3, 0.0),
        (17.826, 10.0),  # (17.826 - 3) / (1.4826 * 1)
        (-11.826, -10.0),  # (-11.826 - 3) / (1.4826 * 1)
        (5, 1.34898),  # 2 / 1.4826
    ],
)
def test_robust_z_is_the_distance_from_the_median_in_robust_deviations(value, z):
    # median 3; distances 2, 1, 0, 1, 2, so MAD is 1
    assert robust_z(value, [1, 2, 3, 4, 5]) == pytest.approx(z, abs=1e-5)


def test_one_viral_video_moves_neither_the_median_nor_the_deviation():
    assert robust_z(17.826, [1, 2, 3, 4, 5_000_000]) == pytest.approx(10.0)


@pytest.mark.parametrize("values", [[], [1], [1, 2, 3, 4]])
def test_robust_z_is_unknown_with_fewer_than_five_values(values):
    assert robust_z(3, values) is None


def test_robust_z_is_unknown_when_more_than_half_are_equal():
    # median 7; distances 0, 0, 0, 1, 93: MAD is 0
    assert robust_z(100, [7, 7, 7, 8, 100]) is None


def test_robust_z_of_an_unknown_value_is_unknown():
    assert robust_z(None, [1, 2, 3, 4, 5]) is None


@settings(deadline=None)
@given(NUMBERS, st.lists(NUMBERS, max_size=12))
def test_robust_z_turns_its_sign_with_the_values(value, values):
    z = robust_z(value, values)
    mirrored = robust_z(-value, [-each for each in values])

    assert mirrored == (None if z is None else -z)


# --- percentile


@pytest.mark.parametrize(
    ("value", "share"),
    [
        (10, 0.0),
        (20, 100 / 3),  # one of three others
        (30, 200 / 3),
        (40, 100.0),
    ],
)
def test_percentile_is_the_share_of_the_others_that_lie_below(value, share):
    assert percentile(value, [40, 10, 30, 20]) == pytest.approx(share)


def test_equal_others_count_half():
    # others: 10, 20, 20, 50; one below and two equal: (1 + 2 / 2) / 4
    assert percentile(20, [10, 20, 20, 20, 50]) == 50.0


def test_where_all_are_equal_each_is_in_the_middle():
    assert percentile(7, [7, 7, 7]) == 50.0


def test_a_value_that_is_not_of_the_set_is_compared_with_all_of_it():
    # two of four lie below
    assert percentile(25, [10, 20, 30, 40]) == 50.0


@pytest.mark.parametrize(("value", "values"), [(7, [7]), (7, []), (None, [1, 2, 3]), (None, [])])
def test_percentile_is_unknown_without_a_value_or_without_others(value, values):
    assert percentile(value, values) is None


@settings(deadline=None)
@given(NUMBERS, st.lists(NUMBERS, min_size=2))
def test_percentile_lies_from_0_to_100_and_mirrors(value, values):
    share = percentile(value, values)
    mirrored = percentile(-value, [-each for each in values])

    assert 0 <= share <= 100
    assert mirrored == pytest.approx(100 - share)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=2))
def test_percentile_orders_as_the_values_do(values):
    shares = [percentile(value, values) for value in sorted(values)]

    assert shares == sorted(shares)
