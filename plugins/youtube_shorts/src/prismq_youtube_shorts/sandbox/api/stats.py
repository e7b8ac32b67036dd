"""videos.batchGetStats: the counters of many videos, from a quota of its own."""

from __future__ import annotations

from collections.abc import Collection

from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.resources import known
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.entry import Entry
from prismq_youtube_shorts.sandbox.refusals import Body

__all__ = ["stats_list"]

COUNTERS = ("viewCount", "likeCount", "commentCount")


def stats_list(params: Params, catalogue: Catalogue) -> Body:
    """The counters of these videos; the ids of those without any are listed apart."""
    params.filters("id")
    asked = params.ids()
    found = catalogue.videos(asked)
    parts = params.listed("part")
    missing = [video_id for video_id in asked if video_id not in {entry.video_id for entry in found}]
    return {
        "kind": "youtube#batchGetStatsResponse",
        "items": [_stat(entry, parts, catalogue) for entry in found],
        "summary": {
            "requestedVideoCount": str(len(asked)),
            "succeededVideoCount": str(len(found)),
            "failedVideoCount": str(len(missing)),
            **({"failedVideoIds": missing} if missing else {}),
        },
    }


def _stat(entry: Entry, parts: Collection[str], catalogue: Catalogue) -> Body:
    """Names and forms differ from those of videos.list: `publishTime`, and seconds for a duration."""
    counted = catalogue.statistics(entry)
    told: Body = {
        "snippet": known(publishTime=entry.published_at),
        "statistics": {name: counted[name] for name in COUNTERS if name in counted},
        "contentDetails": {}
        if entry.duration is None
        else {"duration": f"{entry.seconds}s", "durationMillis": str(1_000 * entry.seconds)},
    }
    chosen = {name: part for name, part in told.items() if name in parts and name not in entry.absent}
    return {"kind": "youtube#videoStats", "id": entry.video_id, **chosen}
