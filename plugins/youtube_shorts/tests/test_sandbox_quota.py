"""The three quotas of the stand-in: what costs, what is answered then, and when they come back."""

from __future__ import annotations

from contextlib import suppress
from http.client import IncompleteRead

import pytest

from plugins.youtube_shorts.tests.sandbox_support import ROOT, Clock, get, query, raw, reason

STATS = "videos:batchGetStats"


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


def test_statistics_have_a_quota_and_a_refusal_of_their_own(make_sandbox):
    sandbox = make_sandbox(stats_quota=1)

    assert get(sandbox, STATS, id="standin0001")[0] == 200
    status, body = get(sandbox, STATS, id="standin0001")

    assert (status, reason(body)) == (429, "rateLimitExceeded")
    (detail,) = body["error"]["details"]
    assert detail["reason"] == "RATE_LIMIT_EXCEEDED"
    assert detail["metadata"]["quota_metric"] == "youtube.googleapis.com/video_batch_get_stats"
    assert "PerDay" in detail["metadata"]["quota_limit"]
    assert detail["metadata"]["quota_unit"] == "1/d/{project}"
    assert get(sandbox, "videos", id="standin0001")[0] == 200
    assert get(sandbox, "search")[0] == 200


def test_all_other_calls_share_one_quota(make_sandbox):
    sandbox = make_sandbox(unit_quota=6)
    calls = ("videos", "channels", "playlistItems", "videoCategories", "i18nLanguages", "i18nRegions")

    assert all(get(sandbox, call)[0] != 403 for call in calls)
    for call in calls:
        status, body = get(sandbox, call)
        assert (status, reason(body)) == (403, "quotaExceeded")
        assert body["error"]["errors"][0]["domain"] == "youtube.quota"


def test_an_exhausted_quota_says_which_one_it_is(make_sandbox):
    sandbox = make_sandbox(search_quota=0)

    _, body = get(sandbox, "search")

    metadata = body["error"]["details"][0]["metadata"]
    assert metadata["quota_metric"] == "youtube.googleapis.com/search_list"
    assert "limit 'Search Queries per day'" in body["error"]["message"]


@pytest.mark.parametrize("fault", ["http_503", "html_502", "truncated", "region_code", "rate_minute"])
def test_a_call_that_goes_wrong_costs_as_much_as_a_good_one(sandbox, fault):
    sandbox.faults.add(fault, "videos")
    status, _, _ = raw(sandbox, f"{ROOT}i18nRegions?{query(sandbox)}")
    assert status == 200

    with suppress(IncompleteRead):
        raw(sandbox, f"{ROOT}videos?{query(sandbox, id='standin0001')}")

    assert sandbox.quota_left("default") == 10_000 - 2


def test_only_the_right_key_is_charged(sandbox):
    get(sandbox, "search", key="wrong")
    get(sandbox, "search", key="")

    assert sandbox.quota_left("search") == 100


@pytest.mark.parametrize(
    ("evening", "midnight"),
    [
        ("2026-11-23T20:00:00Z", "2026-11-24T08:00:00Z"),
        ("2026-07-01T20:00:00Z", "2026-07-02T07:00:00Z"),
        ("2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"),  # a day of 23 hours
        ("2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"),  # a day of 25 hours
    ],
)
def test_all_quotas_come_back_at_midnight_in_los_angeles(make_sandbox, evening, midnight):
    clock = Clock(evening)
    sandbox = make_sandbox(search_quota=1, unit_quota=1, stats_quota=1, now=clock)
    calls = {"search": {}, "videos": {"id": "standin0001"}, STATS: {"id": "standin0001"}}

    def statuses() -> list[int]:
        return [get(sandbox, call, **params)[0] for call, params in calls.items()]

    assert statuses() == [200, 200, 200]
    assert statuses() == [429, 403, 429]
    clock.now = Clock(midnight).now
    clock.turn(seconds=-1)
    assert statuses() == [429, 403, 429]
    clock.turn(seconds=1)
    assert sandbox.quota_left("search") == 1
    assert statuses() == [200, 200, 200]
    assert statuses() == [429, 403, 429]
