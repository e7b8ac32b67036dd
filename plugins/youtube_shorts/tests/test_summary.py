"""What a set of Shorts is made of."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.trends.metrics import Measured
from prismq_youtube_shorts.trends.summary import ChannelShare, Summary, summary_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NO_HOURS = (0,) * 24


def short(**changes):
    told = {"video_id": "v", "channel_id": None, "published": None, "views": None, "likes": None}
    return Measured(**({**told, "comments": None, "measured_at": NOW} | changes))


def test_of_no_shorts_every_count_is_zero():
    nothing = {"0-15": 0, "16-30": 0, "31-60": 0, "61-180": 0, "unknown": 0}

    assert summary_of([]) == Summary(NO_HOURS, nothing, (), {})


def test_publish_hours_are_counted_in_utc():
    delhi, new_york = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-5))
    published = [
        datetime(2026, 11, 20, 0, 0, tzinfo=UTC),
        datetime(2026, 11, 21, 0, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 22, 23, 0, tzinfo=UTC),
        datetime(2026, 11, 22, 1, 15, tzinfo=delhi),  # 19:45 UTC the day before
        datetime(2026, 11, 22, 20, 0, tzinfo=new_york),  # 01:00 UTC the day after
    ]

    hours = summary_of([short(published=each) for each in published]).publish_hours

    assert hours == (2, 1, *[0] * 17, 1, 0, 0, 0, 1)
    assert len(hours) == 24


def test_shorts_of_unknown_time_are_in_no_hour():
    assert summary_of([short(published=None)]).publish_hours == NO_HOURS


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (0, "0-15"),
        (1, "0-15"),
        (15, "0-15"),
        (16, "16-30"),
        (30, "16-30"),
        (31, "31-60"),
        (60, "31-60"),
        (61, "61-180"),
        (180, "61-180"),
        (181, "61-180"),
        (182, "unknown"),
        (-1, "unknown"),
        (None, "unknown"),
    ],
)
def test_durations_fall_into_buckets_with_both_ends(seconds, bucket):
    durations = summary_of([short(duration_seconds=seconds)]).durations

    assert [name for name, count in durations.items() if count] == [bucket]


def test_the_duration_buckets_come_from_short_to_long_and_unknown_last():
    durations = summary_of([short(duration_seconds=each) for each in (None, 200, 70, 70, 8)]).durations

    assert list(durations.items()) == [("0-15", 1), ("16-30", 0), ("31-60", 0), ("61-180", 2), ("unknown", 2)]


def test_channels_with_most_shorts_come_first_then_with_most_views_then_by_id():
    videos = [
        short(channel_id="few", channel="Few", views=10**9),
        short(channel_id="more-views", channel="More", views=70),
        short(channel_id="more-views", channel="More", views=5),
        short(channel_id="b-same", channel="Same", views=30),
        short(channel_id="b-same", channel="Same", views=30),
        short(channel_id="a-same", channel="Same", views=20),
        short(channel_id="a-same", channel="Same", views=40),
    ]

    assert summary_of(videos).top_channels == (
        ChannelShare("more-views", "More", 2, 75),
        ChannelShare("a-same", "Same", 2, 60),
        ChannelShare("b-same", "Same", 2, 60),
        ChannelShare("few", "Few", 1, 1_000_000_000),
    )


def test_only_known_views_are_summed_and_none_known_is_no_sum():
    videos = [
        short(channel_id="some", views=None),
        short(channel_id="some", views=7),
        short(channel_id="zero", views=0),
        short(channel_id="hidden", views=None),
    ]

    assert summary_of(videos).top_channels == (
        ChannelShare("some", "", 2, 7),
        ChannelShare("hidden", "", 1, None),
        ChannelShare("zero", "", 1, 0),
    )


def test_a_channel_bears_the_first_title_that_is_told():
    videos = [short(channel_id="c", channel=each) for each in ("", "New name", "Old name")]

    assert summary_of(videos).top_channels == (ChannelShare("c", "New name", 3, None),)


def test_shorts_of_unknown_channel_are_in_no_channel():
    assert summary_of([short(channel_id=None, channel="Somebody", views=9)]).top_channels == ()


def test_no_more_channels_come_than_were_asked_for():
    videos = [short(channel_id=f"c{n:02}") for n in range(12)]

    assert len(summary_of(videos).top_channels) == 10
    assert [each.channel_id for each in summary_of(videos, most_channels=2).top_channels] == ["c00", "c01"]


def test_languages_are_counted_as_written_the_most_frequent_first():
    videos = [short(language=each) for each in ("en", None, "pt-BR", "", "en", "de", "en")]

    assert list(summary_of(videos).languages.items()) == [("en", 3), ("unknown", 2), ("de", 1), ("pt-BR", 1)]


@settings(deadline=None)
@given(st.lists(st.builds(lambda seconds: short(duration_seconds=seconds), st.none() | st.integers(-5, 300))))
def test_every_short_is_in_one_bucket_and_one_language(videos):
    summary = summary_of(videos)

    assert sum(summary.durations.values()) == len(videos)
    assert sum(summary.languages.values()) == len(videos)
