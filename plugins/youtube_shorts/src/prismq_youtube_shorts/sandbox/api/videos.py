"""videos.list: by id, or the chart of the most popular."""

from __future__ import annotations

from prismq_youtube_shorts.sandbox.api.guides import CATEGORIES
from prismq_youtube_shorts.sandbox.api.paging import sheet
from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.video import Frame, video
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.entry import Entry
from prismq_youtube_shorts.sandbox.refusals import REFUSALS, Body, Refused

__all__ = ["videos_list"]

KIND = "youtube#videoListResponse"
ALL_CATEGORIES = "0"
CHARTED = {"1", "10", "20"}
"""Films, music and games: since July 2025 the chart of all categories shows no other."""
CHART_LENGTH = 200


def videos_list(params: Params, catalogue: Catalogue) -> Body:
    """The videos of these ids in this order, or a page of the chart."""
    params.filters("chart", "id")
    parts, frame = params.listed("part"), Frame(params)
    if "id" in params:
        found = catalogue.videos(params.ids())
        page: Body = {"pageInfo": {"totalResults": len(found), "resultsPerPage": len(found)}}
        shown = found
    else:
        params.choice("chart", {"mostPopular"}, "")
        chart, page = sheet(params, _chart(params, catalogue), least=1)
        shown = list(chart)
    return {"kind": KIND, **page, "items": [video(entry, parts, frame, catalogue) for entry in shown]}


def _chart(params: Params, catalogue: Catalogue) -> list[Entry]:
    region, category = params.region(), params.one("videoCategoryId", ALL_CATEGORIES)
    public = [entry for entry in catalogue.entries if entry.listed and region not in entry.region_blocked]
    if category == ALL_CATEGORIES:
        # A catalogue that has none of these is of somebody who does not care about categories.
        shown = [entry for entry in public if entry.category_id in CHARTED] or public
    else:
        shown = [entry for entry in public if entry.category_id == category]
        # A category of which nothing is popular has no chart, and neither has one that does not exist.
        if not (shown and category in CATEGORIES):
            raise Refused(REFUSALS["chart_not_found"])
    return sorted(shown, key=lambda entry: catalogue.count(entry, "viewCount"), reverse=True)[:CHART_LENGTH]
