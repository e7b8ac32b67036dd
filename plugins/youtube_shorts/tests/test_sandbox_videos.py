"""videos.list and videos.batchGetStats of the stand-in: parts, the chart, and counters that run on."""

from __future__ import annotations

import pytest
from googleapiclient.errors import HttpError

from plugins.youtube_shorts.tests.sandbox_support import (
    Clock,
    every_page,
    found,
    get,
    good,
    google,
    refused,
)
from prismq_youtube_shorts.sandbox import Entry

STATS = "videos:batchGetStats"


def test_ids_come_repeated_or_with_commas_and_gone_ones_are_silently_absent(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a"), Entry(video_id="b"), Entry(video_id="c", deleted=True)])

    status, body = get(sandbox, "videos", id=["a,b", "a", "c", "never"])

    assert status == 200
    assert [item["id"] for item in body["items"]] == ["a", "b"]


def test_more_than_fifty_ids_are_refused(sandbox):
    assert get(sandbox, "videos", id=",".join(f"v{n}" for n in range(50)))[0] == 200
    assert get(sandbox, "videos", id=",".join(f"v{n}" for n in range(51)))[0] == 400


def test_the_players_size_is_told_only_when_a_largest_size_is_sent(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a"), Entry(video_id="b", width=0, height=0)])

    def player(video_id: str, **params) -> dict:
        _, body = get(sandbox, "videos", **{"part": "player", "id": video_id, **params})
        return {name: value for name, value in body["items"][0]["player"].items() if name != "embedHtml"}

    assert player("a") == {}
    assert player("a", maxHeight=1920) == {"embedWidth": "1080", "embedHeight": "1920"}
    assert player("a", maxWidth=540) == {"embedWidth": "540", "embedHeight": "960"}
    assert player("b", maxHeight=1920) == {}


def test_only_the_parts_that_are_asked_for_come(sandbox):
    _, body = get(sandbox, "videos", id="standin0001", part="status,statistics")

    assert set(body["items"][0]) == {"kind", "etag", "id", "status", "statistics"}
    assert get(sandbox, "videos", id="standin0001", part="")[0] == 400


def test_a_video_is_told_in_all_its_parts(make_sandbox):
    entry = Entry(
        video_id="a",
        title="Tom & Jerry",
        description="All of it",
        tags=("cat", "mouse"),
        category_id="23",
        default_language="en",
        default_audio_language="cs",
        region_blocked=("DE",),
        made_for_kids=True,
        embeddable=False,
        contains_synthetic_media=True,
        paid_placement=True,
        license="creativeCommon",
        definition="sd",
        caption=True,
        thumbnails=("default",),
        statistics={"viewCount": "7", "commentCount": "1"},
    )
    parts = "snippet,contentDetails,status,statistics,paidProductPlacementDetails"

    (video,) = good(make_sandbox([entry]), "videos", id="a", part=parts)["items"]

    assert video["snippet"] == {
        "publishedAt": "2026-05-01T12:00:00Z",
        "channelId": "UCinvented00000000000000",
        "title": "Tom & Jerry",
        "description": "All of it",
        "thumbnails": {
            "default": {"url": "https://thumbnails.invalid/a/default.jpg", "width": 120, "height": 90}
        },
        "channelTitle": "Somebody [invented]",
        "tags": ["cat", "mouse"],
        "categoryId": "23",
        "liveBroadcastContent": "none",
        "localized": {"title": "Tom & Jerry", "description": "All of it"},
        "defaultLanguage": "en",
        "defaultAudioLanguage": "cs",
    }
    assert video["contentDetails"] == {
        "duration": "PT30S",
        "dimension": "2d",
        "definition": "sd",
        "caption": "true",
        "licensedContent": False,
        "regionRestriction": {"blocked": ["DE"]},
        "contentRating": {},
        "projection": "rectangular",
    }
    assert video["status"] == {
        "uploadStatus": "processed",
        "privacyStatus": "public",
        "license": "creativeCommon",
        "embeddable": False,
        "publicStatsViewable": True,
        "madeForKids": True,
        "containsSyntheticMedia": True,
    }
    assert video["statistics"] == {"viewCount": "7", "commentCount": "1", "favoriteCount": "0"}
    assert video["paidProductPlacementDetails"] == {"hasPaidProductPlacement": True}


def test_what_nobody_said_is_absent(make_sandbox):
    entry = Entry(
        video_id="a", duration=None, contains_synthetic_media=None, absent=("player",), thumbnail_sizes=False
    )
    parts = "snippet,contentDetails,status,player,topicDetails,paidProductPlacementDetails"

    (video,) = good(make_sandbox([entry]), "videos", id="a", part=parts)["items"]

    assert not {"tags", "defaultLanguage", "defaultAudioLanguage"} & set(video["snippet"])
    assert not {"duration", "regionRestriction"} & set(video["contentDetails"])
    assert "containsSyntheticMedia" not in video["status"]
    assert not {"player", "topicDetails", "paidProductPlacementDetails"} & set(video)
    assert set(video["snippet"]["thumbnails"]["default"]) == {"url"}


@pytest.mark.parametrize("duration", ["PT0S", "P0D", "PT1H", "P1DT2H"])
def test_a_duration_comes_as_it_is_written(make_sandbox, duration):
    sandbox = make_sandbox([Entry(video_id="a", duration=duration)])

    (video,) = good(sandbox, "videos", id="a", part="contentDetails")["items"]

    assert video["contentDetails"]["duration"] == duration


def test_videos_are_asked_for_by_id_or_by_chart(sandbox):
    assert refused(sandbox, "videos") == (400, "missingRequiredParameter", "parameters.")
    assert refused(sandbox, "videos", id="a", chart="mostPopular") == (
        400,
        "incompatibleParameters",
        "parameters.",
    )
    assert get(sandbox, "videos", chart="leastPopular")[0] == 400


@pytest.mark.parametrize("call", ["videos", STATS])
def test_a_part_that_does_not_exist_is_refused(sandbox, call):
    assert refused(sandbox, call, id="standin0001", part="statistics,likes") == (400, "unknownPart", "part")


@pytest.mark.parametrize("size", [71, 8_193])
def test_a_player_out_of_all_measure_is_refused(sandbox, size):
    assert refused(sandbox, "videos", id="standin0001", maxHeight=size) == (
        400,
        "invalidParameter",
        "maxHeight",
    )


def charted(name: str, category: str, views: int, **traits) -> Entry:
    return Entry(video_id=name, category_id=category, statistics={"viewCount": str(views)}, **traits)


def test_the_chart_of_all_has_music_films_and_games_alone_the_most_watched_first(make_sandbox):
    sandbox = make_sandbox(
        [
            charted("film", "1", 10),
            charted("music", "10", 30),
            charted("blog", "22", 99),
            charted("game", "20", 20),
            charted("private", "10", 50, privacy_status="private"),
            charted("blocked", "10", 40, region_blocked=("CZ",)),
        ]
    )

    assert found(good(sandbox, "videos", chart="mostPopular", regionCode="CZ")) == ["music", "game", "film"]
    assert found(good(sandbox, "videos", chart="mostPopular"))[0] == "blocked"
    assert found(good(sandbox, "videos", chart="mostPopular", videoCategoryId="22")) == ["blog"]


@pytest.mark.parametrize("category", ["999", "17", "music"])
def test_a_category_without_a_chart_is_not_found(make_sandbox, category):
    sandbox = make_sandbox([charted("music", "10", 1)])

    answer = refused(sandbox, "videos", chart="mostPopular", videoCategoryId=category)

    assert answer == (404, "videoChartNotFound", "chart")


def test_the_chart_is_read_in_pages(make_sandbox):
    sandbox = make_sandbox([charted(f"v{n:03d}", "10", n) for n in range(250)])

    pages = list(every_page(sandbox, "videos", chart="mostPopular", maxResults=50))

    names = [name for page in pages for name in found(page)]
    assert names == [f"v{n:03d}" for n in range(249, 49, -1)]
    assert pages[0]["pageInfo"] == {"totalResults": 200, "resultsPerPage": 50}
    assert len(good(sandbox, "videos", chart="mostPopular")["items"]) == 5
    assert get(sandbox, "videos", chart="mostPopular", maxResults=0)[0] == 400
    assert refused(sandbox, "videos", chart="mostPopular", regionCode="XX")[1] == "invalidRegionCode"


def test_a_catalogue_without_music_films_and_games_charts_all_it_has(make_sandbox):
    sandbox = make_sandbox([charted("blog", "22", 1), charted("pets", "15", 2)])

    assert found(good(sandbox, "videos", chart="mostPopular")) == ["pets", "blog"]


def test_views_grow_from_when_the_stand_in_was_made_unless_they_were_seen_at_another_time(make_sandbox):
    clock = Clock("2026-11-23T10:00:00Z")
    traits = {"statistics": {"viewCount": "100"}, "views_per_hour": 10.0}
    sandbox = make_sandbox(
        [Entry(video_id="a", **traits), Entry(video_id="b", seen_at="2026-11-23T09:00:00Z", **traits)],
        now=clock,
    )

    def views() -> list[str]:
        items = good(sandbox, STATS, id="a,b", part="statistics")["items"]
        return [item["statistics"]["viewCount"] for item in items]

    assert views() == ["100", "110"]
    clock.turn(hours=1)
    assert views() == ["110", "120"]


def test_views_grow_by_the_clock_and_nothing_else_does(make_sandbox):
    clock = Clock("2026-11-23T10:00:00Z")
    entry = Entry(
        video_id="a",
        statistics={"viewCount": "1000", "likeCount": "50"},
        seen_at="2026-11-23T10:00:00Z",
        views_per_hour=120.5,
    )
    sandbox = make_sandbox([entry], now=clock)

    def counted(call: str) -> dict:
        return good(sandbox, call, id="a", part="statistics")["items"][0]["statistics"]

    assert counted("videos")["viewCount"] == "1000"
    clock.turn(hours=2)
    assert counted("videos") == {"viewCount": "1241", "likeCount": "50", "favoriteCount": "0"}
    assert counted(STATS) == {"viewCount": "1241", "likeCount": "50"}


def test_hidden_views_stay_hidden_and_none_are_taken_away(make_sandbox):
    clock = Clock("2026-11-01T00:00:00Z")
    sandbox = make_sandbox(
        [
            Entry(video_id="hidden", statistics={"likeCount": "3"}, views_per_hour=10.0),
            Entry(
                video_id="later",
                statistics={"viewCount": "5"},
                seen_at="2026-12-01T00:00:00Z",
                views_per_hour=9.0,
            ),
        ],
        now=clock,
    )

    hidden, later = good(sandbox, STATS, id="hidden,later", part="statistics")["items"]

    assert hidden["statistics"] == {"likeCount": "3"}
    assert later["statistics"] == {"viewCount": "5"}


def test_statistics_in_a_batch_have_forms_of_their_own(make_sandbox):
    sandbox = make_sandbox(
        [
            Entry(video_id="a", duration="PT45S", seconds=45, statistics={"viewCount": "9"}),
            Entry(video_id="b", deleted=True),
        ]
    )

    body = good(sandbox, STATS, id=["a,b", "c"], part="id,snippet,statistics,contentDetails")
    (stat,) = body["items"]

    assert body["kind"] == "youtube#batchGetStatsResponse"
    assert stat.pop("etag")
    assert stat == {
        "kind": "youtube#videoStats",
        "id": "a",
        "snippet": {"publishTime": "2026-05-01T12:00:00Z"},
        "statistics": {"viewCount": "9"},
        "contentDetails": {"duration": "45s", "durationMillis": "45000"},
    }
    assert body["summary"] == {
        "requestedVideoCount": "3",
        "succeededVideoCount": "1",
        "failedVideoCount": "2",
        "failedVideoIds": ["b", "c"],
    }


def test_statistics_of_a_video_without_a_duration_have_none(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", duration=None), Entry(video_id="b", absent=("statistics",))])

    one, other = good(sandbox, STATS, id="a,b", part="statistics,contentDetails")["items"]

    assert one["contentDetails"] == {}
    assert "statistics" not in other


def test_statistics_are_asked_for_by_up_to_fifty_ids(sandbox):
    assert get(sandbox, STATS, id=",".join(f"v{n}" for n in range(50)))[0] == 200
    assert refused(sandbox, STATS, id=",".join(f"v{n}" for n in range(51))) == (400, "invalidFilters", "id")
    assert refused(sandbox, STATS)[1] == "missingRequiredParameter"


def test_googles_client_sees_a_missing_chart_as_an_error_with_its_reason(sandbox):
    with google(sandbox) as api, pytest.raises(HttpError) as caught:
        api.videos().list(part="id", chart="mostPopular", videoCategoryId="999").execute()

    assert caught.value.resp.status == 404
    assert b"videoChartNotFound" in caught.value.content
