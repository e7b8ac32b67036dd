"""The Shorts rule on constructed cases, each labelled by hand with what YouTube makes of such a video.

A Short is square or vertical and lasts at most 180 s when it was published on or after 2024-10-15, at most 60 s
before; the API rounds a duration up, so 181 s and 61 s may be one. Where nothing tells the shape or the age that
matters, the label is what the rule must admit: it cannot know.
"""

from __future__ import annotations

from collections import Counter

import pytest

from prismq_youtube_shorts.resources import Video
from prismq_youtube_shorts.shorts_rule import ShortsCheck, check

YES, NO, UNKNOWN = ShortsCheck.VERIFIED, ShortsCheck.NOT_A_SHORT, ShortsCheck.UNVERIFIED
NEW, LAST_OLD, FIRST_NEW = "2026-05-01T12:00:00Z", "2024-10-14T23:59:59Z", "2024-10-15T00:00:00Z"
OLD = "2022-02-02T02:02:02Z"
TALL, SQUARE, WIDE, NO_SHAPE = ("1080", "1920"), ("1920", "1920"), ("3413", "1920"), (None, None)
SLIM, NEARLY, SLIGHTLY_WIDE = ("600", "1920"), ("1921", "1920"), ("1960", "1920")
OWN = "shortsAspectRatio"

TABLE = [
    # a Short of every usual length
    ("PT1S", NEW, TALL, "", YES),
    ("PT15S", NEW, TALL, "", YES),
    ("PT59S", NEW, TALL, "", YES),
    ("PT1M", NEW, TALL, "", YES),
    ("PT60S", NEW, TALL, "", YES),
    ("PT1M1S", NEW, TALL, "", YES),
    ("PT2M", NEW, TALL, "", YES),
    ("PT2M59S", NEW, TALL, "", YES),
    ("PT3M", NEW, TALL, "", YES),
    ("PT180S", NEW, TALL, "", YES),
    ("PT3M1S", NEW, TALL, "", YES),
    ("PT45.4S", NEW, TALL, "", YES),
    # too long
    ("PT3M2S", NEW, TALL, "", NO),
    ("PT3M30S", NEW, TALL, "", NO),
    ("PT1H", NEW, TALL, "", NO),
    ("PT1H2M3S", NEW, TALL, "", NO),
    ("P1D", NEW, TALL, "", NO),
    ("P1DT2H", NEW, TALL, "", NO),
    ("P1W", NEW, TALL, "", NO),
    ("PT3M2S", NEW, TALL, OWN, NO),
    ("PT3M2S", NEW, NO_SHAPE, "", NO),
    # nothing to tell a length by: streams, videos in processing
    ("PT0S", NEW, TALL, "", NO),
    ("P0D", NEW, TALL, "", NO),
    (None, NEW, TALL, "", UNKNOWN),
    ("soon", NEW, TALL, "", UNKNOWN),
    (None, NEW, WIDE, "", NO),
    (None, NEW, TALL, "live", NO),
    ("PT30S", NEW, TALL, "live", NO),
    ("PT30S", NEW, TALL, "upcoming", NO),
    ("P0D", NEW, TALL, "live", NO),
    ("PT30S", NEW, TALL, "none", YES),
    # before and after the change of 2024-10-15
    ("PT59S", OLD, TALL, "", YES),
    ("PT1M", OLD, TALL, "", YES),
    ("PT1M1S", OLD, TALL, "", YES),
    ("PT1M2S", OLD, TALL, "", NO),
    ("PT2M", OLD, TALL, "", NO),
    ("PT3M", OLD, TALL, "", NO),
    ("PT1M", LAST_OLD, TALL, "", YES),
    ("PT1M2S", LAST_OLD, TALL, "", NO),
    ("PT3M", LAST_OLD, TALL, "", NO),
    ("PT3M", LAST_OLD, TALL, OWN, NO),
    ("PT1M2S", FIRST_NEW, TALL, "", YES),
    ("PT3M", FIRST_NEW, TALL, "", YES),
    ("PT3M1S", FIRST_NEW, TALL, "", YES),
    ("PT3M2S", FIRST_NEW, TALL, "", NO),
    ("PT3M", "2024-10-15T02:00:00+02:00", TALL, "", YES),
    ("PT3M", "2024-10-15T01:59:59+02:00", TALL, "", NO),
    # shapes
    ("PT30S", NEW, SQUARE, "", YES),
    ("PT30S", NEW, SLIM, "", YES),
    ("PT30S", NEW, NEARLY, "", YES),
    ("PT30S", NEW, SLIGHTLY_WIDE, "", NO),
    ("PT30S", NEW, WIDE, "", NO),
    ("PT1M", OLD, SQUARE, "", YES),
    ("PT1M", OLD, WIDE, "", NO),
    ("PT3M", NEW, SQUARE, "", YES),
    ("PT3M", NEW, WIDE, "", NO),
    ("PT30S", NEW, NO_SHAPE, OWN, YES),
    ("PT30S", NEW, WIDE, OWN, YES),
    ("PT3M", NEW, NO_SHAPE, OWN, YES),
    # what cannot be known
    ("PT30S", NEW, NO_SHAPE, "", UNKNOWN),
    ("PT30S", NEW, ("1080", None), "", UNKNOWN),
    ("PT30S", NEW, (None, "1920"), "", UNKNOWN),
    ("PT30S", NEW, ("0", "0"), "", UNKNOWN),
    ("PT1M", OLD, NO_SHAPE, "", UNKNOWN),
    ("PT3M", NEW, NO_SHAPE, "", UNKNOWN),
    ("PT2M", None, TALL, "", UNKNOWN),
    ("PT2M", "not a date", TALL, "", UNKNOWN),
    ("PT2M", "2026-05-01T12:00:00", TALL, "", UNKNOWN),
    ("PT2M", None, NO_SHAPE, "", UNKNOWN),
    # the age matters only above a minute
    ("PT1M", None, TALL, "", YES),
    ("PT1M", None, WIDE, "", NO),
    ("PT1M", None, NO_SHAPE, "", UNKNOWN),
    ("PT2M", None, WIDE, "", NO),
    ("PT3M2S", None, TALL, "", NO),
]


def verdict(duration, published, shape, extra):
    """As the rule sees the video once it went through the API's answer."""
    snippet = {"publishedAt": published, "thumbnails": {OWN: {"url": "u"}} if extra == OWN else {}}
    if extra not in {"", OWN}:
        snippet["liveBroadcastContent"] = extra
    player = {"embedWidth": shape[0], "embedHeight": shape[1]}
    answer = {"id": "v", "snippet": snippet, "contentDetails": {"duration": duration}, "player": player}
    return check(Video.model_validate(answer))


@pytest.mark.parametrize(("duration", "published", "shape", "extra", "label"), TABLE)
def test_each_case_is_what_its_label_says(duration, published, shape, extra, label):
    assert verdict(duration, published, shape, extra) is label


def test_precision_and_recall_are_whole_on_what_can_be_known():
    said = [(verdict(*case[:4]), case[4]) for case in TABLE]

    labels = Counter(label for _, label in said)
    assert len(TABLE) >= 60
    assert min(labels.values()) >= 10
    true = sum(found is label is YES for found, label in said)
    assert true / sum(found is YES for found, _ in said) == 1
    assert true / labels[YES] == 1
    assert all(found is UNKNOWN for found, label in said if label is UNKNOWN)
