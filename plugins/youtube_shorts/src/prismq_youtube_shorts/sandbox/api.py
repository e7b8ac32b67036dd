"""What the stand-in answers: search.list and videos.list over a catalogue; no HTTP in here."""

from __future__ import annotations

import base64
import html
import threading
import zlib
from collections.abc import Mapping, Sequence

from prismq_youtube_shorts.sandbox.catalogue import Entry
from prismq_youtube_shorts.sandbox.faults import REFUSALS, Body, refusal

__all__ = ["Api"]

Params = Mapping[str, Sequence[str]]

REACHABLE = 500
"""No search gives more, whatever its tokens say."""
MOST_IDS = 50
SHORT_SECONDS = 240
SEARCH_DESCRIPTION = 100
HIDDEN_EVERY = 23
"""Every so many results one is left out: pages come short, as the real ones do."""
UNKNOWN_LANGUAGES = {"zh", "xx", "zz"}
"""The real API knows zh-Hans and zh-Hant, not zh; the others are no languages."""
PICTURES = {
    "default": (120, 90),
    "medium": (320, 180),
    "high": (480, 360),
    "standard": (640, 480),
    "maxres": (1280, 720),
    "shortsAspectRatio": (405, 720),
}


class Api:
    """The YouTube Data API over an invented catalogue, with a day's quota that never comes back.

    Args:
        catalogue: In the order in which equally fitting videos are found.
        key: The only key that is taken.
        search_quota: Calls of search.list that are left.
        unit_quota: Units that are left for everything else.
    """

    def __init__(self, catalogue: Sequence[Entry], *, key: str, search_quota: int, unit_quota: int) -> None:
        self._catalogue = tuple(catalogue)
        self._by_id = {entry.video_id: entry for entry in catalogue}
        self._key = key
        self._left = {"search": search_quota, "videos": unit_quota}
        self._lock = threading.Lock()

    def answer(self, call: str, params: Params) -> tuple[int, Body]:
        """Status and body for one call, `search` or `videos`; bad calls cost as much as good ones."""
        key = params.get("key", [""])[0]
        if key != self._key:
            return REFUSALS["key_bad" if key else "key_missing"]
        with self._lock:
            self._left[call] -= 1
            if self._left[call] < 0:
                return REFUSALS["search_quota_day" if call == "search" else "quota_day"]
        if not _listed(params, "part"):
            return _missing("part")
        try:
            return self._search(params) if call == "search" else self._videos(params)
        except ValueError as error:
            return refusal(400, "badRequest", f"A parameter is no number: {error}.")

    def _search(self, params: Params) -> tuple[int, Body]:
        size, language = int(_one(params, "maxResults", "5")), _one(params, "relevanceLanguage")
        if not 0 <= size <= MOST_IDS:
            return refusal(400, "invalidParameter", f"Invalid value '{size}'.", location="maxResults")
        if language in UNKNOWN_LANGUAGES:
            text = "The relevanceLanguage parameter has an invalid value."
            return refusal(400, "invalidRelevanceLanguage", text, location="relevanceLanguage")
        if _one(params, "videoDuration") and _listed(params, "type") != ["video"]:
            return REFUSALS["filter"]
        query = _one(params, "q")
        start = _offset(_one(params, "pageToken"), query)
        if start is None:
            return REFUSALS["page_token"]
        ranked = self._ranked(query, language, _one(params, "videoDuration"))
        # A page begins with the last result of the page before: duplicates happen.
        window = range(max(0, start - 1), min(max(0, start - 1) + size, len(ranked)))
        body: Body = {
            "kind": "youtube#searchListResponse",
            "etag": f"standin-{start}",
            "regionCode": "US",
            "pageInfo": {"totalResults": 1_000 * len(ranked) + 7 * start, "resultsPerPage": size},
            "items": [_result(ranked[at]) for at in window if at % HIDDEN_EVERY != HIDDEN_EVERY - 1],
        }
        if window.stop < len(ranked) and size:
            body["nextPageToken"] = _token(window.stop, query)
        return 200, body

    def _ranked(self, query: str, language: str, duration: str) -> list[Entry]:
        """The best fitting first, then, as YouTube does, the loosely fitting; the language is a soft hint."""
        words = set(query.casefold().split())
        found = [entry for entry in self._catalogue if duration != "short" or entry.seconds < SHORT_SECONDS]
        found.sort(
            key=lambda entry: (-len(words & entry.words), bool(language) and entry.language != language)
        )
        return found[:REACHABLE]

    def _videos(self, params: Params) -> tuple[int, Body]:
        ids = list(dict.fromkeys(_listed(params, "id")))
        if not ids:
            return _missing("id")
        if len(ids) > MOST_IDS:
            return refusal(400, "invalidFilters", "The request specifies too many ids.", location="id")
        known = [self._by_id[video_id] for video_id in ids if video_id in self._by_id]
        items = [_video(entry, params) for entry in known if not entry.deleted]
        page = {"totalResults": len(items), "resultsPerPage": len(items)}
        return 200, {"kind": "youtube#videoListResponse", "etag": "standin", "pageInfo": page, "items": items}


def _result(entry: Entry) -> Body:
    """A search result: titles escaped, descriptions cut."""
    snippet = _snippet(entry)
    snippet["title"] = html.escape(entry.title).replace("&#x27;", "&#39;")
    snippet["description"] = html.escape(entry.description)[:SEARCH_DESCRIPTION] + " ..."
    return {
        "kind": "youtube#searchResult",
        "etag": "standin",
        "id": {"kind": "youtube#video", "videoId": entry.video_id},
        "snippet": snippet,
    }


def _video(entry: Entry, params: Params) -> Body:
    parts: Body = {
        "snippet": _snippet(entry),
        "contentDetails": {"dimension": "2d", "definition": "hd", "caption": "false"},
        "status": {"uploadStatus": entry.upload_status, "privacyStatus": "public", "embeddable": True},
        "player": _player(entry, params),
        "statistics": dict(entry.statistics),
    }
    if entry.duration is not None:
        parts["contentDetails"]["duration"] = entry.duration
    wanted = [name for name in _listed(params, "part") if name in parts and name not in entry.absent]
    return {
        "kind": "youtube#video",
        "etag": "standin",
        "id": entry.video_id,
        **{name: parts[name] for name in wanted},
    }


def _snippet(entry: Entry) -> Body:
    return {
        "publishedAt": entry.published_at,
        "channelId": entry.channel_id,
        "title": entry.title,
        "description": entry.description,
        "channelTitle": entry.channel,
        "liveBroadcastContent": entry.live,
        "thumbnails": {
            name: {
                "url": f"https://thumbnails.invalid/{entry.video_id}/{name}.jpg",
                "width": PICTURES[name][0],
                "height": PICTURES[name][1],
            }
            for name in entry.thumbnails
        },
    }


def _player(entry: Entry, params: Params) -> Body:
    """Sizes come as text, and only when a largest size was asked for and the ratio is known."""
    player: Body = {"embedHtml": "<iframe></iframe>"}
    tall, broad = int(_one(params, "maxHeight", "0")), int(_one(params, "maxWidth", "0"))
    if entry.width and entry.height and (tall or broad):
        scale = min(side / own for side, own in ((tall, entry.height), (broad, entry.width)) if side)
        player |= {
            "embedWidth": str(round(entry.width * scale)),
            "embedHeight": str(round(entry.height * scale)),
        }
    return player


def _one(params: Params, name: str, default: str = "") -> str:
    return params.get(name, [default])[0]


def _listed(params: Params, name: str) -> list[str]:
    """A list parameter: repeated, with commas, or both."""
    return [item for value in params.get(name, []) for item in value.split(",") if item]


def _missing(name: str) -> tuple[int, Body]:
    return refusal(400, "missingRequiredParameter", f"Required parameter: {name}", location=name)


def _token(offset: int, query: str) -> str:
    text = f"standin:{zlib.crc32(query.encode()):08x}:{offset}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _offset(token: str, query: str) -> int | None:
    """Where the page begins; None for a token that was not given out for this query."""
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        start = int(text.rpartition(":")[2])
    except ValueError:
        return None
    return start if _token(start, query) == token else None
