"""What the stand-in answers: the calls of the API over a catalogue, and three quotas; no HTTP in here."""

from __future__ import annotations

import json
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from prismq_youtube_shorts.sandbox.catalogue import Entry, Resource, thumbnails

Body = dict[str, Any]
Params = Mapping[str, Sequence[str]]
"""The query of a request: each name with all its values."""

CALLS = {
    f"/youtube/v3/{path}": path.rpartition(":")[2]
    for path in ("search", "videos", "videos:batchGetStats", "channels", "playlistItems")
}
"""The name of a call, under which it is counted and disturbed, by its path."""
ANSWERS: dict[str, tuple[int, Body | str]] = json.loads(
    files(__package__).joinpath("answers.json").read_text("utf-8")
)
"""By name: the status, and JSON or a text in Latin-1."""
REACHABLE = 500
"""No search gives more, whatever its tokens say."""
LEFT_OUT_EVERY = 23
"""Every so many results one is left out: pages come short, as the real ones do."""
OVERLAP = 1
"""So many results of a page come again on the next."""
UNKNOWN_LANGUAGES = {"xx", "zh"}
"""What YouTube does not take: Chinese goes by its script, and `xx` is no language."""
CHARTED = {"1", "10", "20"}
"""Films, music and games: since July 2025 the chart of all categories shows no other."""
LENGTHS = {"Short": range(1, 181), "short": range(240)}
PACIFIC = ZoneInfo("America/Los_Angeles")
BUCKETS = {"search": ("search", "search_quota_day"), "batchGetStats": ("stats", "stats_quota_day")}
"""The quota that a call uses up, and the refusal when nothing is left; all others share `default`."""
OF_A_PAGE = {"pageToken", "maxResults", "part", "fields", "key", "alt", "relevanceLanguage"}
"""What may change from page to page; all the rest is the question that a token is good for."""


class Refused(Exception):  # noqa: N818 - what happened, not a mistake of the stand-in
    """Ends the work on a request with one of the ANSWERS, by its name."""


class FakeApi:
    """The YouTube Data API over an invented catalogue; safe to share between threads.

    Args:
        entries: In the order in which equally fitting videos are found.
        key: The only one that is taken.
        quotas: Calls a day for `search`, `stats` and `default`, given anew at midnight in Los Angeles.
        now: The stand-in's clock, with time zone.
    """

    def __init__(
        self, entries: Sequence[Entry], key: str, quotas: Mapping[str, int], now: Callable[[], datetime]
    ) -> None:
        self._entries = tuple(entries)
        self._key = key
        self._quotas = quotas
        self._now = now
        self._since = now()
        self._spent: Counter[tuple[str, object]] = Counter()
        self._lock = threading.Lock()

    def answer(self, call: str, params: Params) -> tuple[int, Body | str]:
        """Status and body; every call with the right key is charged for."""
        try:
            self._charge(call, _one(params, "key"))
            return 200, {"kind": f"youtube#{call}ListResponse", **getattr(self, f"_{call}")(params)}
        except Refused as refused:
            return ANSWERS[str(refused)]

    def _charge(self, call: str, key: str) -> None:
        if call not in CALLS.values():
            raise Refused("not_found")
        if key != self._key:
            raise Refused("key_bad" if key else "key_missing")
        bucket, used_up = BUCKETS.get(call, ("default", "quota_day"))
        today = (bucket, self._now().astimezone(PACIFIC).date())
        with self._lock:
            self._spent[today] += 1
            if self._spent[today] > self._quotas[bucket]:
                raise Refused(used_up)

    def _search(self, params: Params) -> Body:
        """Up to 500 results in pages that overlap and come short."""
        start, size, token = _page(params)
        found, begin = self._ranked(params)[:REACHABLE], max(0, start - OVERLAP)
        window = range(begin, min(begin + size, len(found)))
        shown = [found[at] for at in window if (at + 1) % LEFT_OUT_EVERY]
        return {
            **({"nextPageToken": token(window.stop)} if window.stop < len(found) else {}),
            "pageInfo": {"totalResults": 1_000 * len(found) + 7 * start, "resultsPerPage": size},
            "items": [{"id": {"kind": "youtube#video", "videoId": entry.id}} for entry in shown],
        }

    def _videos(self, params: Params) -> Body:
        """Videos by id, those that anybody may see; or a page of the chart."""
        if "chart" in params:
            return _paged(params, [self._video(entry, params) for entry in self._chart(params)])
        known = {entry.id: entry for entry in self._entries if _is_public(entry)}
        found = [known[video_id] for video_id in _listed(params, "id") if video_id in known]
        return {"items": [self._video(entry, params) for entry in found]}

    _batchGetStats = _videos  # noqa: N815 - Google's word

    def _channels(self, params: Params) -> Body:
        known = {_channel_of(entry): entry.of("snippet", "channelTitle") for entry in self._entries}
        found = [_channel(name, known[name]) for name in _listed(params, "id") if name in known]
        return {"items": [_chosen(channel, params) for channel in found]}

    def _playlistItems(self, params: Params) -> Body:  # noqa: N802 - Google's word
        """A channel's uploads (`UU…`) or its Shorts (`UUSH…`), the newest first; private videos stay in it."""
        playlist = _one(params, "playlistId")
        shorts, channel = playlist.startswith("UUSH"), "UC" + playlist.removeprefix("UU").removeprefix("SH")
        owned = [entry for entry in self._entries if _channel_of(entry) == channel and not entry.deleted]
        rows = [
            {"contentDetails": {"videoId": entry.id, "videoPublishedAt": _published(entry)}}
            for entry in sorted(owned, key=_published, reverse=True)
            if _is_short(entry) or not shorts
        ]
        if not rows:
            raise Refused("playlist_not_found")
        return _paged(params, rows)

    def _video(self, entry: Entry, params: Params) -> Resource:
        """The parts that are asked for; the player's size only when a height was sent and the ratio is known."""
        video = {**entry.resource}
        if views := entry.of("statistics", "viewCount"):
            video["statistics"] = {**video["statistics"], "viewCount": str(self._views(entry, views))}
        if (height := _one(params, "maxHeight")) and entry.size and "player" in video:
            width = round(entry.size[0] * int(height) / entry.size[1])
            video["player"] = {"embedWidth": str(width), "embedHeight": height}
        return _chosen(video, params)

    def _views(self, entry: Entry, at_first: str) -> int:
        hours = (self._now() - self._since).total_seconds() / 3_600
        return int(at_first or 0) + int(max(0.0, hours) * entry.views_per_hour)

    def _most_viewed(self, entries: Sequence[Entry]) -> list[Entry]:
        by_views = lambda entry: self._views(entry, entry.of("statistics", "viewCount"))  # noqa: E731
        return sorted(entries, key=by_views, reverse=True)

    def _chart(self, params: Params) -> list[Entry]:
        region, category = _one(params, "regionCode", "US"), _one(params, "videoCategoryId")
        public = [entry for entry in self._entries if _is_public(entry) and region not in _blocked(entry)]
        wanted = {category} if category else CHARTED
        shown = [entry for entry in public if entry.of("snippet", "categoryId") in wanted]
        if category and not shown:
            raise Refused("chart_not_found")
        # a catalogue that has none of these is of somebody who does not care about categories
        return self._most_viewed(shown or public)[:200]

    def _ranked(self, params: Params) -> list[Entry]:
        """All results, the best first: by relevance everything, loosely fitting last; any other order finds less."""
        language, order = _one(params, "relevanceLanguage"), _one(params, "order", "relevance")
        if language in UNKNOWN_LANGUAGES:
            raise Refused("language")
        words = _one(params, "q").casefold().replace("|", " ").split()
        unwanted = {word[1:] for word in words if word.startswith("-")}
        found = [entry for entry in self._entries if _allows(params, entry) and not entry.words & unwanted]
        fits = {entry.id: len(entry.words.intersection(words)) for entry in found}
        if order == "relevance":
            return sorted(found, key=lambda one: (-fits[one.id], language not in {"", one.language}))
        found = [entry for entry in found if fits[entry.id]] or found
        if order == "title":
            return sorted(found, key=lambda entry: str(entry.of("snippet", "title")).casefold())
        return sorted(found, key=_published, reverse=True) if order == "date" else self._most_viewed(found)


def _one(params: Params, name: str, default: str = "") -> str:
    return next(iter(params.get(name, ())), "") or default


def _listed(params: Params, name: str) -> list[str]:
    """A list: repeated, with commas, or both; each item once."""
    return list(dict.fromkeys(item for value in params.get(name, ()) for item in value.split(",") if item))


def _page(params: Params) -> tuple[int, int, Callable[[int], str]]:
    """Where the page begins, how many it holds at most, and what makes a token that is good for this question."""
    asked = sorted((name, *values) for name, values in params.items() if name not in OF_A_PAGE)
    question = zlib.crc32(repr(asked).encode())

    def token(start: int) -> str:
        return f"CAo{question:08x}{start}"

    given = _one(params, "pageToken")
    start = int(given[11:]) if given[11:].isdecimal() else 0
    if given and given != token(start):
        raise Refused("page_token")
    size = _one(params, "maxResults", "5")
    if not (size.isascii() and size.isdecimal()):
        raise Refused("max_results")
    return start, int(size), token


def _paged(params: Params, items: Sequence[Resource]) -> Body:
    start, size, token = _page(params)
    more = {"nextPageToken": token(start + size)} if start + size < len(items) else {}
    return {**more, "items": items[start : start + size]}


def _allows(params: Params, entry: Entry) -> bool:
    """Whether a video passes everything but the words; one that cannot be seen may well be found."""
    return (
        _one(params, "channelId") in {"", _channel_of(entry)}
        and _one(params, "videoCategoryId") in {"", entry.of("snippet", "categoryId")}
        and _one(params, "regionCode", "US") not in _blocked(entry)
        and entry.seconds in LENGTHS.get(_one(params, "videoDuration"), range(10**6))
        and _one(params, "publishedAfter") <= _published(entry) <= _one(params, "publishedBefore", "9")
    )


def _channel_of(entry: Entry) -> str:
    return str(entry.of("snippet", "channelId"))


def _published(entry: Entry) -> str:
    return str(entry.of("snippet", "publishedAt"))


def _blocked(entry: Entry) -> Sequence[str]:
    found: Sequence[str] = entry.of("contentDetails", "regionRestriction", {}).get("blocked", ())
    return found


def _is_public(entry: Entry) -> bool:
    return not entry.deleted and entry.of("status", "privacyStatus") != "private"


def _is_short(entry: Entry) -> bool:
    stream = entry.of("snippet", "liveBroadcastContent") != "none" or "liveStreamingDetails" in entry.resource
    tall = entry.size is not None and entry.size[0] <= entry.size[1]
    return tall and entry.seconds in LENGTHS["Short"] and not stream


def _chosen(resource: Resource, params: Params) -> Resource:
    return {name: resource[name] for name in ("kind", "id", *_listed(params, "part")) if name in resource}


def _channel(channel_id: str, title: str) -> Resource:
    """The same one each time; every fifth hides its subscribers."""
    dice = zlib.crc32(channel_id.encode())
    counts: dict[str, Any] = {"viewCount": str(dice), "videoCount": str(dice % 900 + 1)}
    counts["hiddenSubscriberCount"] = dice % 5 == 0
    if dice % 5:
        counts["subscriberCount"] = str(dice % 3_000 * 1_000)
    handle = "@" + "".join(filter(str.isalnum, title.casefold()))
    snippet = {"title": title, "customUrl": handle, "thumbnails": thumbnails(channel_id)}
    return {"kind": "youtube#channel", "id": channel_id, "snippet": snippet, "statistics": counts}
