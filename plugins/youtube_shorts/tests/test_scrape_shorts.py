"""ScrapeShorts: what it finds, what it asks for that, and when it stops."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from plugins.youtube_shorts.tests.entries import entry
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.outcome import Failed, Released
from prismq_worker_sdk.testing import FakeClock, HandlerHarness
from prismq_youtube_shorts.client import Calls
from prismq_youtube_shorts.errors import DayQuotaUsedUp, LanguageRefused, PageTokenRefused, YouTubeTrouble
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts

SPEC_KEYS = ["video_id", "title", "description", "channel", "published_at", "thumbnail_url"]
CHANNEL = "UC" + "x" * 22


@pytest.fixture
def run(make_youtube, handler_of):
    """Runs the handler once, as a worker would, on a stand-in; settings of the plugin in `given`."""

    def run(sandbox, *, youtube=None, given=None, attempt=1, last_checkpoint=None, cancel=(), **params):
        youtube = youtube or make_youtube(sandbox, **{"cache_lifetime": 0, **(given or {})})
        handler = handler_of(ScrapeShorts, youtube)
        harness = HandlerHarness(handler, attempt=attempt, last_checkpoint=last_checkpoint, clock=FakeClock())
        reason, after = cancel or (None, 0)
        return harness.run({"search_query": "cooking", **params}, cancel=reason, cancel_after=after)

    return run


@pytest.fixture
def find(run):
    """The result of one task."""
    return lambda sandbox, **params: run(sandbox, **params).result


def ids(result):
    return [short["video_id"] for short in result["shorts"]]


def mixed(count, *, shorts_of):
    """Videos of which one in so many is a Short."""
    return [
        entry(f"v{number:03d}", width=1080 if number % shorts_of == 0 else 1920, height=1080)
        for number in range(count)
    ]


def test_the_result_has_the_missions_keys_first_and_in_order(sandbox, find):
    result = find(sandbox, search_query="cooking tips", max_results=3)

    assert list(result) == [
        "shorts",
        "total_found",
        "search_query",
        "partial",
        "stop_reason",
        "language",
        "fetched_at",
        "expires_at",
        "stats",
        "quota",
        "shortened",
    ]
    assert result["total_found"] == len(result["shorts"]) == 3
    assert result["search_query"] == "cooking tips"
    assert all(list(short)[:6] == SPEC_KEYS for short in result["shorts"])


def test_a_short_is_told_in_full_and_plainly(make_sandbox, find):
    video = entry(
        "abc",
        title="Tom & Jerry's <best> #Cooking",
        description="line 1\nline 2 & more " * 20,
        channel="Tom's channel",
        channel_id="UC1",
        published_at="2026-05-13T05:03:08Z",
        duration="PT1M15S",
        seconds=75,
        thumbnails=("default", "high"),
        tags=("tom", "jerry"),
        category_id="22",
        default_audio_language="de",
        made_for_kids=False,
        statistics={"viewCount": "1000", "commentCount": "0"},
    )

    (short,) = find(make_sandbox([video]))["shorts"]

    assert short == {
        "video_id": "abc",
        "title": "Tom & Jerry's <best> #Cooking",
        "description": "line 1\nline 2 & more " * 20,
        "channel": "Tom's channel",
        "published_at": "2026-05-13T05:03:08Z",
        "thumbnail_url": "https://thumbnails.invalid/abc/high.jpg",
        "url": "https://www.youtube.com/shorts/abc",
        "channel_id": "UC1",
        "duration_seconds": 75,
        "view_count": 1000,
        "like_count": None,
        "comment_count": 0,
        "tags": ["tom", "jerry"],
        "hashtags": ["cooking"],
        "category_id": "22",
        "language": "de",
        "width": 1080,
        "height": 1920,
        "aspect_ratio": "9:16",
        "shorts_check": "verified",
        "made_for_kids": False,
        "embeddable": True,
        "definition": "hd",
        "caption": False,
        "license": "youtube",
        "contains_synthetic_media": False,
        "paid_product_placement": None,
        "rank": 1,
        "channel_info": None,
    }


@pytest.mark.parametrize(
    ("sizes", "url"),
    [
        (
            ("default", "medium", "high", "maxres", "shortsAspectRatio"),
            "https://thumbnails.invalid/v/shortsAspectRatio.jpg",
        ),
        (("default", "medium", "standard"), "https://thumbnails.invalid/v/standard.jpg"),
        (("default",), "https://thumbnails.invalid/v/default.jpg"),
        ((), "https://i.ytimg.com/vi/v/hqdefault.jpg"),
    ],
)
def test_the_best_thumbnail_is_given_and_there_always_is_one(make_sandbox, find, sizes, url):
    (short,) = find(make_sandbox([entry("v", thumbnails=sizes)]))["shorts"]

    assert short["thumbnail_url"] == url


UNTIDY = [
    entry("tall"),
    entry("square", height=1080),
    entry("wide", width=1920, height=1080),
    entry("shapeless", width=0, height=0),
    entry("proven", width=0, height=0, thumbnails=("high", "shortsAspectRatio")),
    entry("statusless", absent=("status",)),
    entry("live", live="live", duration="P0D"),
    entry("upcoming", live="upcoming"),
    entry("streamed", streamed=True),
    entry("processing", upload_status="uploaded"),
    entry("gone", deleted=True),
    entry("timeless", duration=None),
    entry("bare", absent=("player", "contentDetails", "status")),
    entry("three-minutes", duration="PT3M", seconds=180),
    entry("longer", duration="PT3M30S", seconds=210),
    entry("too-early", duration="PT2M", seconds=120, published_at="2024-10-14T23:59:59Z"),
    entry("early-enough", duration="PT59S", seconds=59, published_at="2022-01-01T00:00:00Z"),
]
VERIFIED = ["tall", "square", "proven", "statusless", "three-minutes", "early-enough"]


def test_only_what_is_verified_is_given_and_the_rest_is_counted(make_sandbox, find):
    result = find(make_sandbox(UNTIDY))

    assert ids(result) == VERIFIED
    assert result["stats"] | {"api_total_estimate": 0} == {
        "candidates": 17,
        "non_shorts": 6,
        "unavailable": 2,
        "unverified": 3,
        "shorts_ratio": 0.353,
        "api_total_estimate": 0,
    }
    assert [short["rank"] for short in result["shorts"]] == [1, 2, 5, 6, 14, 17]


def test_what_cannot_be_told_fills_up_where_that_is_asked_for_and_says_so(make_sandbox, find):
    result = find(make_sandbox(UNTIDY), include_unverified=True)

    assert ids(result) == [*VERIFIED, "shapeless", "timeless", "bare"]
    assert result["shorts"][-1]["shorts_check"] == "unverified"
    assert ids(find(make_sandbox(UNTIDY), include_unverified=True, max_results=6)) == VERIFIED


def test_the_invented_catalogue_gives_nothing_that_is_no_short(sandbox, find):
    result = find(sandbox, max_results=50)

    assert len(result["shorts"]) == 50
    for short in result["shorts"]:
        limit = 181 if short["published_at"] >= "2024-10-15" else 61
        assert 0 < short["duration_seconds"] <= limit
        assert short["aspect_ratio"] in {"9:16", "1:1", None}


def test_order_is_youtubes_and_nothing_comes_twice(make_sandbox, find):
    """The stand-in begins each page with the last video of the page before."""
    videos = [entry(f"v{number:03d}", width=1920 if number % 3 else 1080) for number in range(140)]

    result = find(make_sandbox(videos), max_results=50)

    found = ids(result)
    assert found == sorted(set(found))
    assert len(found) > 40
    ranks = [short["rank"] for short in result["shorts"]]
    assert ranks == sorted(set(ranks))


def test_fewer_than_wanted_is_an_answer(make_sandbox, shorts, find):
    sandbox = make_sandbox(shorts(7))

    result = find(sandbox, max_results=50)

    assert (result["total_found"], result["stop_reason"], result["partial"]) == (7, "exhausted", False)
    assert sandbox.calls("search") == 1


def test_nothing_found_is_an_answer_and_costs_no_unit(make_sandbox, find):
    sandbox = make_sandbox([])

    result = find(sandbox)
    assert (result["shorts"], result["total_found"], result["stop_reason"]) == ([], 0, "exhausted")
    assert result["stats"]["shorts_ratio"] is None
    assert (sandbox.calls("search"), sandbox.calls("videos")) == (1, 0)


@pytest.mark.parametrize(
    ("wanted", "share", "reason"), [(10, 1, "enough"), (10, 40, "page_cap"), (50, 1, "enough")]
)
def test_it_says_why_it_stopped(make_sandbox, find, wanted, share, reason):
    assert find(make_sandbox(mixed(400, shorts_of=share)), max_results=wanted)["stop_reason"] == reason


def test_the_operator_says_how_many_pages_a_task_may_read(make_sandbox, find):
    sandbox = make_sandbox(mixed(400, shorts_of=40))
    find(sandbox, given={"max_pages": 1})
    assert sandbox.calls("search") == 1

    find(sandbox, given={"max_pages": 5})
    assert sandbox.calls("search") == 6


def test_an_empty_page_with_a_token_is_not_the_end(make_sandbox, shorts, find, monkeypatch):
    sandbox = make_sandbox(shorts(120))
    whole = sandbox.api.answer

    def first_is_empty(call, params):
        status, body = whole(call, params)
        is_first = call == "search" and "pageToken" not in params
        return status, {**body, "items": []} if is_first else body

    monkeypatch.setattr(sandbox.api, "answer", first_is_empty)

    assert find(sandbox, max_results=10)["total_found"] == 10
    assert sandbox.calls("search") == 2


def test_optional_parameters_reach_youtube(sandbox, run):
    run(
        sandbox,
        region_code="DE",
        order="date",
        published_after="2026-01-01T01:00:00+01:00",
        published_before="2026-02-01T00:00:00Z",
        safe_search="strict",
        channel_id=CHANNEL,
        language="de",
    )

    asked = sandbox.requests[0].params
    told = {name: asked[name] for name in ("regionCode", "order", "safeSearch", "channelId")}
    assert told == {"regionCode": ["DE"], "order": ["date"], "safeSearch": ["strict"], "channelId": [CHANNEL]}
    assert asked["publishedAfter"] == ["2026-01-01T00:00:00Z"]
    assert asked["publishedBefore"] == ["2026-02-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"region_code": "de"}, "/region_code"),
        ({"order": "best"}, "/order"),
        ({"published_after": "yesterday"}, "/published_after"),
        ({"published_after": "2026-01-01T00:00:00"}, "/published_after"),
        (
            {"published_after": "2026-02-01T00:00:00Z", "published_before": "2026-01-01T00:00:00Z"},
            "published_after must be before published_before",
        ),
        ({"published_after": "9999-12-31T23:59:59-12:00"}, "between the years"),
        ({"published_before": "0001-01-01T00:00:00+14:00"}, "between the years"),
        (
            {"published_after": "2026-01-01T00:00:00.1Z", "published_before": "2026-01-01T00:00:00.9Z"},
            "by a second at least",
        ),
        ({"channel_id": "somebody"}, "/channel_id"),
        ({"safe_search": "off"}, "/safe_search"),
        ({"max_results": 51}, "/max_results"),
        ({"max_results": "10"}, "/max_results"),
        ({"search_query": ""}, "/search_query"),
        ({"language": "eng"}, "/language"),
        ({"include_channels": 1}, "/include_channels"),
        ({"pages": 3}, "/pages"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named_and_nothing_is_asked(sandbox, run, params, named):
    outcome = run(sandbox, **params).outcome

    assert isinstance(outcome, Failed)
    assert outcome.retryable is False
    assert named in outcome.error
    assert sandbox.requests == []


def test_a_search_term_is_sent_without_the_blanks_around_it_and_given_back_as_it_came(sandbox, find):
    assert find(sandbox, search_query="  cooking ")["search_query"] == "  cooking "
    assert sandbox.requests[0].params["q"] == ["cooking"]


def test_a_blank_search_term_is_refused_without_a_call(sandbox, run):
    outcome = run(sandbox, search_query="   ").outcome

    assert "search_query is blank" in outcome.error
    assert sandbox.requests == []


def test_a_language_that_youtube_does_not_know_is_left_out_and_the_result_says_so(sandbox, run):
    found = run(sandbox, language="xx")

    assert found.result["language"] is None
    assert found.result["total_found"] == 10
    assert sandbox.calls("search") == 2
    assert "relevanceLanguage" not in sandbox.requests[1].params
    assert "the search goes on without the language" in [message for _, message, _ in found.logs]


def test_a_refused_language_that_was_not_sent_is_an_error(make_sandbox, run):
    sandbox = make_sandbox()
    sandbox.faults.add("language", "search", times=None)

    found = run(sandbox)
    assert isinstance(found.error, LanguageRefused)
    assert sandbox.calls("search") == 2


def test_channels_are_told_for_one_unit_where_that_is_asked_for(sandbox, find):
    result = find(sandbox, max_results=5, include_channels=True)

    assert sandbox.calls("channels") == 1
    assert result["quota"]["units"] == 2
    for short in result["shorts"]:
        assert short["channel_info"]["handle"].startswith("@")
        assert isinstance(short["channel_info"]["video_count"], int)


def test_trouble_with_channels_costs_no_short(sandbox, find):
    sandbox.faults.add("http_503", "channels", times=None)

    result = find(sandbox, max_results=5, include_channels=True)
    assert result["total_found"] == 5
    assert (result["partial"], result["stop_reason"]) == (True, "trouble")
    assert {short["channel_info"] for short in result["shorts"]} == {None}


def test_descriptions_are_cut_to_what_the_operator_allows(make_sandbox, find):
    sandbox = make_sandbox([entry("v", description="ä" * 300)])

    assert find(sandbox, given={"max_description_chars": 10})["shorts"][0]["description"] == "ä" * 9 + "…"
    assert find(sandbox, given={"max_description_chars": 0})["shorts"][0]["description"] == ""


# trouble


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("search_quota_day", "quota"),
        ("rate_minute", "rate_limit"),
        ("http_503", "trouble"),
        ("html_200", "trouble"),
        ("reset", "trouble"),
        ("key_bad", "trouble"),
    ],
)
@pytest.mark.parametrize("call", ["search", "videos"])
def test_trouble_on_a_later_page_keeps_what_was_found(make_sandbox, run, fault, reason, call):
    sandbox = make_sandbox(mixed(400, shorts_of=3))
    sandbox.faults.add(fault, call, times=None, after=1)

    result = run(sandbox, max_results=50).result
    assert (result["partial"], result["stop_reason"]) == (True, reason)
    assert result["total_found"] == len(result["shorts"]) > 10


def test_a_page_token_refused_ends_the_search_with_what_was_found(make_sandbox, shorts, run):
    sandbox = make_sandbox(shorts(120))
    sandbox.faults.add("page_token", "search", times=None, after=1)

    found = run(sandbox, max_results=50)
    assert (found.result["partial"], found.result["stop_reason"]) == (True, "page_token")
    assert found.result["total_found"] == 48
    assert "the search ends early" in [message for _, message, _ in found.logs]


def test_a_page_token_refused_on_the_first_page_is_an_error(sandbox, run):
    sandbox.faults.add("page_token", "search")

    assert isinstance(run(sandbox).error, PageTokenRefused)


@pytest.mark.parametrize(
    ("fault", "call", "error", "outcome"),
    [
        ("search_quota_day", "search", DayQuotaUsedUp, Released),
        ("quota_day", "videos", DayQuotaUsedUp, Released),
        ("http_503", "search", YouTubeTrouble, Failed),
        ("reset", "videos", YouTubeTrouble, Failed),
    ],
)
def test_trouble_before_the_first_short_ends_the_task(sandbox, run, fault, call, error, outcome):
    sandbox.faults.add(fault, call, times=None)

    found = run(sandbox)
    assert isinstance(found.error, error)
    assert isinstance(found.outcome, outcome)


def test_trouble_is_tried_once_more_inside_the_claim_and_the_search_is_not_paid_again(sandbox, run):
    sandbox.faults.add("http_503", "videos")

    assert run(sandbox).completed
    assert (sandbox.calls("search"), sandbox.calls("videos")) == (1, 2)


def test_the_minute_limit_is_not_waited_for_in_the_slot(sandbox, run):
    sandbox.faults.add("rate_minute", "search")

    found = run(sandbox)
    assert found.outcome.delay_seconds == 60
    assert sandbox.calls("search") == 1


def test_the_quota_of_the_stand_in_runs_out_like_the_real_one(make_sandbox, run):
    sandbox = make_sandbox(search_quota=1)

    assert run(sandbox, max_results=1).completed
    assert isinstance(run(sandbox, max_results=1).error, DayQuotaUsedUp)


# what is paid for once


def test_a_task_that_is_tried_again_pays_for_no_search_again(make_sandbox, run):
    sandbox = make_sandbox(mixed(400, shorts_of=30))
    first = run(sandbox, max_results=10, cancel=(CancelReason.STOPPING, 6))
    assert isinstance(first.outcome, Released)
    before = sandbox.calls("search")
    assert before == len(first.checkpoints[-1]["pages"]) == 2

    again = run(sandbox, max_results=10, attempt=2, last_checkpoint=first.checkpoints[-1])
    assert sandbox.calls("search") == before + 1
    assert again.result["quota"]["search_calls"] == 1
    assert ids(again.result) == ids(run(sandbox, max_results=10).result)


@pytest.mark.parametrize("checkpoint", [{"page": 3}, [], "x", {"pages": {"1": {"ids": 7}}}, None])
def test_a_checkpoint_of_another_version_is_passed_over(sandbox, run, checkpoint):
    assert run(sandbox, last_checkpoint=checkpoint, attempt=2).completed


def test_a_checkpoint_fits_into_its_64_kib_even_for_all_pages(make_sandbox, run):
    entries = [entry(f"{number:011d}", width=1920, height=1080) for number in range(500)]

    found = run(make_sandbox(entries), given={"max_pages": 10})
    assert len(json.dumps(found.checkpoints[-1])) < 16 * 1024


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_cancelled_task_ends_before_its_next_call(make_sandbox, run, after):
    sandbox = make_sandbox(mixed(400, shorts_of=30))

    found = run(sandbox, max_results=50, cancel=(CancelReason.ASKED, after))
    assert isinstance(found.outcome, Failed)
    assert len(sandbox.requests) <= after


def test_a_call_is_not_waited_for_longer_than_the_task_has_time(sandbox, make_youtube):
    ctx = SimpleNamespace(time_left=0.3, check=lambda: None, pause_limit=lambda *_said, **_more: None)

    sandbox.faults.add("stall")
    with pytest.raises(YouTubeTrouble, match="after 1 s"):
        Calls(make_youtube(sandbox), ctx).videos(["a"])


def test_progress_is_told_while_pages_are_read(make_sandbox, shorts, run):
    found = run(make_sandbox(shorts(120)), max_results=50)

    assert found.progress[0] == (pytest.approx(33.3, abs=0.1), "48 of 50 Shorts so far")


def test_each_page_is_logged_with_its_numbers(make_sandbox, run):
    (line,) = [fields for _, message, fields in run(make_sandbox(UNTIDY)).logs if message == "page read"]

    assert line == {
        "page": 1,
        "from_cache": False,
        "candidates": 17,
        "shorts": 6,
        "not_shorts": 6,
        "unverified": 3,
        "unavailable": 2,
    }


# what is kept


def test_the_same_search_within_its_lifetime_costs_nothing(sandbox, run, make_youtube, clock):
    youtube = make_youtube(sandbox, cache_lifetime="6h")
    first = run(sandbox, youtube=youtube, max_results=10).result
    clock.turn(hours=5)

    again = run(sandbox, youtube=youtube, search_query=" COOKING", max_results=5).result
    assert ids(again) == ids(first)[:5]
    assert (again["quota"]["from_cache"], again["quota"]["search_calls"]) == (True, 0)
    assert (again["fetched_at"], again["expires_at"]) == (first["fetched_at"], first["expires_at"])
    assert len(sandbox.requests) == 2


def test_a_longer_answer_goes_on_where_the_kept_pages_end(make_sandbox, run, make_youtube):
    sandbox = make_sandbox(mixed(400, shorts_of=3))
    youtube = make_youtube(sandbox)
    run(sandbox, youtube=youtube, max_results=10)
    assert sandbox.calls("search") == 1

    result = run(sandbox, youtube=youtube, max_results=30).result
    assert sandbox.calls("search") == result["quota"]["search_calls"] + 1 == 2
    assert result["quota"]["from_cache"] is False
    whole = run(make_sandbox(mixed(400, shorts_of=3)), max_results=30).result
    assert ids(result) == ids(whole)


def test_after_its_lifetime_a_page_is_read_anew(sandbox, run, make_youtube, clock):
    youtube = make_youtube(sandbox, cache_lifetime="6h")
    run(sandbox, youtube=youtube)
    clock.turn(hours=6)

    assert run(sandbox, youtube=youtube).result["quota"]["from_cache"] is False
    assert sandbox.calls("search") == 2


@pytest.mark.parametrize("other", [{"language": "de"}, {"order": "date"}, {"region_code": "US"}])
def test_another_question_is_another_search(sandbox, run, make_youtube, other):
    youtube = make_youtube(sandbox)
    run(sandbox, youtube=youtube)
    run(sandbox, youtube=youtube, **other)

    assert sandbox.calls("search") == 2


def test_a_result_expires_thirty_days_after_its_oldest_part_was_fetched(sandbox, find):
    result = find(sandbox)

    assert (result["fetched_at"], result["expires_at"]) == ("2026-11-23T20:00:00Z", "2026-12-23T20:00:00Z")


def test_a_refused_language_is_not_paid_for_again_while_the_pages_are_kept(sandbox, run, make_youtube):
    youtube = make_youtube(sandbox)
    run(sandbox, youtube=youtube, language="xx")
    assert sandbox.calls("search") == 2

    again = run(sandbox, youtube=youtube, language="xx").result
    assert (sandbox.calls("search"), again["language"], again["quota"]["from_cache"]) == (2, None, True)
    run(sandbox, youtube=youtube, language="xx", search_query="another")
    assert sandbox.calls("search") == 3


def test_a_task_that_is_tried_again_elsewhere_knows_that_its_language_was_refused(sandbox, run):
    sandbox.faults.add("http_503", "videos", times=None)
    first = run(sandbox, language="xx")
    assert (sandbox.calls("search"), first.completed) == (2, False)
    sandbox.faults.clear()

    again = run(sandbox, language="xx", attempt=2, last_checkpoint=first.checkpoints[-1])
    assert (sandbox.calls("search"), again.result["language"]) == (2, None)


def test_equal_searches_at_the_same_time_pay_once(sandbox, run, make_youtube):
    youtube = make_youtube(sandbox)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: run(sandbox, youtube=youtube).result, range(6)))

    assert sandbox.calls("search") == sandbox.calls("videos") == 1
    assert sum(one["quota"]["search_calls"] for one in found) == 1
    assert len({json.dumps(one["shorts"]) for one in found}) == 1


def test_equal_searches_in_a_language_that_youtube_does_not_know_pay_for_that_once(
    sandbox, run, make_youtube
):
    youtube = make_youtube(sandbox)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: run(sandbox, youtube=youtube, language="xx").result, range(4)))

    assert sandbox.calls("search") == 2
    assert {one["language"] for one in found} == {None}


def test_a_page_that_follows_another_first_page_is_not_mixed_in(make_sandbox, run, make_youtube):
    sandbox = make_sandbox(mixed(400, shorts_of=10))
    youtube = make_youtube(sandbox)
    whole = run(sandbox, youtube=youtube, max_results=50).result
    assert sandbox.calls("search") == 3
    youtube.file.run(
        lambda db: db.execute('UPDATE pages SET body = replace(body, \'"token":"\', \'"token":"x\')'), None
    )

    again = run(sandbox, youtube=youtube, max_results=50).result
    assert ids(again) == ids(whole)
    assert sandbox.calls("search") == 5, "page 1 is kept; those that do not follow it are read anew"


def test_pages_that_youtube_does_not_go_on_from_are_not_asked_for_again(make_sandbox, run, make_youtube):
    sandbox = make_sandbox(mixed(400, shorts_of=10))
    youtube = make_youtube(sandbox)
    run(sandbox, youtube=youtube, max_results=3)
    sandbox.faults.add("page_token", "search")
    assert run(sandbox, youtube=youtube, max_results=12).result["stop_reason"] == "page_token"

    whole = run(sandbox, youtube=youtube, max_results=12).result
    assert (whole["total_found"], whole["stop_reason"]) == (12, "enough")


def test_a_call_that_the_ledger_refused_is_not_told_as_made(make_sandbox, run, make_youtube):
    sandbox = make_sandbox(mixed(400, shorts_of=5))
    youtube = make_youtube(sandbox, daily_search_budget=1)

    first = run(sandbox, youtube=youtube, max_results=50).result
    assert (first["quota"]["search_calls"], first["stop_reason"]) == (1, "quota")
    assert sandbox.calls("search") == 1
    again = run(sandbox, youtube=youtube, max_results=50).result
    assert (again["quota"]["search_calls"], again["quota"]["from_cache"]) == (0, True)


def test_a_checkpoint_of_last_week_is_not_gone_on_with(make_sandbox, run, make_youtube, clock):
    sandbox = make_sandbox(mixed(400, shorts_of=30))
    youtube = make_youtube(sandbox, cache_lifetime=0)
    first = run(sandbox, youtube=youtube, max_results=1)
    clock.turn(days=7)

    later = run(sandbox, youtube=youtube, max_results=1, attempt=2, last_checkpoint=first.checkpoints[-1])
    assert later.result["fetched_at"] == "2026-11-30T20:00:00Z"
    assert sandbox.calls("search") == 2


def test_a_task_that_is_told_to_end_while_its_call_fails_goes_back(sandbox, run):
    sandbox.faults.add("http_503", "search", times=None)

    found = run(sandbox, cancel=(CancelReason.STOPPING, 1))
    assert isinstance(found.outcome, Released)


@pytest.mark.parametrize(
    "odd",
    [
        {"title": "broken \ud800 text"},
        {"published_at": "yesterday"},
        {"published_at": "0001-01-01T00:00:00+14:00"},
        {"duration": f"PT{'9' * 5_000}S"},
        {"statistics": {"viewCount": "9" * 19}},
        {"statistics": {"viewCount": "9" * 400}},
    ],
)
def test_odd_answers_end_as_trouble_or_are_passed_over_and_never_as_a_crash(make_sandbox, run, odd):
    found = run(make_sandbox([entry("odd", **odd), entry("fine")]))

    if found.completed:
        assert "fine" in ids(found.result)
    else:
        assert isinstance(found.error, YouTubeTrouble)


# threads


def test_eight_threads_share_the_plugin_and_no_answers_cross(make_sandbox, run, make_youtube):
    words = [f"word{number:02d}" for number in range(60)]
    videos = [entry(f"{word}-{n}", title=f"{word} {n}") for word in words for n in range(5)]
    sandbox = make_sandbox(videos, search_quota=1_000)
    youtube = make_youtube(sandbox, cache_lifetime=0, daily_search_budget=1_000)

    def work(word):
        return ids(run(sandbox, youtube=youtube, search_query=word, max_results=3).result)

    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(words, pool.map(work, words), strict=True))

    assert found == {word: [f"{word}-{n}" for n in range(3)] for word in words}
    assert sandbox.connections <= 8
