"""Pages of a search in the stand-in: tokens, overlaps, gaps, and where it ends."""

from __future__ import annotations

import pytest

from plugins.youtube_shorts.tests.sandbox_support import (
    every_page,
    found,
    get,
    google,
    reason,
    search,
)


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


@pytest.mark.parametrize(("size", "status"), [(0, 200), (50, 200), (51, 400), (-1, 400), ("many", 400)])
def test_a_page_holds_up_to_fifty(sandbox, size, status):
    assert get(sandbox, "search", maxResults=size)[0] == status


def test_a_page_that_is_too_large_is_refused_with_the_range(sandbox):
    status, body = get(sandbox, "search", maxResults=51)

    assert (status, reason(body)) == (400, "invalidParameter")
    assert body["error"]["message"] == "Invalid value '51'. Values must be within the range: [0, 50]"
    assert body["error"]["errors"][0]["location"] == "maxResults"


def test_a_page_of_one_may_be_empty_and_lead_on(make_sandbox, shorts):
    sizes = [
        len(page["items"])
        for page in every_page(make_sandbox(shorts(30)), "search", type="video", maxResults=1)
    ]

    assert len(sizes) == 30
    assert sizes.count(0) == 1


def test_a_whole_page_deep_down_is_empty_and_leads_on(make_sandbox, shorts):
    pages = list(every_page(make_sandbox(shorts(400)), "search", type="video", maxResults=50))

    assert any(not page["items"] and "nextPageToken" in page for page in pages)
    assert pages[-1]["items"]


def test_the_token_after_the_five_hundredth_leads_to_nothing(make_sandbox, shorts):
    *_, before, last = every_page(make_sandbox(shorts(900)), "search", type="video", maxResults=50)

    assert "nextPageToken" in before
    assert (last["items"], "nextPageToken" in last) == ([], False)


def test_the_estimate_is_never_more_than_a_million(make_sandbox, shorts):
    sandbox = make_sandbox(shorts(1_200))

    assert search(sandbox)["pageInfo"] == {"totalResults": 1_000_000, "resultsPerPage": 50}


def test_googles_client_pages_by_its_own_means(make_sandbox, shorts):
    names = []
    with google(make_sandbox(shorts(120))) as api:
        request = api.search().list(part="id", type="video", maxResults=50)
        while request is not None:
            page = request.execute()
            names += found(page)
            request = api.search().list_next(request, page)

    assert len(set(names)) == 120 - 120 // 23


def test_a_token_survives_another_hint_of_language_but_no_other_change(sandbox):
    token = search(sandbox, q="cooking")["nextPageToken"]

    assert search(sandbox, q="cooking", relevanceLanguage="de", pageToken=token)["items"]
    for change in ({"order": "date"}, {"regionCode": "DE"}, {"publishedAfter": "2026-01-01T00:00:00Z"}):
        status, body = get(sandbox, "search", q="cooking", type="video", pageToken=token, **change)
        assert (status, reason(body)) == (400, "invalidPageToken")


def test_a_page_leads_back_too(sandbox):
    first = search(sandbox, q="cooking", maxResults=10)
    second = search(sandbox, q="cooking", maxResults=10, pageToken=first["nextPageToken"])

    assert "prevPageToken" not in first
    assert found(search(sandbox, q="cooking", maxResults=10, pageToken=second["prevPageToken"])) == found(
        first
    )
