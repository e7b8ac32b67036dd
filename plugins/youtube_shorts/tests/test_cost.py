"""What a task costs, over a grid: equal to the formula, and never more than a scraper that asks for what it wants."""

from __future__ import annotations

from math import ceil

import pytest

from plugins.youtube_shorts.tests.entries import entry
from prismq_worker_sdk.testing import HandlerHarness
from prismq_youtube_shorts.sandbox import api as stand_in
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts

SHARES = (1.0, 0.6, 0.5, 0.4, 0.2, 0.1)
WANTED = (1, 5, 10, 20, 30, 50)
MOST_PAGES = 3


@pytest.fixture(scope="module")
def catalogues():
    """By the share of Shorts: of each ten videos in a row so many are Shorts."""
    return {
        share: [
            entry(
                f"v{number:010d}",
                width=1080 if number % 10 < round(10 * share) else 1920,
                height=1080,
            )
            for number in range(500)
        ]
        for share in SHARES
    }


@pytest.fixture
def tidy(monkeypatch):
    """Whole pages, one after the other: what the formula speaks of."""
    monkeypatch.setattr(stand_in, "LEFT_OUT_EVERY", 10**6)
    monkeypatch.setattr(stand_in, "OVERLAP", 0)


@pytest.fixture
def ours(make_youtube, handler_of):
    """Search calls and units of one task of this plugin, and how many Shorts it found."""

    def pay(sandbox, wanted):
        before = sandbox.calls("search"), sandbox.calls("videos")
        youtube = make_youtube(sandbox, cache_lifetime=0, daily_search_budget=10**6)
        handler = handler_of(ScrapeShorts, youtube)
        result = HandlerHarness(handler).run({"search_query": "x", "max_results": wanted}).result
        calls = sandbox.calls("search") - before[0], sandbox.calls("videos") - before[1]
        assert (result["quota"]["search_calls"], result["quota"]["units"]) == calls
        return *calls, result["total_found"]

    return pay


def naive(sandbox, make_client, wanted):
    """Search calls of a scraper that asks for pages of as many as it wants, until it has them."""
    client, before, found, token = make_client(sandbox), sandbox.calls("search"), 0, None
    asked = {"q": "x", "type": "video", "videoDuration": "short", "maxResults": wanted}
    while True:
        page = client.search(asked, token)
        videos = client.videos([item.video_id for item in page.items]).values()
        found += sum(video.width <= video.height for video in videos)
        token = page.next_page_token
        if found >= wanted or token is None:
            return sandbox.calls("search") - before


@pytest.mark.parametrize("share", SHARES)
def test_search_calls_and_units_are_those_of_the_formula(tidy, make_sandbox, ours, catalogues, share):
    sandbox = make_sandbox(catalogues[share], search_quota=10**6)

    for wanted in WANTED:
        pages = min(MOST_PAGES, ceil(round(wanted / (50 * share), 6)))
        found = min(wanted, round(50 * MOST_PAGES * share))
        assert ours(sandbox, wanted) == (pages, pages, found), f"{wanted} wanted"


@pytest.mark.parametrize("share", SHARES)
def test_a_scraper_that_asks_for_what_it_wants_never_pays_less(
    tidy, make_sandbox, ours, make_client, catalogues, share
):
    sandbox = make_sandbox(catalogues[share], search_quota=10**6)

    for wanted in WANTED:
        calls, _, _ = ours(sandbox, wanted)
        assert calls <= naive(sandbox, make_client, wanted), f"{wanted} wanted"


def test_for_ten_shorts_of_a_usual_query_it_pays_three_times_as_much(
    tidy, make_sandbox, ours, make_client, catalogues
):
    sandbox = make_sandbox(catalogues[0.4], search_quota=10**6)

    assert (ours(sandbox, 10)[0], naive(sandbox, make_client, 10)) == (1, 3)


@pytest.mark.parametrize("share", SHARES)
def test_pages_that_overlap_and_come_short_cost_one_search_more_at_most(
    make_sandbox, ours, catalogues, share
):
    sandbox = make_sandbox(catalogues[share], search_quota=10**6)

    for wanted in WANTED:
        pages = min(MOST_PAGES, ceil(round(wanted / (50 * share), 6)))
        calls, units, _ = ours(sandbox, wanted)
        assert pages <= calls == units <= min(MOST_PAGES, pages + 1), f"{wanted} wanted"
