"""What a set of Shorts has in common, and which words go with many views."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts import metrics
from prismq_youtube_shorts.metrics import Measured, lift, summary_of
from prismq_youtube_shorts.result import ChannelTotal, Short

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RATES = st.floats(0.001, 1e9)


def short(*, published=None, channel_id=None, channel="", views=None, seconds=None, language=None):
    told = Short.model_construct(
        video_id="v",
        title="",
        channel_id=channel_id,
        channel=channel,
        published_at=published and published.isoformat(),
        view_count=views,
        duration_seconds=seconds,
        tags=(),
        hashtags=(),
        language=language,
    )
    return Measured(told, NOW)


def total(channel_id, channel, videos, views):
    return ChannelTotal(channel_id=channel_id, channel=channel, videos=videos, views=views)


def lifts(tokens_of, rate_of):
    return [(one.token, one.support, one.lift) for one in lift(tokens_of, rate_of)]


def test_of_no_shorts_every_count_is_zero():
    nothing = summary_of([])

    assert nothing.durations == {"0-15": 0, "16-30": 0, "31-60": 0, "61-180": 0, "unknown": 0}
    assert (nothing.publish_hours, nothing.top_channels, nothing.languages) == ((0,) * 24, (), {})


def test_publish_hours_are_counted_in_utc_without_those_of_unknown_time():
    delhi, new_york = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-5))
    published = [
        datetime(2026, 11, 20, 0, 0, tzinfo=UTC),
        datetime(2026, 11, 21, 0, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 22, 23, 0, tzinfo=UTC),
        datetime(2026, 11, 22, 1, 15, tzinfo=delhi),  # 19:45 UTC the day before
        datetime(2026, 11, 22, 20, 0, tzinfo=new_york),  # 01:00 UTC the day after
        None,
    ]

    hours = summary_of([short(published=each) for each in published]).publish_hours

    assert hours == (2, 1, *[0] * 17, 1, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("bucket", "seconds"),
    [
        ("0-15", (0, 1, 15)),
        ("16-30", (16, 30)),
        ("31-60", (31, 60)),
        ("61-180", (61, 180, 181)),
        ("unknown", (182, -1, None)),
    ],
)
def test_durations_fall_into_buckets_with_both_ends(bucket, seconds):
    durations = summary_of([short(seconds=each) for each in seconds]).durations

    assert {name: count for name, count in durations.items() if count} == {bucket: len(seconds)}


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
        total("more-views", "More", 2, 75),
        total("a-same", "Same", 2, 60),
        total("b-same", "Same", 2, 60),
        total("few", "Few", 1, 1_000_000_000),
    )


def test_only_known_views_are_summed_and_none_known_is_no_sum():
    videos = [
        short(channel_id="some", views=None),
        short(channel_id="some", views=7),
        short(channel_id="zero", views=0),
        short(channel_id="hidden", views=None),
        short(channel_id=None, channel="Somebody", views=9),
    ]

    assert summary_of(videos).top_channels == (
        total("some", "", 2, 7),
        total("hidden", "", 1, None),
        total("zero", "", 1, 0),
    )


def test_a_channel_bears_the_first_title_that_is_told():
    videos = [short(channel_id="c", channel=each) for each in ("", "New name", "Old name")]

    assert summary_of(videos).top_channels == (total("c", "New name", 3, None),)


def test_no_more_than_ten_channels_come():
    videos = [short(channel_id=f"c{n:02}") for n in range(12)]

    assert [each.channel_id for each in summary_of(videos).top_channels] == [f"c{n:02}" for n in range(10)]


def test_languages_are_counted_as_written_the_most_frequent_first():
    videos = [short(language=each) for each in ("en", None, "pt-BR", "", "en", "de", "en")]

    assert list(summary_of(videos).languages.items()) == [("en", 3), ("unknown", 2), ("de", 1), ("pt-BR", 1)]


@settings(deadline=None)
@given(st.lists(st.builds(lambda seconds: short(seconds=seconds), st.none() | st.integers(-5, 300))))
def test_every_short_is_in_one_bucket_and_one_language(videos):
    summary = summary_of(videos)

    assert sum(summary.durations.values()) == sum(summary.languages.values()) == len(videos)


# --- lift


def test_lift_is_the_median_with_the_word_by_the_median_of_all():
    # all: 10, 20, 30, 40, 50, so 30; with cats: 20, 40, 50, so 40, and 40 / 30; with dogs: 10, 30, 50, so 30
    tokens_of = {"a": ("dogs",), "b": ("cats",), "c": ("dogs",), "d": ("cats",), "e": ("cats", "dogs")}
    rate_of = {"a": 10.0, "b": 20.0, "c": 30.0, "d": 40.0, "e": 50.0}

    assert lifts(tokens_of, rate_of) == [("cats", 3, 1.3333), ("dogs", 3, 1.0)]
    assert lift(tokens_of, rate_of)[0].median_views_per_hour == 40.0


def test_a_word_of_fewer_than_three_videos_is_left_out_and_one_named_twice_counts_once():
    tokens_of = {"a": ("cats", "dogs"), "b": ("cats", "dogs", "dogs"), "c": ("cats",)}

    assert lifts(tokens_of, dict.fromkeys("abc", 10.0)) == [("cats", 3, 1.0)]


def test_videos_of_unknown_rate_support_nothing():
    tokens_of = dict.fromkeys("abcd", ("cats",))

    assert lifts(tokens_of, {"a": 1.0, "b": 2.0, "c": None}) == []
    assert lifts(tokens_of, {"a": 1.0, "b": 2.0, "c": 3.0, "d": None}) == [("cats", 3, 1.0)]


def test_videos_without_the_word_or_any_word_count_among_all():
    # all: 2, 4, 8, 100, 100, so 8; with cats: 2, 4, 8, so 4, and 4 / 8
    tokens_of = {"a": ("cats",), "b": ("cats",), "c": ("cats",), "d": ()}

    assert lifts(tokens_of, {"a": 2.0, "b": 4.0, "c": 8.0, "d": 100.0, "e": 100.0}) == [("cats", 3, 0.5)]


def test_the_highest_lift_comes_first_then_the_most_support_then_the_alphabet(monkeypatch):
    # all: 10, 10, 10, 20, so 10. Top: 20 / 10. The rest 10 / 10, b with three videos, a and c with two.
    monkeypatch.setattr(metrics, "MIN_SUPPORT", 1)
    tokens_of = {"1": ("c", "b", "a"), "2": ("a", "b", "c"), "3": ("b",), "4": ("top",)}

    assert lifts(tokens_of, {"1": 10.0, "2": 10.0, "3": 10.0, "4": 20.0}) == [
        ("top", 1, 2.0),
        ("b", 3, 1.0),
        ("a", 2, 1.0),
        ("c", 2, 1.0),
    ]


def test_no_more_than_fifty_words_come():
    words = tuple(f"word-{n:02}" for n in range(60))

    found = lifts(dict.fromkeys("abc", words), dict.fromkeys("abc", 1.0))
    assert [token for token, _support, _lift in found] == list(words[:50])


@pytest.mark.parametrize(
    "rate_of",
    [
        {},
        {"a": None, "b": None, "c": None},
        {"a": 0.0, "b": 0.0, "c": 9.0},
        {"a": -1.0, "b": -2.0, "c": -3.0},
    ],
    ids=["nothing", "unknown", "a median of 0", "views taken back"],
)
def test_without_a_usual_rate_above_0_there_is_no_lift(rate_of):
    assert lift(dict.fromkeys("abc", ("cats",)), rate_of) == ()


@settings(deadline=None)
@given(st.lists(RATES, min_size=3, max_size=20))
def test_a_word_that_is_in_all_videos_lifts_nothing(rates):
    rate_of = {str(n): rate for n, rate in enumerate(rates)}

    assert lifts(dict.fromkeys(rate_of, ("cats",)), rate_of) == [("cats", len(rates), 1.0)]
