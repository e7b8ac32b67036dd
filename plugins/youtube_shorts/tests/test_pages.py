"""Kept pages and looks: for as long as the settings say, and never for more than the 30 days of the policy."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prismq_youtube_shorts.answers import Video
from prismq_youtube_shorts.query import SearchQuery
from prismq_youtube_shorts.state.file import StateFile
from prismq_youtube_shorts.state.looks import MOST_OF_A_VIDEO, Looks
from prismq_youtube_shorts.state.pages import LONGEST_SECONDS, Page, Pages
from prismq_youtube_shorts.trends.metrics import Measured, Snapshot

DAY = 86_400.0
VIDEO = {
    "id": "a",
    "snippet": {"title": "čaj 🫖"},
    "statistics": {"viewCount": "7"},
    "player": {"embedWidth": "9"},
}


@pytest.fixture
def file(tmp_path):
    opened = StateFile(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def page(clock):
    return Page(("a", "b"), "token", 1_000_000, clock(), (Video.model_validate(VIDEO),))


def seen(name, at):
    return Measured(
        video_id=name, channel_id=None, published=None, views=1, likes=None, comments=None, measured_at=at
    )


def rows(file, table):
    return file.run(lambda db: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0], -1)


def test_a_page_comes_back_as_it_was(file, clock, page):
    pages = Pages(file, DAY, clock)
    pages.put("search", 1, page)

    assert pages.get("search", 1) == page
    assert pages.get("search", 2) is None
    assert pages.get("another", 1) is None


def test_all_pages_of_a_search_are_as_old_as_its_first(file, clock, page):
    pages = Pages(file, DAY, clock)
    pages.put("search", 1, page)
    clock.turn(hours=20)
    later = Page(("c",), None, 1, clock(), ())
    pages.put("search", 2, later)
    assert pages.get("search", 2) == later

    clock.turn(hours=4)
    assert pages.get("search", 1) is None
    assert pages.get("search", 2) is None


def test_a_new_first_page_replaces_what_followed_the_old_one(file, clock, page):
    pages = Pages(file, DAY, clock)
    pages.put("search", 1, page)
    pages.put("search", 2, page)
    pages.put("search", 1, page)

    assert pages.get("search", 2) is None


def test_a_lifetime_of_nothing_keeps_nothing(file, clock, page):
    pages = Pages(file, 0, clock)
    pages.put("search", 1, page)

    assert pages.get("search", 1) is None
    assert not file.path.exists()


def test_nothing_is_kept_beyond_thirty_days_whatever_the_settings_say(file, clock, page):
    pages = Pages(file, 90 * DAY, clock)
    pages.put("search", 1, page)
    looks = Looks(file, clock)
    looks.remember([(Video.model_validate(VIDEO), clock())])
    looks.note([Snapshot("a", clock(), 7)])
    clock.turn(days=30)
    assert pages.get("search", 1) is None
    assert (looks.videos(["a"]), looks.earlier([seen("a", clock())])) == ({}, {})

    pages.purge()
    assert [rows(file, table) for table in ("pages", "videos", "looks")] == [0, 0, 0]


def test_a_purge_takes_only_what_is_past_its_time(file, clock, page):
    pages = Pages(file, DAY, clock)
    pages.put("old", 1, page)
    clock.turn(hours=20)
    pages.put("new", 1, Page(("a",), None, None, clock(), ()))
    clock.turn(hours=5)
    pages.purge()

    assert rows(file, "pages") == 1


def test_a_page_of_another_version_is_read_anew(file, clock, page):
    pages = Pages(file, DAY, clock)
    pages.put("search", 1, page)
    file.run(lambda db: db.execute("UPDATE pages SET body = '{\"ids\": 7}'"), None)

    assert pages.get("search", 1) is None


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
    looks = Looks(file, clock)
    for minutes, views in ((0, 100), (60, 200), (115, 300)):
        looks.note([Snapshot("a", clock() + timedelta(minutes=minutes), views)])
    clock.turn(hours=2)

    assert looks.earlier([seen("a", clock()), seen("b", clock())]) == {
        "a": Snapshot("a", clock() - timedelta(hours=1), 200)
    }


def test_of_a_video_that_is_looked_at_very_often_the_newest_looks_are_kept(file, clock):
    looks = Looks(file, clock)
    for number in range(MOST_OF_A_VIDEO + 20):
        clock.turn(minutes=1)
        looks.note([Snapshot("a", clock(), number)])

    assert rows(file, "looks") == MOST_OF_A_VIDEO
    clock.turn(hours=1)
    assert looks.earlier([seen("a", clock())])["a"].views == MOST_OF_A_VIDEO + 19


def test_the_policys_thirty_days_are_thirty_days():
    assert LONGEST_SECONDS == 30 * DAY


def test_what_another_version_asked_less_of_is_asked_anew(file, clock, monkeypatch):
    """A page or a video that was kept before streams were asked for would call one a Short for its whole lifetime."""
    looks, query = Looks(file, clock), SearchQuery(words="a")
    before = query.digest("e")
    looks.remember([(Video(id="vid"), clock())])
    assert looks.videos(["vid"])

    monkeypatch.setattr("prismq_youtube_shorts.state.looks.VIDEO_FIELDS", "items(id,player)")
    monkeypatch.setattr("prismq_youtube_shorts.query.VIDEO_FIELDS", "items(id,player)")
    assert looks.videos(["vid"]) == {}
    assert query.digest("e") != before
