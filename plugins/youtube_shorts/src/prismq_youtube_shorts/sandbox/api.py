"""What the stand-in answers: the calls of the API over a catalogue, and three quotas; no HTTP in here."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from prismq_youtube_shorts.sandbox.fake_catalogue import Entry, Resource, thumbnails
from prismq_youtube_shorts.sandbox.faults import ERRORS, Body

Params = Mapping[str, Sequence[str]]
"""The query of a request: each name with all its values."""

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
BUCKETS = {"search": "search", "batchGetStats": "stats"}
"""The quota that a call uses up; all others share `default`."""
USED_UP = {"search": "search_quota_day", "stats": "stats_quota_day", "default": "quota_day"}
OF_A_PAGE = {"pageToken", "maxResults", "part", "fields", "key", "alt", "relevanceLanguage"}
"""What may change from page to page; all the rest is the question that a token is good for."""


class Refused(Exception):  # noqa: N818 - what happened, not a mistake of the stand-in
    """Ends the work on a request with one of the ERRORS, by its name."""


class FakeApi:
    """The YouTube Data API over an invented catalogue; safe to share between threads.

    Args:
        entries: In the order in which equally fitting videos are found.
        quotas: Calls a day for `search`, `stats` and `default`, given anew at midnight in Los Angeles.
        now: The stand-in's clock, with time zone.
    """

    def __init__(
        self, entries: Sequence[Entry], quotas: Mapping[str, int], now: Callable[[], datetime]
    ) -> None:
        self._entries = tuple(entries)
        self._quotas = quotas
        self._now = now
        self._since = now()
        self._spent: dict[tuple[str, object], int] = {}
        self._lock = threading.Lock()

    def charge(self, call: str) -> str:
        """Takes one from the day's quota for this call; the name of the refusal when nothing is left."""
        bucket = BUCKETS.get(call, "default")
        today = (bucket, self._now().astimezone(PACIFIC).date())
        with self._lock:
            self._spent[today] = self._spent.get(today, 0) + 1
            return USED_UP[bucket] if self._spent[today] > self._quotas[bucket] else ""

    def answer(self, call: str, params: Params) -> tuple[int, Body]:
        """Status and body for a call that was admitted."""
        try:
            return 200, {"kind": f"youtube#{call}ListResponse", **getattr(self, f"_{call}")(params)}
        except Refused as refused:
            return ERRORS[str(refused)]

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
        """Videos by id, or a page of the chart."""
        if ids := _listed(params, "id"):
            return {"items": [self._video(entry, params) for entry in self._visible(ids)]}
        return _paged(params, [self._video(entry, params) for entry in self._chart(params)])

    def _batchGetStats(self, params: Params) -> Body:  # noqa: N802 - Google's word
        return {"items": [self._video(entry, params) for entry in self._visible(_listed(params, "id"))]}

    def _channels(self, params: Params) -> Body:
        titles = {
            entry.of("snippet", "channelId"): entry.of("snippet", "channelTitle") for entry in self._entries
        }
        found = [_channel(name, titles[name]) for name in _listed(params, "id") if name in titles]
        return {"items": [_chosen(channel, params) for channel in found]}

    def _playlistItems(self, params: Params) -> Body:  # noqa: N802 - Google's word
        """A channel's uploads (`UU…`) or its Shorts (`UUSH…`), the newest first; private videos stay in it."""
        playlist = _one(params, "playlistId")
        shorts, name = playlist.startswith("UUSH"), playlist.removeprefix("UU").removeprefix("SH")
        owned = [entry for entry in self._entries if entry.of("snippet", "channelId") == f"UC{name}"]
        rows = [entry for entry in owned if not entry.deleted and (_is_short(entry) or not shorts)]
        if not rows:
            raise Refused("playlist_not_found")
        return _paged(params, [_row(entry) for entry in sorted(rows, key=_published, reverse=True)])

    def _visible(self, ids: Iterable[str]) -> list[Entry]:
        """Those that a key without an account behind it gets to see; the others are silently absent."""
        known = {entry.id: entry for entry in self._entries if not entry.deleted}
        found = [known[video_id] for video_id in ids if video_id in known]
        return [entry for entry in found if entry.of("status", "privacyStatus") != "private"]

    def _video(self, entry: Entry, params: Params) -> Resource:
        """The parts that are asked for; the player's size only when a height was sent and the ratio is known."""
        video = {**entry.resource}
        if "statistics" in video:
            video["statistics"] = self._counts(entry)
        if (height := _one(params, "maxHeight")) and entry.size and "player" in video:
            width = round(entry.size[0] * int(height) / entry.size[1])
            video["player"] = {"embedWidth": str(width), "embedHeight": height}
        return _chosen(video, params)

    def _counts(self, entry: Entry) -> Resource:
        """What is counted by now."""
        counts = dict(entry.resource.get("statistics", {}))
        hours = max(0.0, (self._now() - self._since).total_seconds() / 3_600)
        if "viewCount" in counts:
            counts["viewCount"] = str(int(counts["viewCount"]) + int(hours * entry.views_per_hour))
        return counts

    def _chart(self, params: Params) -> list[Entry]:
        region, category = _one(params, "regionCode", "US"), _one(params, "videoCategoryId")
        known = self._visible(entry.id for entry in self._entries)
        public = [entry for entry in known if region not in _blocked(entry)]
        wanted = {category} if category else CHARTED
        shown = [entry for entry in public if entry.of("snippet", "categoryId") in wanted]
        if category and not shown:
            raise Refused("chart_not_found")
        # a catalogue that has none of these is of somebody who does not care about categories
        return sorted(shown or public, key=self._count("viewCount"), reverse=True)[:200]

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
        if order in {"title", "date"}:
            by = {"title": lambda entry: entry.of("snippet", "title").casefold(), "date": _published}[order]
            return sorted(found, key=by, reverse=order == "date")
        counter = "viewCount" if order == "viewCount" else "likeCount"
        return sorted(found, key=self._count(counter), reverse=True)

    def _count(self, name: str) -> Callable[[Entry], int]:
        return lambda entry: int(self._counts(entry).get(name, "0"))


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
    return start, int(_one(params, "maxResults", "5")), token


def _paged(params: Params, items: Sequence[Resource]) -> Body:
    start, size, token = _page(params)
    more = {"nextPageToken": token(start + size)} if start + size < len(items) else {}
    return {**more, "items": items[start : start + size]}


def _allows(params: Params, entry: Entry) -> bool:
    """Whether a video passes everything but the words; one that cannot be seen may well be found."""
    return (
        _one(params, "channelId") in {"", entry.of("snippet", "channelId")}
        and _one(params, "videoCategoryId") in {"", entry.of("snippet", "categoryId")}
        and _one(params, "regionCode", "US") not in _blocked(entry)
        and entry.seconds in LENGTHS.get(_one(params, "videoDuration"), range(10**6))
        and _one(params, "publishedAfter") <= _published(entry) <= _one(params, "publishedBefore", "9")
    )


def _published(entry: Entry) -> str:
    return str(entry.of("snippet", "publishedAt"))


def _blocked(entry: Entry) -> Sequence[str]:
    found: Sequence[str] = entry.of("contentDetails", "regionRestriction", {}).get("blocked", ())
    return found


def _is_short(entry: Entry) -> bool:
    stream = entry.of("snippet", "liveBroadcastContent") != "none" or "liveStreamingDetails" in entry.resource
    tall = entry.size is not None and entry.size[0] <= entry.size[1]
    return tall and entry.seconds in LENGTHS["Short"] and not stream


def _chosen(resource: Resource, params: Params) -> Resource:
    return {name: resource[name] for name in ("kind", "id", *_listed(params, "part")) if name in resource}


def _row(entry: Entry) -> Resource:
    return {"contentDetails": {"videoId": entry.id, "videoPublishedAt": _published(entry)}}


def _channel(channel_id: str, title: str) -> Resource:
    """The same one each time; every fifth hides its subscribers."""
    dice = zlib.crc32(channel_id.encode())
    snippet: dict[str, Any] = {
        "title": title,
        "customUrl": "@" + "".join(filter(str.isalnum, title.casefold())),
        "thumbnails": thumbnails(channel_id),
    }
    hidden: dict[str, Any] = {"hiddenSubscriberCount": True}
    shown = {"hiddenSubscriberCount": False, "subscriberCount": str(dice % 3_000 * 1_000)}
    counts = {"viewCount": str(dice), "videoCount": str(dice % 900 + 1), **(shown if dice % 5 else hidden)}
    return {"kind": "youtube#channel", "id": channel_id, "snippet": snippet, "statistics": counts}
