"""Which videos are Shorts: the labelled table."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.resources import UPRIGHT, Video
from prismq_youtube_shorts.shorts_rule import ShortsCheck, aspect_ratio, check

YES, NO, UNKNOWN = ShortsCheck.VERIFIED, ShortsCheck.NOT_A_SHORT, ShortsCheck.UNVERIFIED
CHANGE = datetime(2024, 10, 15, tzinfo=UTC)
AFTER, BEFORE = CHANGE + timedelta(days=200), CHANGE - timedelta(days=200)
TALL, SQUARE, WIDE, NO_SIZE = (1080, 1920), (1080, 1080), (3413, 1920), (None, None)


def video(seconds, published, *, live=False, width=None, height=None, shorts_thumbnail=False):
    told = {"duration": None if seconds is None else f"PT{seconds}S"}
    snippet = {"publishedAt": published and published.isoformat()}
    thumbnails = {UPRIGHT: {"url": "u"}} if shorts_thumbnail else {}
    return Video.model_validate(
        {
            "snippet": {
                **snippet,
                "thumbnails": thumbnails,
                "liveBroadcastContent": "live" if live else "none",
            },
            "contentDetails": told,
            "player": {"embedWidth": width, "embedHeight": height},
        }
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0),
        ("P0D", 0),
        ("PT45S", 45),
        ("PT1M", 60),
        ("PT1M1S", 61),
        ("PT3M", 180),
        ("PT1H", 3_600),
        ("PT1H2M3S", 3_723),
        ("P1DT2H", 93_600),
        ("P1W", 604_800),
        ("PT12.5S", 12),
        ("", None),
        (None, None),
        ("45", None),
        ("PT5", None),
        ("PT1M PT1M", None),
    ],
)
def test_a_duration_is_read_whole_or_not_at_all(text, seconds):
    assert Video.model_validate({"contentDetails": {"duration": text}}).seconds == seconds


@pytest.mark.parametrize("published", [BEFORE, CHANGE - timedelta(seconds=1), CHANGE, AFTER, None])
@pytest.mark.parametrize("seconds", [1, 59, 60, 61])
@pytest.mark.parametrize(("size", "verdict"), [(TALL, YES), (SQUARE, YES), (WIDE, NO), (NO_SIZE, UNKNOWN)])
def test_up_to_a_minute_the_shape_decides_whenever_it_was_published(seconds, published, size, verdict):
    assert check(video(seconds, published, width=size[0], height=size[1])) is verdict


@pytest.mark.parametrize("seconds", [62, 120, 180, 181])
@pytest.mark.parametrize(
    ("published", "size", "verdict"),
    [
        (AFTER, TALL, YES),
        (CHANGE, TALL, YES),
        (CHANGE - timedelta(seconds=1), TALL, NO),
        (BEFORE, TALL, NO),
        (None, TALL, UNKNOWN),
        (AFTER, SQUARE, YES),
        (BEFORE, SQUARE, NO),
        (AFTER, WIDE, NO),
        (BEFORE, WIDE, NO),
        (None, WIDE, NO),
        (AFTER, NO_SIZE, UNKNOWN),
        (BEFORE, NO_SIZE, NO),
        (None, NO_SIZE, UNKNOWN),
    ],
)
def test_up_to_three_minutes_only_those_since_the_change_are_shorts(seconds, published, size, verdict):
    assert check(video(seconds, published, width=size[0], height=size[1])) is verdict


@pytest.mark.parametrize("seconds", [182, 239, 3_600, 93_600])
@pytest.mark.parametrize("size", [TALL, SQUARE, WIDE, NO_SIZE])
def test_beyond_three_minutes_nothing_is_a_short(seconds, size):
    told = video(seconds, AFTER, width=size[0], height=size[1], shorts_thumbnail=True)
    assert check(told) is NO


def test_what_lasts_no_time_is_a_stream_or_still_processed_and_no_short():
    assert check(video(0, AFTER, width=1080, height=1920)) is NO


def test_a_duration_that_is_not_told_leaves_it_unverified_unless_the_shape_speaks_against_it():
    assert check(video(None, AFTER, width=1080, height=1920)) is UNKNOWN
    assert check(video(None, AFTER, shorts_thumbnail=True)) is UNKNOWN
    assert check(video(None, AFTER, width=1920, height=1080)) is NO
    assert check(video(None, AFTER, live=True)) is NO


def test_live_and_upcoming_videos_are_no_shorts():
    assert check(video(30, AFTER, live=True, width=1080, height=1920)) is NO


def test_a_shorts_thumbnail_proves_the_shape_but_not_the_length():
    assert check(video(30, AFTER, shorts_thumbnail=True)) is YES
    assert check(video(120, AFTER, shorts_thumbnail=True)) is YES
    assert check(video(120, BEFORE, shorts_thumbnail=True)) is NO


def test_one_percent_wider_than_high_is_still_square():
    assert check(video(30, AFTER, width=1090, height=1080)) is YES
    assert check(video(30, AFTER, width=1092, height=1080)) is NO


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((1080, 1920), "9:16"),
        ((1079, 1920), "9:16"),
        ((1080, 1080), "1:1"),
        ((1536, 1920), "4:5"),
        ((None, 9), None),
    ],
)
def test_the_aspect_ratio_is_written_as_people_write_it(size, ratio):
    assert aspect_ratio(*size) == ratio
