"""Every class of trouble, through Google's client, against the stand-in."""

from __future__ import annotations

import json
from datetime import datetime
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.errors import Permanent, Transient, Unavailable
from prismq_worker_sdk.testing import HandlerHarness
from prismq_youtube_shorts.errors import (
    DayQuotaUsedUp,
    LanguageRefused,
    MinuteLimitReached,
    Misconfigured,
    NotAccessible,
    NotThere,
    PageTokenRefused,
    RequestRefused,
    YouTubeTrouble,
    from_answer,
)
from prismq_youtube_shorts.sandbox import FAULTS
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
CREDENTIALS = "https://console.cloud.google.com/apis/credentials"
TABLE = {
    "search_quota_day": (DayQuotaUsedUp, Unavailable, "the day's search quota"),
    "quota_day": (DayQuotaUsedUp, Unavailable, "the day's default quota"),
    "daily_limit": (DayQuotaUsedUp, Unavailable, "the day's default quota"),
    "rate_minute": (MinuteLimitReached, Transient, "too many calls in a minute"),
    "rate_user": (MinuteLimitReached, Transient, "too many calls in a minute"),
    "key_missing": (Misconfigured, Unavailable, "set YOUTUBE_API_KEY"),
    "key_bad": (Misconfigured, Unavailable, f"not valid; take one from {CREDENTIALS}"),
    "key_expired": (Misconfigured, Unavailable, f"has expired; renew it at {CREDENTIALS}"),
    "key_blocked": (Misconfigured, Unavailable, "restrictions of this key"),
    "not_enabled": (
        Misconfigured,
        Unavailable,
        "enable it at https://console.cloud.google.com/apis/library/",
    ),
    "html_403": (Misconfigured, Unavailable, "look at YOUTUBE_API_ENDPOINT"),
    "moved": (Misconfigured, Unavailable, "look at YOUTUBE_API_ENDPOINT"),
    "page_token": (PageTokenRefused, Permanent, "invalid page token"),
    "filter": (RequestRefused, Permanent, "invalid combination of filters"),
    "http_500": (YouTubeTrouble, Transient, "with 500"),
    "http_503": (YouTubeTrouble, Transient, "with 503"),
    "html_502": (YouTubeTrouble, Transient, "with 502"),
    "html_200": (YouTubeTrouble, Transient, "no JSON object"),
    "not_utf8": (YouTubeTrouble, Transient, "UnicodeDecodeError"),
    "odd_types": (YouTubeTrouble, Transient, "cannot be read, look at: items"),
    "truncated": (YouTubeTrouble, Transient, "the answer was cut off"),
    "reset": (YouTubeTrouble, Transient, "no usable answer"),
    "hang_up": (YouTubeTrouble, Transient, "the connection was reset"),
    "search_rate_minute": (MinuteLimitReached, Transient, "too many calls in a minute"),
    "stats_quota_day": (DayQuotaUsedUp, Unavailable, "the day's stats quota"),
    "key_referrer_blocked": (Misconfigured, Unavailable, "restrictions of this key"),
    "key_service_blocked": (Misconfigured, Unavailable, "restrictions of this key"),
    "language": (LanguageRefused, Permanent, "look at language"),
    "region_code": (RequestRefused, Permanent, "look at region_code"),
    "channel_id": (RequestRefused, Permanent, "look at channel_id"),
    "video_not_found": (NotThere, Permanent, "look at video_ids"),
    "chart_not_found": (NotThere, Permanent, "look at source"),
    "playlist_not_found": (NotThere, Permanent, "look at channels"),
    "search_quota_day_in_words": (DayQuotaUsedUp, Unavailable, "the day's search quota"),
    "quota_day_without_message": (DayQuotaUsedUp, Unavailable, "the day's default quota"),
    "key_suspended": (Misconfigured, Unavailable, "has suspended this key or its project"),
    "channel_not_accessible": (NotAccessible, Permanent, "not properly authorized"),
    "channel_closed": (NotAccessible, Permanent, "look at channel_id"),
    "forbidden_thing": (NotAccessible, Permanent, "is forbidden"),
    "category_not_found": (NotThere, Permanent, "look at category_id"),
    "invalid_argument": (RequestRefused, Permanent, "an invalid argument"),
    "delegation": (YouTubeTrouble, Transient, "with 403"),
    "http_502_json": (YouTubeTrouble, Transient, "with 502"),
    "http_504": (YouTubeTrouble, Transient, "with 504"),
    "not_found": (Misconfigured, Unavailable, "look at YOUTUBE_API_ENDPOINT"),
    "stall": (YouTubeTrouble, Transient, "had not answered"),
}


@pytest.mark.parametrize("fault", TABLE)
def test_each_trouble_ends_the_task_in_its_own_way_and_is_not_answered_by_a_second_call(
    sandbox, client, fault
):
    """Every call costs quota: none is sent twice."""
    kind, signal, words = TABLE[fault]
    sandbox.faults.add(fault, times=None)

    with pytest.raises(signal) as caught:
        client.find(timeout=0.2 if fault == "stall" else 20)

    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert len(sandbox.requests) == 1


def test_the_table_has_every_fault_that_is_an_error():
    assert set(TABLE) == set(FAULTS) - {"no_items", "max_results"}


def test_a_missing_list_of_items_is_an_empty_page(sandbox, client):
    sandbox.faults.add("no_items", times=None)

    assert client.find() == []
    assert client.videos(["standin0001"]) == {}


def test_a_days_quota_pauses_the_type_until_a_minute_after_midnight_in_los_angeles(sandbox, client):
    sandbox.faults.add("search_quota_day")

    with pytest.raises(DayQuotaUsedUp) as caught:
        client.find()

    # By the clock of these tests it is 20:00 UTC; midnight there is 08:00 UTC.
    assert caught.value.retry_in == 12 * 3_600 + 60
    assert caught.value.bucket == "search"
    assert "asked again at 2026-11-24 08:01 UTC" in str(caught.value)


def test_a_days_quota_that_is_used_up_right_after_midnight_is_that_of_the_day_before(sandbox, client, clock):
    """Our clock may be fast, and the reset late: nobody loses the whole new day by it."""
    sandbox.faults.add("search_quota_day")
    clock.now = datetime(2026, 11, 24, 8, 0, 10, tzinfo=UTC)

    with pytest.raises(DayQuotaUsedUp) as caught:
        client.find()

    assert caught.value.retry_in == 600


def test_a_path_that_is_not_there_is_a_wrong_address(sandbox, make_client):
    there = SimpleNamespace(url=f"{sandbox.url}youtube/v3/", key=sandbox.key)

    with pytest.raises(Misconfigured, match="YOUTUBE_API_ENDPOINT"):
        make_client(there).find()


def test_the_minute_limit_asks_for_another_try_in_a_minute(sandbox, client):
    sandbox.faults.add("rate_minute")

    with pytest.raises(MinuteLimitReached) as caught:
        client.find()

    assert caught.value.retry_in == 60


def test_a_refused_parameter_is_named_as_the_task_names_it(client):
    with pytest.raises(RequestRefused, match=r"look at language$"):
        client.find(language="xx")


def test_googles_html_is_not_quoted():
    body = '{"error": {"message": "see <a href=x>the\\n docs</a>"}}'

    told = from_answer("search.list", 400, body, now=NOW)

    assert str(told) == "YouTube answered search.list with 400 (see the docs)"


@pytest.mark.parametrize("body", ["", "[]", "null", '{"error": "invalid_grant"}', '{"error": {"errors": 7}}'])
def test_an_error_body_of_an_unknown_form_is_still_an_error(body):
    assert type(from_answer("search.list", 503, body, now=NOW)) is YouTubeTrouble
    assert type(from_answer("search.list", 429, body, now=NOW)) is MinuteLimitReached
    assert type(from_answer("search.list", 403, body, now=NOW)) is Misconfigured


def test_an_unknown_reason_for_403_points_at_the_key():
    body = '{"error": {"message": "Something new", "errors": [{"reason": "somethingNew"}]}}'

    told = from_answer("search.list", 403, body, now=NOW)

    assert type(told) is Misconfigured
    assert "Something new" in str(told)
    assert CREDENTIALS in str(told)


def test_a_per_day_limit_is_recognised_by_the_message_alone():
    body = """{"error": {"message": "Quota exceeded ... and limit 'Search Queries per day' of service",
               "errors": [{"reason": "rateLimitExceeded"}]}}"""

    assert type(from_answer("search.list", 429, body, now=NOW)) is DayQuotaUsedUp


def test_a_null_is_what_is_absent_and_spoils_nothing_around_it():
    item = '{"reason": "quotaExceeded", "location": null}'
    body = f'{{"error": {{"message": null, "errors": [null, {item}], "details": null}}}}'

    assert type(from_answer("videos.list", 403, body, now=NOW)) is DayQuotaUsedUp


@pytest.mark.parametrize(
    ("call", "reason", "message", "bucket"),
    [
        ("search.list", "rateLimitExceeded", "limit 'Search Queries per day' of service", "search"),
        ("videos.list", "rateLimitExceeded", "limit 'Search Queries per day' of service", "search"),
        ("search.list", "rateLimitExceeded", "Daily limit: so many per day", "search"),
        ("search.list", "rateLimitExceeded", "quota metric 'Queries' and limit 'Queries per day'", "default"),
        ("videos.batchGetStats", "rateLimitExceeded", "so many per day", "stats"),
        ("videos.list", "rateLimitExceeded", "so many per day", "default"),
        ("search.list", "quotaExceeded", "you have exceeded your quota", "default"),
    ],
)
def test_the_bucket_is_the_one_that_is_named_else_that_of_the_call(call, reason, message, bucket):
    body = json.dumps({"error": {"message": message, "errors": [{"reason": reason}]}})

    assert from_answer(call, 429, body, now=NOW).bucket == bucket


def test_what_is_in_angle_brackets_stays_unless_it_is_a_tag_and_a_cut_is_marked():
    def quoted(message: str) -> str:
        body = json.dumps({"error": {"message": message, "errors": [{"reason": "backendError"}]}})
        return str(from_answer("search.list", 503, body, now=NOW)).partition("503 (")[2].removesuffix(")")

    assert quoted("from <code>referer</code> <empty> are <br/>blocked") == "from referer <empty> are blocked"
    assert quoted("Tom &amp; <b>Jerry</b> &lt;id&gt;") == "Tom & Jerry <id>"
    long = quoted("words " * 100)
    assert len(long) <= 300
    assert long.endswith("words…")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("CONSUMER_SUSPENDED", "suspended"),
        ("CONSUMER_INVALID", "deleted or unknown"),
        ("BILLING_DISABLED", "billing"),
    ],
)
def test_a_key_that_arrived_is_not_called_missing(reason, words):
    item = {"reason": "forbidden", "domain": "global"}
    body = json.dumps({"error": {"message": "m", "errors": [item], "details": [{"reason": reason}]}})

    told = from_answer("search.list", 403, body, now=NOW)
    assert type(told) is Misconfigured
    assert words in str(told)
    assert "no API key arrived" not in str(told)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"search_query": "cooking"}, "look at search_query=cooking"),
        ({"search_query": "cooking", "max_results": 5}, "look at search_query=cooking"),
        (
            {"search_query": "cooking", "region_code": "DE", "order": "date"},
            "look at region_code=DE, order=date",
        ),
    ],
)
def test_what_the_task_set_is_named_where_youtube_names_no_parameter(
    sandbox, make_youtube, handler_of, params, named
):
    sandbox.faults.add("invalid_argument", "search")
    found = HandlerHarness(handler_of(ScrapeShorts, make_youtube(sandbox))).run(params)

    assert found.outcome.retryable is False
    assert str(found.error).endswith(named)


@pytest.mark.parametrize(
    "reason", ["playlistItemsNotAccessible", "channelForbidden", "channelSuspended", "channelClosed"]
)
def test_a_thing_that_may_not_be_read_is_no_fault_of_the_key_whatever_the_domain_says(reason):
    body = json.dumps({"error": {"message": "m", "errors": [{"reason": reason, "domain": "global"}]}})

    assert type(from_answer("playlistItems.list", 403, body, now=NOW)) is NotAccessible


@pytest.mark.parametrize(
    ("fault", "limit", "longest"),
    [("search_quota_day", "youtube:search", 86_400.0), ("rate_minute", "youtube", 60.0)],
)
def test_what_youtube_says_of_its_limits_is_told_to_the_whole_fleet(
    sandbox, make_youtube, handler_of, fault, limit, longest
):
    handler = handler_of(ScrapeShorts, make_youtube(sandbox))
    assert handler.limits == ("youtube", "youtube:search", "youtube:default")
    sandbox.faults.add(fault, "search")
    found = HandlerHarness(handler).run({"search_query": "cooking"})

    name, seconds, reason = found.pauses[0]
    assert (name, 0 < seconds <= longest) == (limit, True)
    assert reason


def test_a_budget_of_this_machine_is_nothing_to_the_fleet(sandbox, make_youtube, handler_of):
    youtube = make_youtube(sandbox, daily_search_budget=0)
    found = HandlerHarness(handler_of(ScrapeShorts, youtube)).run({"search_query": "cooking"})

    assert isinstance(found.error, DayQuotaUsedUp)
    assert found.pauses == ()
