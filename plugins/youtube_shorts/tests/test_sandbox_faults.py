"""Faults of the stand-in: which there are, whom they befall, and what they look like."""

from __future__ import annotations

import http.client
import json

import pytest

from plugins.youtube_shorts.tests.sandbox_support import ROOT, get, good, query, raw, reason
from prismq_youtube_shorts.sandbox.calls import CALLS
from prismq_youtube_shorts.sandbox.faults import RAW

PATHS = {call: path.removeprefix(ROOT) for path, call in CALLS.items()}


def test_an_unknown_fault_is_refused_with_the_list(sandbox):
    with pytest.raises(ValueError, match=r"there are: .*search_quota_day"):
        sandbox.faults.add("earthquake")
    with pytest.raises(ValueError, match=r"one of search, videos, batchGetStats, .*not 'captions'"):
        sandbox.faults.add("reset", "captions")


@pytest.mark.parametrize("call", PATHS)
def test_a_fault_befalls_the_call_that_it_is_aimed_at(sandbox, call):
    sandbox.faults.add("http_503", call)

    hit = {name: get(sandbox, path)[0] == 503 for name, path in PATHS.items()}

    assert hit == {name: name == call for name in PATHS}


def test_faults_wait_in_line_for_each_call(sandbox):
    sandbox.faults.add("http_500", "channels")
    sandbox.faults.add("http_504", "videos", times=2)
    sandbox.faults.add("http_503", "channels")

    assert [get(sandbox, "channels")[0] for _ in range(3)] == [500, 503, 400]
    assert [get(sandbox, "videos")[0] for _ in range(3)] == [504, 504, 400]
    assert [asked.fault for asked in sandbox.requests] == [
        "http_500",
        "http_503",
        "",
        "http_504",
        "http_504",
        "",
    ]


def test_a_fault_may_let_some_calls_pass_first(sandbox):
    sandbox.faults.add("http_503", "search", times=None, after=2)
    sandbox.faults.add("http_500", "videos", after=1)

    assert [get(sandbox, "search")[0] for _ in range(4)] == [200, 200, 503, 503]
    assert [get(sandbox, "videos", id="a")[0] for _ in range(3)] == [200, 500, 200]


@pytest.mark.parametrize(
    ("fault", "status", "old", "new"),
    [
        ("search_quota_day", 429, "rateLimitExceeded", "RATE_LIMIT_EXCEEDED"),
        ("search_rate_minute", 429, "rateLimitExceeded", "RATE_LIMIT_EXCEEDED"),
        ("stats_quota_day", 429, "rateLimitExceeded", "RATE_LIMIT_EXCEEDED"),
        ("rate_minute", 429, "rateLimitExceeded", "RATE_LIMIT_EXCEEDED"),
        ("quota_day", 403, "quotaExceeded", None),
        ("key_bad", 400, "badRequest", "API_KEY_INVALID"),
        ("key_expired", 400, "badRequest", "API_KEY_EXPIRED"),
        ("key_blocked", 403, "ipRefererBlocked", "API_KEY_IP_ADDRESS_BLOCKED"),
        ("key_referrer_blocked", 403, "forbidden", "API_KEY_HTTP_REFERRER_BLOCKED"),
        ("key_service_blocked", 403, "forbidden", "API_KEY_SERVICE_BLOCKED"),
        ("not_enabled", 403, "accessNotConfigured", "SERVICE_DISABLED"),
        ("region_code", 400, "invalidRegionCode", None),
        ("language", 400, "invalidRelevanceLanguage", None),
        ("channel_id", 400, "invalidChannelId", None),
        ("video_not_found", 404, "videoNotFound", None),
        ("chart_not_found", 404, "videoChartNotFound", None),
        ("playlist_not_found", 404, "playlistNotFound", None),
        ("http_502_json", 502, "backendError", None),
        ("http_504", 504, "backendError", None),
    ],
)
def test_a_refusal_has_googles_old_reason_and_its_new_one(sandbox, fault, status, old, new):
    sandbox.faults.add(fault)

    told, body = get(sandbox, "search")

    assert (told, body["error"]["code"]) == (status, status)
    assert reason(body) == old
    assert [detail["reason"] for detail in body["error"].get("details", ())] == ([new] if new else [])


@pytest.mark.parametrize(
    ("fault", "unit"), [("search_quota_day", "1/d/{project}"), ("search_rate_minute", "1/min/{project}")]
)
def test_a_days_limit_and_a_minutes_differ_in_the_details_alone(sandbox, fault, unit):
    sandbox.faults.add(fault)

    _, body = get(sandbox, "search")

    metadata = body["error"]["details"][0]["metadata"]
    assert metadata["quota_metric"] == "youtube.googleapis.com/search_list"
    assert metadata["quota_unit"] == unit


@pytest.mark.parametrize("name", RAW)
def test_an_answer_of_somebody_else_comes_as_it_is(sandbox, name):
    sandbox.faults.add(name)
    status, kind, content = RAW[name]

    told, headers, came = raw(sandbox, f"{ROOT}search?{query(sandbox)}")

    assert (told, headers["Content-Type"], came) == (status, kind, content)
    assert headers["Location"] == ("https://elsewhere.invalid/" if name == "moved" else None)


def test_an_edited_answer_carries_no_tag_under_which_it_could_be_kept(sandbox):
    path = f"{ROOT}videos?{query(sandbox, id='standin0001')}"
    for fault in ("no_items", "empty_page"):
        sandbox.faults.add(fault)
        _, headers, content = raw(sandbox, path)

        assert not json.loads(content).get("items")
        assert headers["ETag"] is None


def test_an_edit_leaves_a_refusal_as_it_is(sandbox):
    sandbox.faults.add("empty_page")

    status, body = get(sandbox, "search", regionCode="XX")

    assert (status, "items" in body) == (400, False)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset", ConnectionResetError),
        ("hang_up", http.client.RemoteDisconnected),
        ("truncated", http.client.IncompleteRead),
    ],
)
def test_a_cut_connection_looks_like_one_and_the_next_call_is_good(sandbox, fault, error):
    sandbox.faults.add(fault)

    with pytest.raises(error):
        get(sandbox, "search")

    assert good(sandbox, "search")["items"]
