"""The stand-in behaves like the API where it matters; asked over plain HTTP, without the plugin."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from types import SimpleNamespace

import pytest

from prismq_youtube_shorts.sandbox import SANDBOX_KEY, Entry, Sandbox, invent

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(sandbox: Sandbox, call: str, **params) -> tuple[int, dict]:
    query = urllib.parse.urlencode({"key": sandbox.key, "part": "snippet", **params}, doseq=True)
    try:
        with NO_PROXY.open(f"{sandbox.url}youtube/v3/{call}?{query}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def search(sandbox: Sandbox, **params) -> dict:
    status, body = get(sandbox, "search", type="video", videoDuration="short", maxResults=50, **params)
    assert status == 200, body
    return body


def reason(body: dict) -> str:
    return body["error"]["errors"][0]["reason"]


def test_pages_lead_to_one_another_by_opaque_tokens_and_then_end(make_sandbox, shorts):
    sandbox = make_sandbox(shorts(120))
    pages = [search(sandbox, q="x")]
    while token := pages[-1].get("nextPageToken"):
        assert not token.isdigit()
        pages.append(search(sandbox, q="x", pageToken=token))

    assert len(pages) == 3
    found = [item["id"]["videoId"] for page in pages for item in page["items"]]
    assert len(found) > len(set(found))  # duplicates across pages
    assert any(
        len(page["items"]) < 50 and "nextPageToken" in page for page in pages
    )  # short pages with a token
    assert len({page["pageInfo"]["totalResults"] for page in pages}) == 3  # an estimate that drifts


def test_a_token_of_another_search_is_refused(sandbox):
    token = search(sandbox, q="cooking")["nextPageToken"]

    for wrong in (token, "AAAA", "%%%"):
        status, body = get(sandbox, "search", q="fitness", pageToken=wrong)
        assert (status, reason(body)) == (400, "invalidPageToken")


def test_no_search_gives_more_than_five_hundred(make_sandbox, shorts):
    sandbox = make_sandbox(shorts(900))
    found, token = set(), ""
    while True:
        page = search(sandbox, q="x", pageToken=token)
        found |= {item["id"]["videoId"] for item in page["items"]}
        token = page.get("nextPageToken", "")
        if not token:
            break

    assert 400 < len(found) <= 500


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

    assert [item["id"]["videoId"] for item in search(sandbox, q="x")["items"]] == ["a"]


def test_the_short_filter_needs_the_type_video(sandbox):
    status, body = get(sandbox, "search", q="x", videoDuration="short")

    assert (status, reason(body)) == (400, "invalidSearchFilter")


def test_the_language_is_a_soft_hint(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", language="en"), Entry(video_id="b", language="de")])

    assert [item["id"]["videoId"] for item in search(sandbox, q="x", relevanceLanguage="de")["items"]] == [
        "b",
        "a",
    ]


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


def test_a_missing_and_a_wrong_key_are_refused(sandbox):
    status, body = get(sandbox, "search", q="x", key="")
    assert (status, reason(body)) == (403, "forbidden")

    status, body = get(sandbox, "search", q="x", key="wrong")
    assert (status, body["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")


def test_each_quota_is_used_up_by_its_own_calls_good_or_bad(make_sandbox):
    sandbox = make_sandbox(search_quota=2, unit_quota=1)

    assert get(sandbox, "search", q="x")[0] == 200
    assert get(sandbox, "search", q="x", pageToken="wrong")[0] == 400
    status, body = get(sandbox, "search", q="x")
    assert (status, reason(body)) == (429, "rateLimitExceeded")
    assert body["error"]["details"][0]["metadata"]["quota_limit"] == "defaultSearchListPerDayPerProject"

    assert get(sandbox, "videos", id="standin0001")[0] == 200
    status, body = get(sandbox, "videos", id="standin0001")
    assert (status, reason(body)) == (403, "quotaExceeded")


def test_another_path_is_a_json_404(sandbox):
    assert get(sandbox, "captions")[0] == 404


def test_the_catalogue_is_the_same_for_the_same_seed_and_labelled_throughout():
    entries = invent(300)

    assert entries == invent(300)
    assert entries != invent(300, seed=7)
    assert all("[invented]" in entry.title and entry.video_id.startswith("standin") for entry in entries)
    assert len({entry.video_id for entry in entries}) == 300


def test_the_catalogue_has_every_sort_of_video():
    entries = invent()

    assert {entry.live for entry in entries} == {"none", "live", "upcoming"}
    assert {"PT0S", "P0D", "PT1H", "P1DT2H", None} <= {entry.duration for entry in entries}
    assert any(entry.deleted for entry in entries)
    assert any(entry.width == 0 for entry in entries)
    assert any(entry.width > entry.height for entry in entries)
    assert any("likeCount" not in entry.statistics for entry in entries)
    assert any("shortsAspectRatio" in entry.thumbnails for entry in entries)


def test_an_unknown_fault_is_refused_with_the_list(sandbox):
    with pytest.raises(ValueError, match=r"there are: .*search_quota_day"):
        sandbox.faults.add("earthquake")
    with pytest.raises(ValueError, match="search or videos"):
        sandbox.faults.add("reset", "captions")


def test_the_command_serves_says_how_to_use_it_and_lets_things_go_wrong():
    command = [
        sys.executable,
        "-m",
        "prismq_youtube_shorts.sandbox",
        "--port",
        "0",
        "--fault",
        "http_503@search*1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = [process.stdout.readline().strip() for _ in range(3)]
            running = SimpleNamespace(url=said[1].removeprefix("YOUTUBE_API_ENDPOINT="), key=SANDBOX_KEY)
            answers = [get(running, "search", q="x")[0] for _ in range(2)]
        finally:
            process.terminate()

    assert "invented" in said[0]
    assert said[2] == f"YOUTUBE_API_KEY={SANDBOX_KEY}"
    assert answers == [503, 200]


@pytest.mark.parametrize(
    "wrong", [["--fault", "earthquake"], ["--fault", "reset@captions"], ["--port", "no"]]
)
def test_the_command_refuses_wrong_arguments_in_one_sentence(wrong):
    command = [sys.executable, "-m", "prismq_youtube_shorts.sandbox", *wrong]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
