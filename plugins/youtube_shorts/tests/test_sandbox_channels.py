"""Channels, their playlists, and the guides of the stand-in."""

from __future__ import annotations

import pytest

from plugins.youtube_shorts.tests.sandbox_support import every_page, found, get, good, google, refused
from prismq_youtube_shorts.sandbox import Channel, Entry, invent

COOK = "UCcook000000000000000000"
QUIET = "UCquiet00000000000000000"


def of(channel_id: str, name: str, day: int = 1, **traits) -> Entry:
    return Entry(video_id=name, channel_id=channel_id, published_at=f"2026-05-{day:02d}T00:00:00Z", **traits)


def test_a_channel_that_is_given_is_told_as_it_is(make_sandbox):
    channel = Channel(
        id=COOK,
        title="Cook & Co",
        handle="@cook",
        country="CZ",
        subscribers=1_234_567,
        video_count=9,
        views=77,
    )
    sandbox = make_sandbox([of(COOK, "a")], channels=[channel])

    (told,) = good(sandbox, "channels", id=COOK, part="snippet,statistics,contentDetails")["items"]

    assert told["id"] == COOK
    assert told["snippet"]["title"] == "Cook & Co"
    assert (told["snippet"]["customUrl"], told["snippet"]["country"]) == ("@cook", "CZ")
    assert told["contentDetails"] == {
        "relatedPlaylists": {"likes": "", "uploads": "UUcook000000000000000000"}
    }
    assert told["statistics"] == {
        "viewCount": "77",
        "subscriberCount": "1230000",  # YouTube tells three digits
        "hiddenSubscriberCount": False,
        "videoCount": "9",
    }


def test_hidden_subscribers_are_absent_and_no_zero(make_sandbox):
    sandbox = make_sandbox([], channels=[Channel(id=QUIET, title="Quiet")])

    (told,) = good(sandbox, "channels", id=QUIET, part="snippet,statistics")["items"]

    assert told["statistics"] == {"viewCount": "0", "hiddenSubscriberCount": True, "videoCount": "0"}
    assert not {"country", "customUrl"} & set(told["snippet"])


def test_other_channels_are_derived_from_their_videos(make_sandbox):
    videos = [
        of(COOK, "a", channel="Cook [invented]", statistics={"viewCount": "5"}),
        of(COOK, "b", channel="Cook [invented]", statistics={"viewCount": "7"}),
        of(COOK, "c", privacy_status="private", statistics={"viewCount": "100"}),
    ]

    (told,) = good(make_sandbox(videos), "channels", id=COOK, part="snippet,statistics")["items"]

    assert told["snippet"]["title"] == "Cook [invented]"
    assert told["snippet"]["customUrl"] == "@cookinvented"
    assert (told["statistics"]["videoCount"], told["statistics"]["viewCount"]) == ("2", "12")


def test_some_channels_of_the_invented_catalogue_hide_their_subscribers(sandbox):
    ids = sorted({entry.channel_id for entry in invent()})

    told = good(sandbox, "channels", id=ids, part="statistics")["items"]

    hidden = [channel["statistics"]["hiddenSubscriberCount"] for channel in told]
    assert 0 < sum(hidden) < len(hidden) == len(ids)


def test_unknown_channels_are_silently_absent_and_so_is_an_empty_list(make_sandbox):
    sandbox = make_sandbox([of(COOK, "a")])

    assert [item["id"] for item in good(sandbox, "channels", id=f"{QUIET},{COOK}")["items"]] == [COOK]
    assert "items" not in good(sandbox, "channels", id=QUIET)


def test_channels_are_asked_for_by_up_to_fifty_ids_or_by_handle(make_sandbox):
    sandbox = make_sandbox([], channels=[Channel(id=COOK, title="Cook", handle="@TheCook")])

    assert get(sandbox, "channels", id=",".join(f"UC{n}" for n in range(50)))[0] == 200
    assert refused(sandbox, "channels", id=",".join(f"UC{n}" for n in range(51)))[1] == "invalidFilters"
    assert refused(sandbox, "channels")[1] == "missingRequiredParameter"
    for handle in ("@thecook", "TheCook"):
        assert good(sandbox, "channels", forHandle=handle)["items"][0]["id"] == COOK


def test_uploads_come_newest_first_and_shorts_are_a_list_of_their_own(make_sandbox):
    sandbox = make_sandbox(
        [
            of(COOK, "old", 1),
            of(COOK, "new", 3),
            of(COOK, "wide", 2, width=1920, height=1080),
            of(COOK, "private", 4, privacy_status="private"),
            of(COOK, "deleted", 5, deleted=True),
            of(QUIET, "other", 6),
        ]
    )

    def listed(playlist: str) -> list[str]:
        return found(good(sandbox, "playlistItems", playlistId=playlist, part="contentDetails"))

    assert listed(f"UU{COOK[2:]}") == ["private", "new", "wide", "old"]
    assert listed(f"UUSH{COOK[2:]}") == ["private", "new", "old"]


@pytest.mark.parametrize(
    ("traits", "short"),
    [
        ({}, True),
        ({"height": 1080}, True),
        ({"width": 1920, "height": 1080}, False),
        ({"seconds": 180}, True),
        ({"seconds": 181}, False),
        ({"seconds": 61, "published_at": "2024-10-14T23:59:59Z"}, False),
        ({"seconds": 60, "published_at": "2024-10-14T23:59:59Z"}, True),
        ({"live": "upcoming"}, False),
        ({"upload_status": "uploaded"}, False),
        ({"width": 0, "height": 0}, False),
        ({"width": 0, "height": 0, "short": True}, True),
        ({"short": False}, False),
    ],
)
def test_youtube_lists_as_shorts_what_is_short_and_tall_or_what_it_knows_to_be_one(traits, short):
    assert Entry(video_id="a", **traits).is_short is short


@pytest.mark.parametrize("playlist", [f"UUSH{QUIET[2:]}", "UUnobody0000000000000000", "PLsomething", "x"])
def test_a_playlist_that_a_channel_does_not_have_is_not_found(make_sandbox, playlist):
    sandbox = make_sandbox([of(QUIET, "wide", width=1920, height=1080)])

    assert refused(sandbox, "playlistItems", playlistId=playlist) == (404, "playlistNotFound", "playlistId")


def test_a_channel_whose_id_looks_like_a_list_of_shorts_has_uploads_too(make_sandbox):
    sandbox = make_sandbox([of("UCSH00000000000000000000", "a")])

    assert good(sandbox, "playlistItems", playlistId="UUSH00000000000000000000")["items"]


def test_playlists_are_read_in_pages(make_sandbox):
    sandbox = make_sandbox([of(COOK, f"v{n:02d}", n) for n in range(1, 29)])
    playlist = f"UU{COOK[2:]}"

    pages = list(every_page(sandbox, "playlistItems", playlistId=playlist, maxResults=10))

    positions = [item["snippet"]["position"] for page in pages for item in page["items"]]
    assert positions == list(range(28))
    assert pages[1]["pageInfo"] == {"totalResults": 28, "resultsPerPage": 10}
    assert refused(sandbox, "playlistItems", playlistId=playlist, maxResults=51)[1] == "invalidParameter"
    assert refused(sandbox, "playlistItems", playlistId=playlist, pageToken="x")[1] == "invalidPageToken"
    assert refused(sandbox, "playlistItems")[1] == "missingRequiredParameter"


def test_an_item_of_a_playlist_names_the_video_its_owner_and_its_place(make_sandbox):
    sandbox = make_sandbox([of(COOK, "a", 2), of(COOK, "b", 1)])
    playlist = f"UU{COOK[2:]}"

    (item,) = good(
        sandbox, "playlistItems", playlistId=playlist, videoId="b", part="snippet,contentDetails,status"
    )["items"]

    assert item["snippet"]["resourceId"] == {"kind": "youtube#video", "videoId": "b"}
    assert (item["snippet"]["position"], item["snippet"]["playlistId"]) == (1, playlist)
    assert item["snippet"]["videoOwnerChannelId"] == COOK
    assert item["contentDetails"] == {"videoId": "b", "videoPublishedAt": "2026-05-01T00:00:00Z"}
    assert item["status"] == {"privacyStatus": "public"}


def test_googles_client_walks_from_a_channel_to_its_uploads(sandbox):
    with google(sandbox) as api:
        channels = api.channels().list(part="contentDetails", id="UCinventedmusic000000002").execute()
        uploads = channels["items"][0]["contentDetails"]["relatedPlaylists"]["uploads"]
        page = api.playlistItems().list(part="contentDetails", playlistId=uploads, maxResults=50).execute()

    assert len(found(page)) > 1


def test_the_categories_of_a_region(sandbox):
    german = good(sandbox, "videoCategories", regionCode="DE")["items"]
    american = good(sandbox, "videoCategories", regionCode="US")["items"]

    assert (german[2]["id"], german[2]["snippet"]["title"]) == ("10", "Music")
    assert {item["id"] for item in american} - {item["id"] for item in german} == {"29"}
    assert {item["snippet"]["assignable"] for item in german} == {True, False}
    assert [item["id"] for item in good(sandbox, "videoCategories", id="20,999")["items"]] == ["20"]
    assert refused(sandbox, "videoCategories", regionCode="XX") == (400, "invalidRegionCode", "regionCode")
    assert refused(sandbox, "videoCategories")[1] == "missingRequiredParameter"


def test_the_languages_and_regions_of_youtube(sandbox):
    languages = {item["id"]: item["snippet"] for item in good(sandbox, "i18nLanguages")["items"]}
    regions = {item["id"]: item["snippet"] for item in good(sandbox, "i18nRegions")["items"]}

    assert languages["cs"] == {"hl": "cs", "name": "Czech"}
    assert regions["CZ"] == {"gl": "CZ", "name": "Czechia"}
    assert len(languages) > 80
    assert len(regions) > 100
    assert "snippet" not in good(sandbox, "i18nRegions", part="id")["items"][0]
