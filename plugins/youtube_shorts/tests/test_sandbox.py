"""The stand-in as a whole: its address, its key, its command, and the eight calls it knows."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from plugins.youtube_shorts.tests.sandbox_support import ROOT, get, google, query, raw, reason
from prismq_youtube_shorts.sandbox import SANDBOX_KEY

ASKED = {
    "search": {"q": "x"},
    "videos": {"id": "standin0001"},
    "videos:batchGetStats": {"id": "standin0001"},
    "channels": {"id": "UCinventedcooking0000001"},
    "playlistItems": {"playlistId": "UUinventedcooking0000001"},
    "videoCategories": {"regionCode": "US"},
    "i18nLanguages": {},
    "i18nRegions": {},
}


@pytest.mark.parametrize("call", ASKED)
def test_each_call_is_answered_and_counted_by_its_name(sandbox, call):
    status, body = get(sandbox, call, **ASKED[call])

    assert status == 200
    assert body["items"]
    assert sandbox.calls(call.rpartition(":")[2]) == 1
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("call", ASKED)
def test_a_post_that_says_it_is_a_get_is_taken_for_one(sandbox, call):
    form = query(sandbox, **ASKED[call])

    status, _, content = raw(sandbox, ROOT + call, "POST", form, X_HTTP_Method_Override="GET")

    assert (status, bool(json.loads(content)["items"])) == (200, True)
    assert sandbox.calls(call.rpartition(":")[2]) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_whatever_would_change_something_is_a_json_404_and_costs_nothing(sandbox, method):
    status, _, content = raw(sandbox, f"{ROOT}videos?{query(sandbox, id='standin0001')}", method, "{}")

    assert (status, reason(json.loads(content))) == (404, "notFound")
    assert sandbox.calls("videos") == 0
    assert sandbox.quota_left("default") == 10_000


@pytest.mark.parametrize("path", ["captions", "videos/getRating", "search/", "", "videos:other"])
def test_any_other_path_is_a_json_404(sandbox, path):
    assert get(sandbox, path)[0] == 404
    assert sandbox.requests[0].call == ROOT + path


def test_head_is_a_404_without_a_body(sandbox):
    assert raw(sandbox, f"{ROOT}videos", "HEAD")[::2] == (404, b"")


def test_googles_own_client_reaches_every_call(sandbox):
    with google(sandbox) as api:
        requests = [
            api.search().list(part="snippet", q="cooking", type="video"),
            api.videos().list(part="snippet", chart="mostPopular"),
            api.videos().batchGetStats(part="statistics", id=["standin0001", "standin0002"]),
            api.channels().list(part="statistics", id="UCinventedcooking0000001"),
            api.playlistItems().list(part="contentDetails", playlistId="UUSHinventedcooking0000001"),
            api.videoCategories().list(part="snippet", regionCode="CZ"),
            api.i18nLanguages().list(part="snippet"),
            api.i18nRegions().list(part="snippet"),
        ]
        assert all(request.execute()["items"] for request in requests)

    assert [asked.fault for asked in sandbox.requests] == [""] * len(ASKED)
    assert sandbox.connections == 1


def test_a_client_that_sends_a_long_question_by_post_is_understood(sandbox):
    words = "cooking " + "x" * 3_000

    with google(sandbox) as api:
        page = api.search().list(part="snippet", q=words, type="video").execute()

    assert page["items"]
    assert (sandbox.requests[0].method, sandbox.requests[0].params["q"]) == ("POST", [words])


def test_a_missing_and_a_wrong_key_are_refused(sandbox):
    status, body = get(sandbox, "search", q="x", key="")
    assert (status, reason(body)) == (403, "forbidden")

    status, body = get(sandbox, "search", q="x", key="wrong")
    assert (status, body["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")


def test_the_command_serves_says_how_to_use_it_and_lets_things_go_wrong():
    command = [
        sys.executable,
        "-m",
        "prismq_youtube_shorts.sandbox",
        "--port",
        "0",
        "--fault",
        "http_503@search*1",
        "--fault",
        "stats_quota_day@batchGetStats",
    ]
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


@pytest.mark.parametrize(
    "wrong", [["--fault", "earthquake"], ["--fault", "reset@captions"], ["--port", "no"]]
)
def test_the_command_refuses_wrong_arguments_in_one_sentence(wrong):
    command = [sys.executable, "-m", "prismq_youtube_shorts.sandbox", *wrong]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
