"""Results that are larger than what the server stores: shortened in a fixed order, told, and never too large."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.youtube_shorts.tests.entries import entry
from prismq_worker_sdk.handlers.values import encode_result
from prismq_worker_sdk.testing import HandlerHarness
from prismq_worker_sdk.wire.dialects.prismq_client.values import MAX_TEXT_BYTES, stored_bytes
from prismq_youtube_shorts.analyze_trends import AnalyzeTrends
from prismq_youtube_shorts.resources import Video
from prismq_youtube_shorts.result import (
    AnalyzeTrendsResult,
    ChannelInfo,
    ScrapeShortsResult,
    Short,
    TrendingShort,
)
from prismq_youtube_shorts.sandbox import Entry
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts
from prismq_youtube_shorts.shorts_rule import ShortsCheck
from prismq_youtube_shorts.truncation import truncate

LONG = "Ein Wört, 漢字漢字, and #another one. " * 300
WHOLE_MEGABYTES = 8 * 2**20


def entries(count: int, description: str = LONG, **traits) -> list[Entry]:
    more = {"tags": tuple(f"tag number {n}" for n in range(30)), "statistics": {"viewCount": "12345"}}
    return [
        entry(
            f"vid{number:08d}",
            channel_id=f"UC{number:022d}",
            description=description[:5_000],
            published_at="2026-11-23T10:00:00Z",
            **{**more, **traits},
        )
        for number in range(count)
    ]


@pytest.fixture
def run(make_sandbox, make_youtube, handler_of, clock):
    def run(handler, videos, params, limit=MAX_TEXT_BYTES, **given):
        youtube = make_youtube(make_sandbox(videos, now=clock), derived_metrics=True, **given)
        made = handler_of(handler, youtube)
        return HandlerHarness(made, max_result_bytes=limit).run(params)

    return run


TASKS = {
    "fifty with their channels": (
        ScrapeShorts,
        {"search_query": "x", "max_results": 50, "include_channels": True},
        50,
    ),
    "ten with long descriptions": (ScrapeShorts, {"search_query": "x", "max_results": 10}, 10),
    "a chart with derived metrics": (AnalyzeTrends, {"source": "chart", "max_results": 50}, 50),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_finds_much_completes_on_a_server_that_stores_little(run, name):
    handler, params, count = TASKS[name]
    found = run(handler, entries(count + 5), params)

    assert found.completed, found.outcome
    assert stored_bytes(found.outcome.result) <= MAX_TEXT_BYTES
    shortened = found.result["shortened"]
    assert shortened["limit_bytes"] == MAX_TEXT_BYTES
    assert shortened["fields"][0] == "description"
    assert found.result["total_found"] + shortened["left_out"] == count
    assert any(line[1] == "the result is shortened to what the server stores" for line in found.logs)


def test_what_fits_is_left_whole_and_nothing_is_told(run):
    handler, params, _count = TASKS["ten with long descriptions"]
    found = run(handler, entries(10), params, limit=WHOLE_MEGABYTES)

    assert found.result["shortened"] is None
    assert {len(short["description"]) for short in found.result["shorts"]} == {5_000}


def test_descriptions_are_cut_no_deeper_than_they_must_be(run):
    handler, params, _count = TASKS["ten with long descriptions"]
    found = run(handler, entries(10), params, limit=40_000)

    lengths = {len(short["description"]) for short in found.result["shorts"]}
    assert found.result["shortened"]["fields"] == ["description"]
    assert all(len(short["tags"]) == 30 for short in found.result["shorts"])
    assert 39_800 < len(found.outcome.result.encode()) <= 40_000
    assert len(lengths) == 1


def test_what_can_be_missed_goes_first_and_items_go_last(run):
    handler, params, _count = TASKS["fifty with their channels"]

    def fields(limit):
        told = run(handler, entries(50), params, limit=limit).result["shortened"]
        return told["fields"], told["left_out"]

    assert fields(100_000) == (["description"], 0)
    assert fields(60_000)[0] == ["description", "tags"]
    every, left_out = fields(20_000)
    assert every == ["description", "tags", "hashtags", "channel_info"]
    assert 0 < left_out < 50


def test_a_limit_below_an_empty_result_fails_and_says_the_sizes(run):
    handler, params, _count = TASKS["ten with long descriptions"]
    found = run(handler, entries(10), params, limit=200)

    assert "200 at most can be sent" in found.outcome.error


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
snippets = st.fixed_dictionaries(
    {
        "title": texts,
        "description": st.sampled_from(["", LONG[:5_000], "漢\u2028" * 999]) | texts,
        "tags": st.lists(texts, max_size=5) | st.just(["1e5", "a tag"] * 20),
    }
)
CHANNEL = ChannelInfo(
    handle="@h", subscriber_count=2**62, video_count=1, view_count=1, country="DE", thumbnail_url="u"
)
COMMON = {
    "search_query": "x",
    "partial": False,
    "stop_reason": "enough",
    "language": None,
    "fetched_at": "2026-11-23T10:00:00Z",
    "expires_at": "2026-12-23T10:00:00Z",
    "stats": {
        **dict.fromkeys(("candidates", "non_shorts", "unavailable", "unverified", "api_total_estimate"), 0),
        "shorts_ratio": 1e-05,
    },
    "quota": {
        **dict.fromkeys(("search_calls", "units", "stats_calls", "search_calls_today"), 0),
        "from_cache": True,
        "resets_at": "2026-11-24T08:00:00Z",
    },
}


@st.composite
def results(draw):
    """A result of either type, with texts of every kind; what it repeats is cheap to draw."""
    drawn = draw(st.lists(snippets, max_size=4))
    videos = [Video.model_validate({"id": "1e+5", "snippet": one}) for one in drawn]
    shorts = [Short.of(video, ShortsCheck.VERIFIED, rank=1, most_chars=5_000) for video in videos]
    shorts = [
        one.model_copy(update={"channel_info": draw(st.sampled_from([None, CHANNEL]))}) for one in shorts
    ]
    items = tuple(shorts * draw(st.integers(1, 13)))[:50]
    told = {**COMMON, "total_found": len(items)}
    if draw(st.booleans()):
        return ScrapeShortsResult(shorts=items, **told)
    trending = tuple(TrendingShort(**dict(one)) for one in items)
    return AnalyzeTrendsResult(videos=trending, source="chart", derived=None, **told)


@settings(max_examples=60, deadline=None)
@given(result=results(), limit=st.sampled_from([2_000, 10_000, 30_000, MAX_TEXT_BYTES]))
def test_any_catalogue_fits_what_is_left_is_as_it_was_and_what_is_missing_is_told(result, limit):
    found = truncate(result, limit)
    text = encode_result(found, max_bytes=limit)
    plain, before = json.loads(text), result.model_dump(mode="json")
    items = plain.get("shorts", plain.get("videos"))

    assert stored_bytes(text) <= limit
    told = plain["shortened"] or {"fields": [], "left_out": 0}
    assert plain["total_found"] == len(items) == result.total_found - told["left_out"]
    touched = {*told["fields"]}
    for item, was in zip(items, before.get("shorts", before.get("videos")), strict=False):
        assert {name: item[name] for name in item if name not in touched} == {
            name: was[name] for name in was if name not in touched
        }
        assert was["description"].startswith(item["description"].removesuffix("…"))
