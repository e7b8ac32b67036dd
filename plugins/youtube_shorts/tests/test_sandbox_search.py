"""search.list of the stand-in: what it finds, in which order, and what it refuses."""

from __future__ import annotations

import pytest

from plugins.youtube_shorts.tests.sandbox_support import (
    Clock,
    found,
    get,
    good,
    reason,
    refused,
    search,
)
from prismq_youtube_shorts.sandbox import Channel, Entry

CHANNEL = "UC0123456789abcdefghijkl"
OTHER = "UCother00000000000000000"


def test_search_titles_are_escaped_and_video_titles_are_plain(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", title="Tom & Jerry's", description="long " * 60)])

    (found,) = search(sandbox, q="tom")["items"]
    _, answer = get(sandbox, "videos", id="a")

    assert found["snippet"]["title"] == "Tom &amp; Jerry&#39;s"
    assert len(found["snippet"]["description"]) < 150
    assert answer["items"][0]["snippet"]["title"] == "Tom & Jerry's"
    assert answer["items"][0]["snippet"]["description"] == "long " * 60


def test_only_short_videos_match_the_short_filter(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", seconds=239), Entry(video_id="b", seconds=240)])

    assert found(search(sandbox, videoDuration="short")) == ["a"]


def test_the_short_filter_needs_the_type_video(sandbox):
    status, body = get(sandbox, "search", q="x", videoDuration="short")

    assert (status, reason(body)) == (400, "invalidSearchFilter")


def test_the_language_is_a_soft_hint(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", language="en"), Entry(video_id="b", language="de")])

    assert [item["id"]["videoId"] for item in search(sandbox, q="x", relevanceLanguage="de")["items"]] == [
        "b",
        "a",
    ]


def test_what_has_more_of_the_words_comes_first_and_all_the_rest_after_it(make_sandbox):
    sandbox = make_sandbox(
        [
            Entry(video_id="none"),
            Entry(video_id="one", title="Pasta"),
            Entry(video_id="tagged", title="Quick", tags=("pasta",)),
        ]
    )

    assert found(search(sandbox, q="quick pasta")) == ["tagged", "one", "none"]


def test_a_bar_parts_words_and_a_minus_keeps_videos_out(make_sandbox):
    sandbox = make_sandbox([Entry(video_id=name, title=name) for name in ("dog", "cat", "fish")])

    assert found(search(sandbox, q="cat|fish -dog")) == ["cat", "fish"]


def test_each_order_is_kept(make_sandbox):
    def entry(name: str, day: int, views: int, likes: int) -> Entry:
        counts = {"viewCount": str(views), "likeCount": str(likes)}
        return Entry(
            video_id=name, title=f"Pasta {name}", published_at=f"2026-05-0{day}T00:00:00Z", statistics=counts
        )

    sandbox = make_sandbox([entry("b", 1, 30, 2), entry("a", 3, 20, 3), entry("c", 2, 10, 1)])

    def order(name: str) -> list[str]:
        return found(search(sandbox, q="pasta", order=name))

    assert order("relevance") == ["b", "a", "c"]
    assert order("date") == ["a", "c", "b"]
    assert order("viewCount") == ["b", "a", "c"]
    assert order("rating") == ["a", "b", "c"]
    assert order("title") == ["a", "b", "c"]


def test_any_order_but_relevance_finds_less(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", title="Pasta"), Entry(video_id="b")])

    assert found(search(sandbox, q="pasta")) == ["a", "b"]
    assert found(search(sandbox, q="pasta", order="date")) == ["a"]


def test_a_video_whose_views_grew_rises(make_sandbox):
    clock = Clock("2026-11-01T00:00:00Z")
    sandbox = make_sandbox(
        [
            Entry(video_id="big", statistics={"viewCount": "100"}),
            Entry(video_id="fast", statistics={"viewCount": "10"}, views_per_hour=50.0),
        ],
        now=clock,
    )

    assert found(search(sandbox, order="viewCount")) == ["big", "fast"]
    clock.turn(hours=2)
    assert found(search(sandbox, order="viewCount")) == ["fast", "big"]


def test_only_what_was_published_in_between_is_found(make_sandbox):
    sandbox = make_sandbox(
        [Entry(video_id=f"v{day}", published_at=f"2026-05-0{day}T12:00:00Z") for day in range(1, 6)]
    )

    assert found(search(sandbox, publishedAfter="2026-05-04T12:00:00Z")) == ["v4", "v5"]
    assert found(search(sandbox, publishedBefore="2026-05-01T14:00:00+02:00")) == ["v1"]
    assert found(
        search(sandbox, publishedAfter="2026-05-02T00:00:00.5Z", publishedBefore="2026-05-03T23:59:59Z")
    ) == ["v2", "v3"]


def test_a_video_of_an_unknown_day_is_found_only_when_no_day_is_asked_for(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", published_at="")])

    assert "publishedAt" not in search(sandbox)["items"][0]["snippet"]
    assert found(search(sandbox, publishedAfter="2000-01-01T00:00:00Z")) == []


@pytest.mark.parametrize("name", ["publishedAfter", "publishedBefore"])
@pytest.mark.parametrize("text", ["2026-05-01", "2026-05-01T00:00:00", "yesterday", "2026-13-01T00:00:00Z"])
def test_a_moment_in_another_form_is_refused_by_name(sandbox, name, text):
    status, body = get(sandbox, "search", **{name: text})

    assert status == 400
    assert f"Field '{name}'" in body["error"]["message"]
    assert body["error"]["status"] == "INVALID_ARGUMENT"


def test_a_channels_videos_are_found_alone_and_an_unknown_channel_has_none(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", channel_id=CHANNEL), Entry(video_id="b", channel_id=OTHER)])

    assert found(search(sandbox, channelId=CHANNEL)) == ["a"]
    assert found(search(sandbox, channelId="UCunknown000000000000000")) == []
    for wrong in ("UC1", "@somebody", CHANNEL.replace("UC", "UU"), CHANNEL + "x"):
        assert refused(sandbox, "search", channelId=wrong) == (400, "invalidChannelId", "channelId")


def test_a_video_blocked_in_a_region_is_not_found_there(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", region_blocked=("DE",)), Entry(video_id="b")])

    assert found(search(sandbox)) == ["a", "b"]
    assert found(search(sandbox, regionCode="DE")) == ["b"]
    assert search(sandbox, regionCode="cz")["regionCode"] == "CZ"
    assert search(sandbox)["regionCode"] == "US"
    assert refused(sandbox, "search", regionCode="XX") == (400, "invalidRegionCode", "regionCode")


def test_a_strict_search_leaves_out_what_is_for_adults(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", age_restricted=True), Entry(video_id="b")])

    assert found(search(sandbox)) == found(search(sandbox, safeSearch="none")) == ["a", "b"]
    assert found(search(sandbox, safeSearch="strict")) == ["b"]


@pytest.mark.parametrize("language", ["zh", "xx", "english", "en-GB"])
def test_a_language_that_is_none_is_refused(sandbox, language):
    assert refused(sandbox, "search", relevanceLanguage=language) == (
        400,
        "invalidRelevanceLanguage",
        "relevanceLanguage",
    )


@pytest.mark.parametrize("language", ["cs", "iw", "zh-Hans", "zh-Hant"])
def test_a_language_of_two_letters_or_a_chinese_script_is_taken(sandbox, language):
    assert search(sandbox, relevanceLanguage=language)["items"]


def test_other_languages_are_mixed_in(make_sandbox):
    videos = [
        Entry(video_id=f"{language}{n}", language=language) for n in range(9) for language in ("en", "de")
    ]

    names = found(search(make_sandbox(videos), relevanceLanguage="de"))

    assert names[:6] == ["de0", "de1", "de2", "de3", "en0", "de4"]
    assert len(names) == len(videos)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"videoDuration": "medium"}, ["medium"]),
        ({"videoDuration": "long"}, ["long"]),
        ({"videoDuration": "any"}, ["short", "medium", "long", "live"]),
        ({"videoDefinition": "standard"}, ["medium"]),
        ({"videoEmbeddable": "true"}, ["short", "long", "live"]),
        ({"videoLicense": "creativeCommon"}, ["long"]),
        ({"videoCaption": "closedCaption"}, ["long"]),
        ({"videoCategoryId": "10"}, ["medium"]),
        ({"videoPaidProductPlacement": "true"}, ["short"]),
        ({"eventType": "live"}, ["live"]),
        ({"videoSyndicated": "true"}, ["short", "medium", "long", "live"]),
    ],
)
def test_filters_of_videos_are_honoured_and_go_with_the_type_video_alone(make_sandbox, filters, names):
    sandbox = make_sandbox(
        [
            Entry(video_id="short", seconds=10, paid_placement=True),
            Entry(video_id="medium", seconds=300, definition="sd", embeddable=False, category_id="10"),
            Entry(video_id="long", seconds=3_000, license="creativeCommon", caption=True),
            Entry(video_id="live", seconds=0, live="live"),
        ]
    )

    assert found(search(sandbox, **filters)) == names
    assert refused(sandbox, "search", **filters) == (400, "invalidSearchFilter", "parameters.")
    assert refused(sandbox, "search", type="video,channel", **filters)[1] == "invalidSearchFilter"


@pytest.mark.parametrize(
    "wrong", [{"order": "newest"}, {"safeSearch": "on"}, {"type": "film"}, {"videoDuration": "tiny"}]
)
def test_a_word_that_the_api_does_not_know_is_refused(sandbox, wrong):
    assert get(sandbox, "search", **{"type": "video", **wrong})[0] == 400


def test_without_a_type_channels_are_found_too(make_sandbox):
    sandbox = make_sandbox(
        [Entry(video_id="a", title="Pasta", channel_id=CHANNEL, channel="Pasta & co")],
        channels=[Channel(id=OTHER, title="Pasta of others")],
    )

    both = good(sandbox, "search", q="pasta")["items"]
    only = good(sandbox, "search", q="pasta", type="channel")["items"]

    assert [item["id"]["kind"] for item in both] == ["youtube#channel", "youtube#channel", "youtube#video"]
    assert [item["id"]["channelId"] for item in only] == [CHANNEL, OTHER]
    assert only[0]["snippet"]["title"] == "Pasta &amp; co"
    assert good(sandbox, "search", q="pasta", type="playlist")["items"] == []


def test_deleted_and_private_videos_are_found_and_unlisted_ones_are_not(make_sandbox):
    sandbox = make_sandbox(
        [
            Entry(video_id="deleted", deleted=True),
            Entry(video_id="private", privacy_status="private"),
            Entry(video_id="unlisted", privacy_status="unlisted"),
        ]
    )

    assert found(search(sandbox)) == ["deleted", "private"]
    assert found(good(sandbox, "videos", id="deleted,private,unlisted")) == ["unlisted"]
