"""A ScrapeShorts item as an IdeaInspiration, and the table that documents it."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.idea_inspiration import idea_inspiration

PAGE = Path(__file__).parents[1] / "README.md"
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ITEM = {
    "video_id": "abc123",
    "title": "Cats jump",
    "description": "All of them.",
    "channel": "Cat Studio",
    "published_at": "2026-11-20T10:00:00Z",
    "thumbnail_url": "https://i.ytimg.com/vi/abc123/hqdefault.jpg",
    "url": "https://www.youtube.com/shorts/abc123",
    "channel_id": "UC-cats",
    "duration_seconds": 45,
    "view_count": 3000,
    "like_count": 140,
    "comment_count": 10,
    "tags": ["Cats", "funny cats"],
    "hashtags": ["cats", "shorts"],
    "category_id": "15",
    "language": "en",
    "width": 1080,
    "height": 1920,
    "aspect_ratio": "9:16",
    "shorts_check": "verified",
    "made_for_kids": False,
    "embeddable": True,
    "definition": "hd",
    "caption": True,
    "rank": 1,
    "channel_info": {
        "handle": "@cats",
        "subscriber_count": 5000,
        "video_count": 12,
        "view_count": 900_000,
        "country": "CZ",
        "thumbnail_url": None,
    },
}
OTHERWISE = {
    "comment_count": 400,
    "published_at": "2026-11-21T10:00:00Z",
    "tags": ["dogs"],
    "hashtags": ["dogs"],
    "channel_info": {"subscriber_count": 6000},
    "caption": False,
    "made_for_kids": True,
    "embeddable": False,
}


def table():
    """Rows of the table on the plugin's page: an output field, the item's keys that it names, the whole cell."""
    _, _, text = PAGE.read_text(encoding="utf-8").partition("| IdeaInspiration |")
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.*?) \|$", text, flags=re.MULTILINE)
    return [(field, set(re.findall(r"`([a-z_]+)`", cell)), cell) for field, cell in rows]


def fields(idea):
    """The idea flat, with `metadata.views` and so on, in its order."""
    flat = {}
    for key, value in idea.items():
        flat.update(
            {f"metadata.{name}": text for name, text in value.items()} if key == "metadata" else {key: value}
        )
    return flat


def whole(item):
    return fields(idea_inspiration(item, derived=True, now=NOW))


def changed(key):
    """The item with another value under the key."""
    value = ITEM[key]
    return ITEM | {key: OTHERWISE.get(key, value * 2 if isinstance(value, int) else f"{value} other")}


def test_an_item_that_tells_all_fills_every_field():
    assert idea_inspiration(ITEM, derived=True, now=NOW) == {
        "title": "Cats jump",
        "description": "All of them.",
        "content": "",
        "keywords": ["Cats", "funny cats", "shorts"],
        "source_type": "video",
        "metadata": {
            "views": "3000",
            "likes": "140",
            "comments": "10",
            "duration": "45",
            "engagement_rate": "5.00",  # (140 + 10) / 3000 * 100
            "views_per_day": "1000.00",  # 3000 in three days
            "resolution": "1080x1920",
            "aspect_ratio": "9:16",
            "subtitles_available": "true",
            "channel_follower_count": "5000",
            "channel_id": "UC-cats",
            "channel_title": "Cat Studio",
            "published_at": "2026-11-20T10:00:00Z",
            "category_id": "15",
            "platform": "youtube_shorts",
            "source_type": "video",
        },
        "source_id": "abc123",
        "source_url": "https://www.youtube.com/shorts/abc123",
        "source_created_by": "Cat Studio",
        "source_created_at": "2026-11-20T10:00:00Z",
        "score": 5,
        "category": None,
        "subcategory_relevance": {},
        "contextual_category_scores": {},
    }


def test_an_item_that_tells_little_has_no_invented_metadata():
    known = {"video_id": "abc123", "title": "Cats jump", "url": "https://www.youtube.com/shorts/abc123"}
    nothing = dict.fromkeys(ITEM) | {"description": "", "channel": "", "tags": [], "hashtags": []}

    bare = idea_inspiration(nothing | known, derived=True, now=NOW)

    assert bare["metadata"] == {"platform": "youtube_shorts", "source_type": "video"}
    assert (bare["score"], bare["source_created_at"]) == (None, None)
    assert (bare["source_created_by"], bare["description"], bare["keywords"]) == ("", "", [])
    assert list(bare) == list(idea_inspiration(ITEM))
    assert idea_inspiration(known, derived=True, now=NOW) == bare, "a key that is absent counts as null"


# --- the table


def test_the_table_names_the_fields_in_the_order_they_come():
    assert [field for field, _, _ in table()] == list(whole(ITEM))


@pytest.mark.parametrize("key", ITEM)
def test_a_change_of_the_item_shows_in_the_fields_that_the_table_names_and_in_no_other(key):
    before, after = whole(ITEM), whole(changed(key))

    differ = {field for field in before if before[field] != after[field]}

    assert differ == {field for field, keys, _ in table() if key in keys}


def test_what_the_table_calls_derived_is_what_is_made_only_on_request():
    plain, asked_for = fields(idea_inspiration(ITEM, now=NOW)), whole(ITEM)

    derived = {field for field, value in asked_for.items() if plain.get(field) != value}

    assert derived == {field for field, _, cell in table() if cell.startswith("derived:")}


def test_what_the_table_calls_constant_is_what_the_item_cannot_change():
    constants = {
        field: re.match(r"always (\S+?):?(?: |$)", cell)[1] for field, keys, cell in table() if not keys
    }

    assert {field: json.loads(text) for field, text in constants.items()} == {
        field: whole(ITEM)[field] for field in constants
    }


# --- derived figures


def test_without_being_asked_for_nothing_is_derived():
    idea = idea_inspiration(ITEM, now=NOW)

    assert idea["score"] is None
    assert not {"engagement_rate", "views_per_day"} & idea["metadata"].keys()


@pytest.mark.parametrize(
    "unknown", [{"view_count": None}, {"view_count": 0}, {"like_count": None}, {"comment_count": None}]
)
def test_without_a_count_there_is_no_engagement_rate_and_no_score(unknown):
    idea = idea_inspiration(ITEM | unknown, derived=True, now=NOW)

    assert "engagement_rate" not in idea["metadata"]
    assert idea["score"] is None


@pytest.mark.parametrize(
    ("likes", "rate", "score"),
    [
        (0, "0.33", 0),  # (0 + 10) / 3000 * 100 = 0.333
        (68, "2.60", 3),  # 78 / 3000 * 100
        (62, "2.40", 2),  # 72 / 3000 * 100
        (5990, "200.00", 200),  # 6000 / 3000 * 100
    ],
)
def test_the_score_is_the_engagement_rate_as_a_whole_number(likes, rate, score):
    idea = idea_inspiration(ITEM | {"like_count": likes}, derived=True)

    assert (idea["metadata"]["engagement_rate"], idea["score"]) == (rate, score)


@pytest.mark.parametrize(
    ("published_at", "per_day"),
    [
        ("2026-11-22T10:00:00Z", "3000.00"),  # one day
        ("2026-11-23T11:00:00+07:00", "12000.00"),  # 04:00 UTC: six hours, 3000 * 24 / 6
        ("2026-11-23T09:59:00Z", "72000.00"),  # the first hour counts whole: 3000 * 24
        ("2026-11-24T10:00:00Z", "72000.00"),  # ahead of now: as in the first hour
    ],
)
def test_views_per_day_are_the_average_over_the_whole_life(published_at, per_day):
    idea = idea_inspiration(ITEM | {"published_at": published_at}, derived=True, now=NOW)

    assert idea["metadata"]["views_per_day"] == per_day


@pytest.mark.parametrize(
    ("unknown", "now"),
    [
        ({"view_count": None}, NOW),
        ({"published_at": None}, NOW),
        ({"published_at": "yesterday"}, NOW),
        ({"published_at": "2026-11-20T10:00:00"}, NOW),
        ({}, None),
    ],
    ids=["no views", "no time", "no time to be read", "no time zone", "no now"],
)
def test_without_views_a_time_or_now_there_are_no_views_per_day(unknown, now):
    assert "views_per_day" not in idea_inspiration(ITEM | unknown, derived=True, now=now)["metadata"]


# --- values


def test_a_count_of_zero_is_told_and_a_hidden_one_is_not():
    metadata = idea_inspiration(ITEM | {"view_count": 0, "like_count": None})["metadata"]

    assert metadata["views"] == "0"
    assert "likes" not in metadata


@pytest.mark.parametrize(
    ("caption", "text"),
    [(True, "true"), (False, "false"), ("true", "true"), ("false", "false"), (None, None)],
)
def test_subtitles_are_available_or_not_or_unknown(caption, text):
    assert idea_inspiration(ITEM | {"caption": caption})["metadata"].get("subtitles_available") == text


@pytest.mark.parametrize("size", [{"width": None}, {"height": None}, {"width": None, "height": None}])
def test_half_a_size_is_no_resolution(size):
    assert "resolution" not in idea_inspiration(ITEM | size)["metadata"]


@pytest.mark.parametrize("info", [None, {}, {"subscriber_count": None}])
def test_hidden_subscribers_are_left_out(info):
    assert "channel_follower_count" not in idea_inspiration(ITEM | {"channel_info": info})["metadata"]


def test_a_channel_without_subscribers_is_told():
    channel_info = {"subscriber_count": 0}

    metadata = idea_inspiration(ITEM | {"channel_info": channel_info})["metadata"]

    assert metadata["channel_follower_count"] == "0"


@pytest.mark.parametrize(
    ("tags", "hashtags", "keywords"),
    [
        (["b", "a"], ["c"], ["b", "a", "c"]),
        (["Cats", "CATS"], ["cats"], ["Cats"]),
        (["\uff23\uff41\uff54\uff53"], ["cats"], ["\uff23\uff41\uff54\uff53"]),
        (["Stra\u00dfe"], ["strasse"], ["Stra\u00dfe"]),
        ([], ["shorts"], ["shorts"]),
        (None, None, []),
    ],
)
def test_keywords_are_the_tags_and_the_hashtags_each_once_as_first_spelled(tags, hashtags, keywords):
    assert idea_inspiration(ITEM | {"tags": tags, "hashtags": hashtags})["keywords"] == keywords


def test_all_metadata_is_text_and_the_idea_is_json():
    idea = idea_inspiration(ITEM, derived=True, now=NOW)

    assert {type(value) for value in idea["metadata"].values()} == {str}
    assert json.loads(json.dumps(idea)) == idea


def test_the_item_is_left_as_it_was():
    before = json.dumps(ITEM)

    idea_inspiration(ITEM, derived=True, now=NOW)["keywords"].append("more")

    assert json.dumps(ITEM) == before
