"""search.list: up to 500 results in pages that overlap, come short, and are at times empty."""

from __future__ import annotations

import html

from prismq_youtube_shorts.sandbox.api.paging import Place
from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.question import Question
from prismq_youtube_shorts.sandbox.api.ranking import Found, ranked
from prismq_youtube_shorts.sandbox.api.resources import common_snippet, known, pictures
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.channel import Channel
from prismq_youtube_shorts.sandbox.entry import USUAL_THUMBNAILS, Entry
from prismq_youtube_shorts.sandbox.refusals import Body

__all__ = ["search_list"]

REACHABLE = 500
"""No search gives more, whatever its tokens say."""
HIDDEN_EVERY = 23
"""Every so many results one is left out: pages come short, as the real ones do."""
EMPTY_AT = 250
"""The page with this result comes empty, and leads on all the same."""
ESTIMATE_CAP = 1_000_000
DESCRIPTION_CUT = 100


def search_list(params: Params, catalogue: Catalogue) -> Body:
    """One page of results."""
    question = Question.read(params)
    place = Place.read(params)
    found = ranked(question, catalogue)
    window = _window(place, len(found))
    shown = [] if EMPTY_AT in window else [found[at] for at in window if _is_shown(at)]
    parts = params.listed("part")
    return {
        "kind": "youtube#searchListResponse",
        **place.tokens(window.stop, more=window.stop < len(found) and place.start < REACHABLE),
        "regionCode": question.region,
        "pageInfo": {"totalResults": _estimate(len(found), place.start), "resultsPerPage": place.size},
        "items": [_result(result, with_snippet="snippet" in parts) for result in shown],
    }


def _window(place: Place, found: int) -> range:
    """Which results a page is about; it begins with the last of the page before: duplicates happen."""
    if place.start >= REACHABLE:
        return range(place.start, place.start)
    begin = place.start - 1 if place.start and place.size > 1 else place.start
    return range(begin, max(begin, min(begin + place.size, found, REACHABLE)))


def _is_shown(at: int) -> bool:
    return at % HIDDEN_EVERY != HIDDEN_EVERY - 1


def _estimate(found: int, start: int) -> int:
    """What `totalResults` claims: far too much, and something else on each page."""
    return min(1_000 * found + 7 * start - 11 * (start % 3), ESTIMATE_CAP)


def _result(found: Found, *, with_snippet: bool) -> Body:
    video = isinstance(found, Entry)
    named = {"videoId": found.video_id} if isinstance(found, Entry) else {"channelId": found.id}
    body = {
        "kind": "youtube#searchResult",
        "id": {"kind": "youtube#video" if video else "youtube#channel", **named},
    }
    if with_snippet:
        body["snippet"] = _of_video(found) if isinstance(found, Entry) else _of_channel(found)
    return body


def _of_video(entry: Entry) -> Body:
    """Texts are escaped here, and descriptions cut; videos.list has them plain and whole."""
    snippet = common_snippet(entry)
    snippet["title"] = _escaped(entry.title)
    snippet["description"] = _cut(entry.description)
    snippet["channelTitle"] = _escaped(entry.channel)
    snippet["liveBroadcastContent"] = entry.live
    return snippet


def _of_channel(channel: Channel) -> Body:
    return {
        **known(publishedAt=channel.published_at, channelId=channel.id),
        "title": _escaped(channel.title),
        "description": _cut(channel.description),
        "thumbnails": pictures(channel.id, USUAL_THUMBNAILS, measured=False),
        "channelTitle": _escaped(channel.title),
        "liveBroadcastContent": "none",
    }


def _escaped(text: str) -> str:
    return html.escape(text).replace("&#x27;", "&#39;")


def _cut(text: str) -> str:
    escaped = _escaped(text)
    return escaped if len(escaped) <= DESCRIPTION_CUT else f"{escaped[:DESCRIPTION_CUT]} ..."
