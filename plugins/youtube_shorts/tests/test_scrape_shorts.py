"""ScrapeShorts: what it finds, what it asks for that, and when it stops."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from prismq_worker_sdk import Permanent, TaskCancelled
from prismq_worker_sdk.handlers.log import TaskLog
from prismq_worker_sdk.handlers.results import encode_result
from prismq_youtube_shorts.errors import DayQuotaUsedUp, PageTokenRefused, YouTubeTrouble
from prismq_youtube_shorts.sandbox import Entry
from prismq_youtube_shorts.scrape_shorts import MAX_PAGES, ScrapeShortsParams, find_shorts

SPEC_KEYS = ["video_id", "title", "description", "channel", "published_at", "thumbnail_url"]


@dataclass
class Context:
    """As much of `ctx` as the search uses; it is told to end after so many checks."""

    time_left: float = 60.0
    ends_after: int = 10_000
    checks: int = 0
    told: list[tuple[float, str]] = field(default_factory=list)
    log: TaskLog = field(default_factory=TaskLog)

    def check(self) -> None:
        self.checks += 1
        if self.checks > self.ends_after:
            raise TaskCancelled("asked")

    def progress(self, percent: float, message: str = "") -> None:
        self.told.append((percent, message))


@pytest.fixture
def find(make_client):
    def run(sandbox, ctx: Context | None = None, **params: Any) -> dict[str, Any]:
        given = ScrapeShortsParams(**{"search_query": "cooking", **params})
        return find_shorts(make_client(sandbox), given, ctx or Context()).model_dump(mode="json")

    return run


def ids(result: dict[str, Any]) -> list[str]:
    return [short["video_id"] for short in result["shorts"]]


def test_the_result_has_the_missions_keys_first_and_in_order(sandbox, find):
    result = find(sandbox, search_query="cooking tips", max_results=3)

    assert list(result) == ["shorts", "total_found", "search_query"]
    assert result["total_found"] == len(result["shorts"]) == 3
    assert result["search_query"] == "cooking tips"
    assert all(list(short)[:6] == SPEC_KEYS for short in result["shorts"])


def test_a_short_is_told_in_full_and_plainly(make_sandbox, find):
    entry = Entry(
        video_id="abc",
        title="Tom & Jerry's <best>",
        description="line 1\nline 2 & more " * 20,
        channel="Tom's channel",
        channel_id="UC1",
        published_at="2026-05-13T05:03:08Z",
        duration="PT1M15S",
        seconds=75,
        thumbnails=("default", "high"),
    )

    (short,) = find(make_sandbox([entry]))["shorts"]

    assert short == {
        "video_id": "abc",
        "title": "Tom & Jerry's <best>",
        "description": "line 1\nline 2 & more " * 20,
        "channel": "Tom's channel",
        "published_at": "2026-05-13T05:03:08Z",
        "thumbnail_url": "https://thumbnails.invalid/abc/high.jpg",
        "url": "https://www.youtube.com/shorts/abc",
        "channel_id": "UC1",
        "duration_seconds": 75,
        "aspect_ratio": "9:16",
        "shorts_check": "verified",
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
    (short,) = find(make_sandbox([Entry(video_id="v", thumbnails=sizes)]))["shorts"]

    assert short["thumbnail_url"] == url


def test_only_what_is_verified_is_given(make_sandbox, find):
    sandbox = make_sandbox(
        [
            Entry(video_id="tall"),
            Entry(video_id="square", height=1080),
            Entry(video_id="wide", width=1920, height=1080),
            Entry(video_id="shapeless", width=0, height=0),
            Entry(video_id="proven", width=0, height=0, thumbnails=("high", "shortsAspectRatio")),
            Entry(video_id="statusless", absent=("status",)),
            Entry(video_id="live", live="live", duration="P0D"),
            Entry(video_id="upcoming", live="upcoming"),
            Entry(video_id="processing", upload_status="uploaded"),
            Entry(video_id="gone", deleted=True),
            Entry(video_id="timeless", duration=None),
            Entry(video_id="bare", absent=("player", "contentDetails", "status")),
            Entry(video_id="three-minutes", duration="PT3M", seconds=180),
            Entry(video_id="longer", duration="PT3M30S", seconds=210),
            Entry(video_id="too-early", duration="PT2M", seconds=120, published_at="2024-10-14T23:59:59Z"),
            Entry(video_id="early-enough", duration="PT59S", seconds=59, published_at="2022-01-01T00:00:00Z"),
        ]
    )

    assert ids(find(sandbox)) == ["tall", "square", "proven", "statusless", "three-minutes", "early-enough"]


def test_the_invented_catalogue_gives_nothing_that_is_no_short(sandbox, find):
    result = find(sandbox, max_results=50)

    assert len(result["shorts"]) == 50
    for short in result["shorts"]:
        limit = 181 if short["published_at"] >= "2024-10-15" else 61
        assert 0 < short["duration_seconds"] <= limit
        assert short["aspect_ratio"] in {"9:16", "1:1", None}


def test_order_is_youtubes_and_nothing_comes_twice(make_sandbox, find):
    """The stand-in begins each page with the last video of the page before."""
    videos = [Entry(video_id=f"v{number:03d}", width=1920 if number % 3 else 1080) for number in range(140)]

    found = ids(find(make_sandbox(videos), max_results=50))

    assert found == sorted(set(found))
    assert len(found) > 40


@pytest.mark.parametrize(
    ("wanted", "share", "pages"),
    [(1, 1, 1), (10, 1, 1), (10, 3, 1), (50, 1, 2), (50, 2, 3), (10, 30, 3)],
)
def test_it_stops_as_soon_as_it_has_enough_and_after_three_pages_at_most(
    make_sandbox, find, wanted, share, pages
):
    """One in `share` is a Short; a page costs one search call and one unit."""
    videos = [
        Entry(video_id=f"v{number:03d}", width=1080 if number % share == 0 else 1920, height=1080)
        for number in range(400)
    ]
    sandbox = make_sandbox(videos)

    result = find(sandbox, max_results=wanted)

    assert (sandbox.calls("search"), sandbox.calls("videos")) == (pages, pages)
    assert result["total_found"] == wanted or pages == MAX_PAGES


def test_fewer_than_wanted_is_an_answer(make_sandbox, shorts, find):
    sandbox = make_sandbox(shorts(7))

    assert find(sandbox, max_results=50)["total_found"] == 7
    assert sandbox.calls("search") == 1


def test_nothing_found_is_an_answer_and_costs_no_unit(make_sandbox, find):
    sandbox = make_sandbox([])

    assert find(sandbox) == {"shorts": [], "total_found": 0, "search_query": "cooking"}
    assert (sandbox.calls("search"), sandbox.calls("videos")) == (1, 0)


def test_an_empty_page_with_a_token_is_not_the_end(make_sandbox, shorts, find):
    sandbox = make_sandbox(shorts(120))
    sandbox.faults.add("empty_page", "search")

    assert find(sandbox, max_results=10)["total_found"] == 10
    assert sandbox.calls("search") == 2


def test_a_page_token_refused_ends_the_search_with_what_was_found(make_sandbox, shorts, find, caplog):
    sandbox = make_sandbox(shorts(120))

    class AfterTheFirstPage(Context):
        def progress(self, percent: float, message: str = "") -> None:
            sandbox.faults.add("page_token", "search")

    assert find(sandbox, AfterTheFirstPage(), max_results=50)["total_found"] == 48
    assert "the search ends early" in caplog.text


def test_a_page_token_refused_on_the_first_page_is_an_error(sandbox, find):
    sandbox.faults.add("page_token", "search")

    with pytest.raises(PageTokenRefused):
        find(sandbox)


@pytest.mark.parametrize(
    ("fault", "call", "error"),
    [
        ("search_quota_day", "search", DayQuotaUsedUp),
        ("quota_day", "videos", DayQuotaUsedUp),
        ("http_503", "search", YouTubeTrouble),
        ("reset", "videos", YouTubeTrouble),
    ],
)
def test_trouble_ends_the_task_and_nothing_is_tried_again_inside_it(sandbox, find, fault, call, error):
    sandbox.faults.add(fault, call, times=None)

    with pytest.raises(error):
        find(sandbox)

    assert sandbox.calls("search") == 1
    assert sandbox.calls("videos") == (call == "videos")


def test_the_quota_of_the_stand_in_runs_out_like_the_real_one(make_sandbox, find):
    sandbox = make_sandbox(search_quota=1)
    find(sandbox, max_results=1)

    with pytest.raises(DayQuotaUsedUp):
        find(sandbox, max_results=1)


@pytest.mark.parametrize("checks", [0, 1, 2])
def test_a_cancelled_task_ends_before_its_next_call(sandbox, find, checks):
    with pytest.raises(TaskCancelled):
        find(sandbox, Context(ends_after=checks), max_results=50)

    assert len(sandbox.requests) == checks


def test_a_call_is_not_waited_for_longer_than_the_task_has_time(sandbox, find):
    sandbox.faults.add("stall")

    with pytest.raises(YouTubeTrouble, match="silent for 1 s"):
        find(sandbox, Context(time_left=0.3))


def test_progress_is_told_while_pages_are_read(make_sandbox, shorts, find):
    ctx = Context()
    find(make_sandbox(shorts(120)), ctx, max_results=50)

    percents = [percent for percent, _ in ctx.told]
    assert percents == sorted(percents)
    assert all(0 < percent < 100 for percent in percents)
    assert ctx.told[-2][1] == "48 of 50 Shorts so far"


def test_each_page_is_logged_with_its_numbers(make_sandbox, find, caplog):
    caplog.set_level("INFO")
    sandbox = make_sandbox(
        [
            Entry(video_id="a"),
            Entry(video_id="b", width=1920, height=1080),
            Entry(video_id="c", width=0, height=0),
            Entry(video_id="d", deleted=True),
        ]
    )

    find(sandbox)

    (record,) = [record for record in caplog.records if record.getMessage() == "page read"]
    assert record.fields == {
        "page": 1,
        "candidates": 4,
        "shorts": 1,
        "not_shorts": 1,
        "unverified": 1,
        "unavailable": 1,
    }


def test_eight_threads_share_one_client_and_no_answers_cross(make_sandbox, make_client):
    words = [f"word{number:02d}" for number in range(48)]
    videos = [Entry(video_id=f"{word}-{n}", title=f"{word} {n}") for word in words for n in range(5)]
    sandbox = make_sandbox(videos)
    client = make_client(sandbox)

    def work(word: str) -> list[str]:
        params = ScrapeShortsParams(search_query=word, max_results=3)
        return [short.video_id for short in find_shorts(client, params, Context()).shorts]

    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(words, pool.map(work, words), strict=True))

    assert found == {word: [f"{word}-{n}" for n in range(3)] for word in words}
    assert sandbox.connections <= 8


def test_the_result_is_taken_by_the_worker_as_it_is(sandbox, make_client):
    params = ScrapeShortsParams(search_query="cooking", max_results=50)

    result = find_shorts(make_client(sandbox), params, Context())

    assert json.loads(encode_result(result, max_bytes=1_000_000)) == result.model_dump(mode="json")


def test_the_search_term_is_sent_without_the_blanks_around_it_and_given_back_as_it_came(sandbox, find):
    assert find(sandbox, search_query="  cooking ")["search_query"] == "  cooking "
    assert sandbox.requests[0].params["q"] == ["cooking"]


def test_a_blank_search_term_is_refused_without_a_call(sandbox, find):
    with pytest.raises(Permanent, match="search_query is blank"):
        find(sandbox, search_query="   ")

    assert sandbox.requests == []
