"""The stand-in: its command, its faults, and where it is as untidy as the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection
from types import SimpleNamespace
from urllib.parse import urlencode, urlsplit

import pytest

from plugins.youtube_shorts.tests.entries import entry
from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.sandbox import FAULTS, SANDBOX_KEY, Sandbox, fake_catalogue
from prismq_youtube_shorts.sandbox.api import ANSWERS, CALLS

CHANNEL = "UC" + "c" * 22
ERRORS = {
    name: body["error"] for name, (_, body) in ANSWERS.items() if isinstance(body, dict) and "error" in body
}


def get(sandbox, call, method="GET", **params):
    """Status and decoded body."""
    address = urlsplit(sandbox.url)
    query = urlencode({"key": sandbox.key, "part": "snippet", **params}, doseq=True)
    with closing(HTTPConnection(address.hostname, address.port, timeout=10)) as connection:
        connection.request(method, f"/youtube/v3/{call}?{query}")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def found(sandbox, **params):
    status, body = get(sandbox, "search", **{"maxResults": 50, **params})
    assert status == 200, body
    return [item["id"]["videoId"] for item in body["items"]]


def reason(body):
    return body["error"]["errors"][0]["reason"]


def test_the_catalogue_is_the_same_for_the_same_seed_and_labelled_in_every_title():
    until = datetime(2026, 11, 1, tzinfo=UTC)
    one, other = (fake_catalogue(until=until) for _ in range(2))

    assert one == other != fake_catalogue(seed=1, until=until)
    assert len({video.id for video in one}) == 400
    assert all("[invented]" in video.resource["snippet"]["title"] for video in one)


def test_the_catalogue_is_as_untidy_as_the_real_one():
    videos = fake_catalogue(until=datetime(2026, 11, 1, tzinfo=UTC))
    odd = Counter(
        name
        for video in videos
        for name, is_so in {
            "deleted": video.deleted,
            "private": video.of("status", "privacyStatus") == "private",
            "live": video.of("snippet", "liveBroadcastContent") == "live",
            "streamed": "actualStartTime" in video.resource.get("liveStreamingDetails", {}),
            "processing": video.of("status", "uploadStatus") == "uploaded",
            "shapeless": video.size is None,
            "without parts": "statistics" not in video.resource,
            "likes hidden": "likeCount" not in video.resource.get("statistics", {}),
            "proven": "shortsAspectRatio" in video.of("snippet", "thumbnails", {}),
            "long": video.seconds > 180,
        }.items()
        if is_so
    )

    assert len(odd) == 10


def test_pages_overlap_and_come_short_and_their_tokens_are_good_for_one_question(make_sandbox, shorts):
    sandbox = make_sandbox(shorts(120))

    _, first = get(sandbox, "search", q="x", maxResults=50)
    _, second = get(sandbox, "search", q="x", maxResults=50, pageToken=first["nextPageToken"])
    assert (len(first["items"]), first["items"][-1]) == (48, second["items"][0])
    assert get(sandbox, "search", q="y", pageToken=first["nextPageToken"])[0] == 400
    assert reason(get(sandbox, "search", q="x", pageToken="made-up")[1]) == "invalidPageToken"
    assert get(sandbox, "search", q="x", maxResults="x")[0] == 400


def test_what_has_more_of_the_words_comes_first_and_any_order_but_relevance_finds_less(make_sandbox):
    sandbox = make_sandbox(
        [
            entry("none", language="de"),
            entry("one", title="Pasta", published_at="2026-05-02T00:00:00Z", statistics={"viewCount": "5"}),
            entry("tagged", title="Quick", tags=("pasta",), statistics={"viewCount": "9"}),
        ]
    )

    assert found(sandbox, q="quick pasta") == ["tagged", "one", "none"]
    assert found(sandbox, q="pasta -quick") == ["one", "none"]
    assert found(sandbox, q="x", relevanceLanguage="de") == ["none", "one", "tagged"]
    orders = {order: found(sandbox, q="pasta", order=order) for order in ("date", "viewCount", "title")}
    assert orders == {
        "date": ["one", "tagged"],
        "viewCount": ["tagged", "one"],
        "title": ["one", "tagged"],
    }


@pytest.mark.parametrize(
    "params",
    [
        {"videoDuration": "short"},
        {"channelId": CHANNEL},
        {"videoCategoryId": "10"},
        {"regionCode": "DE"},
        {"publishedAfter": "2026-05-01T00:00:00Z"},
        {"publishedBefore": "2026-06-01T00:00:00Z"},
    ],
)
def test_the_filters_that_a_task_can_ask_for_are_honoured(make_sandbox, params):
    wanted = {"channel_id": CHANNEL, "category_id": "10", "published_at": "2026-05-15T00:00:00Z"}
    other = {"seconds": 240, "region_blocked": ("DE",)}
    odd = [{"published_at": "2026-04-01T00:00:00Z"}, {"published_at": "2026-07-01T00:00:00Z"}]
    sandbox = make_sandbox(
        [entry("a", **wanted), *(entry(f"b{n}", **other | one) for n, one in enumerate(odd))]
    )

    assert "a" in found(sandbox, **params)
    assert len(found(sandbox, **params)) < 3


def test_a_playlist_keeps_private_rows_and_that_of_shorts_has_them_alone(make_sandbox):
    sandbox = make_sandbox(
        [
            entry("short", channel_id=CHANNEL, published_at="2026-05-03T00:00:00Z"),
            entry("wide", channel_id=CHANNEL, width=1920, height=1080),
            entry("private", channel_id=CHANNEL, privacy_status="private"),
            entry("gone", channel_id=CHANNEL, deleted=True),
        ]
    )

    def rows(kind):
        _, body = get(sandbox, "playlistItems", playlistId=kind + CHANNEL[2:], maxResults=50)
        return [row["contentDetails"]["videoId"] for row in body["items"]]

    assert rows("UU") == ["short", "wide", "private"]
    assert rows("UUSH") == ["short", "private"]
    assert reason(get(sandbox, "playlistItems", playlistId="UUnobody")[1]) == "playlistNotFound"


def test_counters_grow_by_the_stand_ins_clock_and_quotas_come_back_at_midnight_in_los_angeles(
    make_sandbox, clock
):
    video = entry("a", statistics={"viewCount": "100"}, views_per_hour=50.0)
    sandbox = make_sandbox([video], now=clock, search_quota=1, stats_quota=1)

    def views():
        return get(sandbox, "videos", id="a", part="statistics")[1]["items"][0]["statistics"]["viewCount"]

    assert [get(sandbox, call, id="a")[0] for call in ("search", "videos:batchGetStats") * 2] == [
        200,
        200,
        429,
        429,
    ]
    assert views() == "100"
    clock.turn(hours=12)
    assert views() == "700"
    assert get(sandbox, "search")[0] == 200


def test_a_missing_and_a_wrong_key_an_unknown_path_and_a_real_post_are_refused(sandbox):
    assert reason(get(sandbox, "search", key="")[1]) == "forbidden"
    assert get(sandbox, "search", key="wrong")[1]["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert get(sandbox, "captions")[0] == get(sandbox, "videos", "POST", id="standin0001")[0] == 404
    assert sandbox.calls("videos") == 0


@pytest.mark.parametrize("fault", ERRORS)
def test_a_refusal_has_googles_form(sandbox, fault):
    sandbox.faults.add(fault)

    status, body = get(sandbox, "search")
    assert status == body["error"]["code"] == ERRORS[fault]["code"]
    assert reason(body)


def test_faults_wait_in_line_for_their_call_and_may_let_some_pass_first(sandbox):
    sandbox.faults.add("http_500", "channels")
    sandbox.faults.add("http_503", "channels", times=2, after=1)

    assert [get(sandbox, "channels")[0] for _ in range(5)] == [500, 200, 503, 503, 200]
    assert get(sandbox, "videos", id="a")[0] == 200
    assert [request.fault for request in sandbox.requests][:3] == ["http_500", "", "http_503"]


def test_an_unknown_fault_is_refused_with_the_list(sandbox):
    with pytest.raises(ValueError, match=r"there are: .*search_quota_day"):
        sandbox.faults.add("earthquake")
    with pytest.raises(ValueError, match=r"one of search, videos, batchGetStats, .*not 'captions'"):
        sandbox.faults.add("reset", "captions")


def test_closing_does_not_wait_for_those_who_are_kept_waiting():
    with Sandbox() as sandbox:
        sandbox.faults.add("stall")
        where = urlsplit(sandbox.url)
        connection = HTTPConnection(where.hostname, where.port, timeout=10)
        connection.request("GET", "/youtube/v3/search")

    with closing(connection), pytest.raises(OSError):
        connection.getresponse()


def test_the_command_serves_says_how_to_use_it_and_lets_things_go_wrong():
    faults = ["--fault", "http_503@search*1", "--fault", "stats_quota_day@batchGetStats"]
    command = [sys.executable, "-m", "prismq_youtube_shorts.sandbox", "--port", "0", *faults]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = [process.stdout.readline().strip() for _ in range(3)]
            running = SimpleNamespace(url=said[1].removeprefix("YOUTUBE_API_ENDPOINT="), key=SANDBOX_KEY)
            answers = [get(running, "search", q="x")[0] for _ in range(2)]
            answers += [get(running, "videos:batchGetStats", id="standin0001")[0] for _ in range(2)]
        finally:
            process.terminate()

    assert "invented" in said[0]
    assert said[2] == f"YOUTUBE_API_KEY={SANDBOX_KEY}"
    assert answers == [503, 200, 429, 429]


def test_the_commands_help_lists_every_fault_and_call():
    command = [sys.executable, "-m", "prismq_youtube_shorts.sandbox", "--help"]

    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert all(name in told for name in (*FAULTS, *CALLS.values()))


@pytest.mark.parametrize(
    "wrong", [["--fault", "earthquake"], ["--fault", "reset@captions"], ["--port", "no"]]
)
def test_the_command_refuses_wrong_arguments_in_one_sentence(wrong):
    command = [sys.executable, "-m", "prismq_youtube_shorts.sandbox", *wrong]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
