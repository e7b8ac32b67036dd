"""Kept pages and snapshots: for as long as the settings say, and never for more than the 30 days of the policy."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from prismq_youtube_shorts.cache import MAX_PER_VIDEO, MAX_SECONDS, Cache, Page, Snapshot
from prismq_youtube_shorts.resources import VIDEOS, Video
from prismq_youtube_shorts.search import SearchQuery
from prismq_youtube_shorts.state_file import StateFile

DAY = 86_400.0
VIDEO = {
    "id": "a",
    "snippet": {"title": "čaj 🫖"},
    "statistics": {"viewCount": "7"},
    "player": {"embedWidth": "9"},
}


@pytest.fixture
def file(tmp_path):
    return StateFile(tmp_path)


@pytest.fixture
def page(clock):
    return Page(("a", "b"), "token", 1_000_000, clock(), (Video.model_validate(VIDEO),))


def rows(file, table):
    return file.run(lambda db: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0], -1)


def test_a_page_comes_back_as_it_was(file, clock, page):
    pages = Cache(file, DAY, clock)
    pages.keep_page("search", 1, page)

    assert pages.page("search", 1) == page
    assert pages.page("search", 2) is None
    assert pages.page("another", 1) is None


def test_all_pages_of_a_search_are_as_old_as_its_first(file, clock, page):
    pages = Cache(file, DAY, clock)
    pages.keep_page("search", 1, page)
    clock.turn(hours=20)
    later = Page(("c",), None, 1, clock(), ())
    pages.keep_page("search", 2, later)
    assert pages.page("search", 2) == later

    clock.turn(hours=4)
    assert pages.page("search", 1) is None
    assert pages.page("search", 2) is None


def test_a_new_first_page_replaces_what_followed_the_old_one(file, clock, page):
    pages = Cache(file, DAY, clock)
    pages.keep_page("search", 1, page)
    pages.keep_page("search", 2, page)
    pages.keep_page("search", 1, page)

    assert pages.page("search", 2) is None


def test_a_lifetime_of_nothing_keeps_nothing(file, clock, page):
    pages = Cache(file, 0, clock)
    pages.keep_page("search", 1, page)

    assert pages.page("search", 1) is None
    assert not file.path.exists()


def test_nothing_is_kept_beyond_thirty_days_whatever_the_settings_say(file, clock, page):
    pages = Cache(file, 90 * DAY, clock)
    pages.keep_page("search", 1, page)
    snapshots = Cache(file, DAY, clock)
    snapshots.keep_videos([(Video.model_validate(VIDEO), clock())])
    snapshots.keep_snapshots([Snapshot("a", clock(), 7)])
    clock.turn(days=30)
    assert pages.page("search", 1) is None
    assert (snapshots.videos(["a"]), snapshots.snapshot_before("a", clock())) == ({}, None)

    pages.purge()
    assert [rows(file, table) for table in ("pages", "videos", "looks")] == [0, 0, 0]


def test_a_purge_takes_only_what_is_past_its_time(file, clock, page):
    pages = Cache(file, DAY, clock)
    pages.keep_page("old", 1, page)
    clock.turn(hours=20)
    pages.keep_page("new", 1, Page(("a",), None, None, clock(), ()))
    clock.turn(hours=5)
    pages.purge()

    assert rows(file, "pages") == 1


def test_a_page_of_another_version_is_read_anew(file, clock, page):
    pages = Cache(file, DAY, clock)
    pages.keep_page("search", 1, page)
    file.run(lambda db: db.execute("UPDATE pages SET body = '{\"ids\": 7}'"), None)

    assert pages.page("search", 1) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"words": "Cooking  Tips"}, {"words": "cooking tips"}, True),
        ({"words": "ČAJ"}, {"words": "čaj"}, True),  # composed and decomposed
        ({"words": "a"}, {"words": "b"}, False),
        ({"words": "a", "language": "en"}, {"words": "a"}, False),
        ({"words": "a", "order": "date"}, {"words": "a"}, False),
        ({"words": "a", "channel_id": "UC1"}, {"words": "a"}, False),
        ({"words": "a", "published_after": "2026-01-01T00:00:00Z"}, {"words": "a"}, False),
    ],
)
def test_what_youtube_does_not_tell_apart_is_one_search(one, other, same):
    assert (SearchQuery(**one).digest("e") == SearchQuery(**other).digest("e")) is same


def test_pages_of_a_stand_in_answer_nobody_who_asks_youtube():
    assert SearchQuery(words="a").digest("http://127.0.0.1:1/") != SearchQuery(words="a").digest("https://y/")


def test_the_latest_look_that_is_old_enough_is_the_one_to_compare_with(file, clock):
    snapshots = Cache(file, DAY, clock)
    for minutes, views in ((0, 100), (60, 200), (115, 300)):
        snapshots.keep_snapshots([Snapshot("a", clock() + timedelta(minutes=minutes), views)])
    clock.turn(hours=2)

    soonest = clock() - timedelta(minutes=15)
    assert snapshots.snapshot_before("a", soonest) == Snapshot("a", clock() - timedelta(hours=1), 200)
    assert snapshots.snapshot_before("b", soonest) is None


def test_of_a_video_that_is_looked_at_very_often_the_newest_snapshots_are_kept(file, clock):
    snapshots = Cache(file, DAY, clock)
    for number in range(MAX_PER_VIDEO + 20):
        clock.turn(minutes=1)
        snapshots.keep_snapshots([Snapshot("a", clock(), number)])

    assert rows(file, "looks") == MAX_PER_VIDEO
    clock.turn(hours=1)
    assert snapshots.snapshot_before("a", clock()).views == MAX_PER_VIDEO + 19


def test_the_policys_thirty_days_are_thirty_days():
    assert MAX_SECONDS == 30 * DAY


def test_what_another_version_asked_less_of_is_asked_anew(file, clock, monkeypatch):
    """A page or a video that was kept before streams were asked for would call one a Short for its whole lifetime."""
    snapshots, query = Cache(file, DAY, clock), SearchQuery(words="a")
    before = query.digest("e")
    snapshots.keep_videos([(Video(id="vid"), clock())])
    assert snapshots.videos(["vid"])

    less = replace(VIDEOS, fields="items(id,player)")
    monkeypatch.setattr("prismq_youtube_shorts.cache.VIDEOS", less)
    monkeypatch.setattr("prismq_youtube_shorts.search.VIDEOS", less)
    assert snapshots.videos(["vid"]) == {}
    assert query.digest("e") != before


def test_what_the_version_before_kept_is_still_known_and_the_other_way_round(file, clock):
    """Nested as Google writes it, with null for what is unknown; the names of searches have not changed either."""
    kept = {
        "id": "a",
        "snippet": {"title": "čaj", "channelId": None, "thumbnails": {"high": {"url": "u", "width": 480}}},
        "contentDetails": {"duration": "PT9S", "caption": True, "regionRestriction": {"allowed": None}},
        "player": {"embedWidth": 9, "embedHeight": 16},
        "liveStreamingDetails": None,
    }
    page = {"ids": ["a"], "next_token": None, "estimate": 5, "read_at": clock().isoformat(), "videos": [kept]}
    cache, query = Cache(file, DAY, clock), SearchQuery(words="Cooking  Tips", language="zh", region="DE")
    name = query.digest("https://youtube.googleapis.com/")
    file.write("INSERT INTO pages VALUES (?, 1, ?, ?)", (name, json.dumps(page), clock().timestamp()))

    (video,) = cache.page(name, 1).videos
    assert name == "bf089c27011055d1c4fca83ab198e2f9f82f53b38da11b716ab57d8391f37f71"
    assert (video.title, video.width, video.caption, video.live) == ("čaj", 9, True, None)
    assert video.thumbnail_url == "u"
    told = video.model_dump(mode="json")
    assert told["snippet"]["thumbnails"] == kept["snippet"]["thumbnails"]
    assert told["contentDetails"]["duration"] == "PT9S"
    assert Video.model_validate(told) == video
