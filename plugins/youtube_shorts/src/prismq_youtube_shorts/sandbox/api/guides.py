"""videoCategories.list, i18nLanguages.list and i18nRegions.list: lists that hardly ever change."""

from __future__ import annotations

from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.regions import INTERFACE_LANGUAGES, REGIONS
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.refusals import Body

__all__ = ["CATEGORIES", "languages_list", "regions_list", "video_categories_list"]

CATEGORIES = {
    "1": "Film & Animation",
    "2": "Autos & Vehicles",
    "10": "Music",
    "15": "Pets & Animals",
    "17": "Sports",
    "18": "Short Movies",
    "19": "Travel & Events",
    "20": "Gaming",
    "21": "Videoblogging",
    "22": "People & Blogs",
    "23": "Comedy",
    "24": "Entertainment",
    "25": "News & Politics",
    "26": "Howto & Style",
    "27": "Education",
    "28": "Science & Technology",
    "29": "Nonprofits & Activism",
    "30": "Movies",
    "42": "Shorts",
    "43": "Shows",
    "44": "Trailers",
}
"""Titles by id; "Shorts" is a name from long before Shorts, and no video has it."""
UNASSIGNABLE = {"18", "21", "30", "42", "43", "44"}
ONLY_IN = {"29": {"US"}}
OWNER = "UCBR8-60-B28hp2BmDPdntcQ"


def video_categories_list(params: Params, catalogue: Catalogue) -> Body:  # noqa: ARG001 - as every call
    """The categories of a region, or those of these ids."""
    params.filters("id", "regionCode")
    if "id" in params:
        shown = [number for number in params.ids() if number in CATEGORIES]
    else:
        region = params.region()
        shown = [number for number in CATEGORIES if region in ONLY_IN.get(number, {region})]
    with_snippet = "snippet" in params.listed("part")
    return {
        "kind": "youtube#videoCategoryListResponse",
        "items": [_category(number, with_snippet=with_snippet) for number in shown],
    }


def languages_list(params: Params, catalogue: Catalogue) -> Body:  # noqa: ARG001 - as every call
    """The languages of YouTube's own pages."""
    return _guide(params, "i18nLanguage", "hl", INTERFACE_LANGUAGES)


def regions_list(params: Params, catalogue: Catalogue) -> Body:  # noqa: ARG001 - as every call
    """The regions that have a YouTube of their own."""
    return _guide(params, "i18nRegion", "gl", REGIONS)


def _category(number: str, *, with_snippet: bool) -> Body:
    body: Body = {"kind": "youtube#videoCategory", "id": number}
    if with_snippet:
        title, assignable = CATEGORIES[number], number not in UNASSIGNABLE
        body["snippet"] = {"title": title, "assignable": assignable, "channelId": OWNER}
    return body


def _guide(params: Params, kind: str, code: str, names: dict[str, str]) -> Body:
    items: list[Body] = [{"kind": f"youtube#{kind}", "id": name} for name in names]
    if "snippet" in params.listed("part"):
        for item in items:
            item["snippet"] = {code: item["id"], "name": names[item["id"]]}
    return {"kind": f"youtube#{kind}ListResponse", "items": items}
