"""What a search asks for, checked as the API checks it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.regions import SEARCH_LANGUAGES
from prismq_youtube_shorts.sandbox.entry import Entry
from prismq_youtube_shorts.sandbox.refusals import REFUSALS, Refused, refusal

__all__ = ["Question"]

_CHANNEL_ID = re.compile(r"UC[\w-]{22}", re.ASCII)
_ORDERS = {"searchSortUnspecified", "relevance", "date", "rating", "viewCount", "title", "videoCount"}
_TYPES = ("video", "channel", "playlist")
_SAFE = {"safeSearchSettingUnspecified", "none", "moderate", "strict"}
_VIDEO_ONLY = {
    "eventType": {"none", "live", "upcoming", "completed"},
    "videoCaption": {"videoCaptionUnspecified", "any", "closedCaption", "none"},
    "videoCategoryId": None,
    "videoDefinition": {"any", "standard", "high"},
    "videoDimension": {"any", "2d", "3d"},
    "videoDuration": {"videoDurationUnspecified", "any", "short", "medium", "long"},
    "videoEmbeddable": {"videoEmbeddableUnspecified", "any", "true"},
    "videoLicense": {"any", "youtube", "creativeCommon"},
    "videoPaidProductPlacement": {"videoPaidProductPlacementUnspecified", "any", "true"},
    "videoSyndicated": {"videoSyndicatedUnspecified", "any", "true"},
    "videoType": {"videoTypeUnspecified", "any", "movie", "episode"},
}
"""Filters that go with `type=video` alone, and the words they take; None for any."""
SHORT_SECONDS, LONG_SECONDS = 240, 1_200


@dataclass(frozen=True, slots=True)
class Question:
    """One search.

    Attributes:
        words: Those of `q` that a video should have; `|` merely parts them.
        unwanted: Those that it must not have.
        filters: What else a video must be, by the name of the parameter.
    """

    words: frozenset[str]
    unwanted: frozenset[str]
    types: frozenset[str]
    order: str
    language: str
    region: str
    safe: str
    channel_id: str
    after: datetime | None
    before: datetime | None
    filters: dict[str, str]

    @classmethod
    def read(cls, params: Params) -> Question:
        """The search that the parameters describe.

        Raises:
            Refused: One of them is wrong, or does not go with the others.
        """
        words = params.one("q").casefold().replace("|", " ").split()
        unwanted = {word[1:] for word in words if word.startswith("-")}
        types = _types(params)
        return cls(
            words=frozenset(word for word in words if not word.startswith("-")),
            unwanted=frozenset(unwanted - {""}),
            types=types,
            order=params.choice("order", _ORDERS, "relevance"),
            language=_language(params),
            region=params.region(),
            safe=params.choice("safeSearch", _SAFE, "moderate"),
            channel_id=_channel_id(params),
            after=params.moment("publishedAfter"),
            before=params.moment("publishedBefore"),
            filters=_filters(params, types),
        )

    def allows(self, entry: Entry) -> bool:
        """Whether a video passes everything but the words; one that cannot be seen may well be found."""
        return (
            "video" in self.types
            and entry.privacy_status != "unlisted"
            and (not self.channel_id or entry.channel_id == self.channel_id)
            and self.region not in entry.region_blocked
            and not (self.safe == "strict" and entry.age_restricted)
            and self._in_time(entry.published)
            and all(_passes(entry, name, word) for name, word in self.filters.items())
        )

    def _in_time(self, published: datetime | None) -> bool:
        if published is None:
            return self.after is None and self.before is None
        return (self.after is None or self.after <= published) and (
            self.before is None or published <= self.before
        )


def _types(params: Params) -> frozenset[str]:
    asked = params.listed("type") or list(_TYPES)
    for kind in asked:
        if kind not in _TYPES:
            raise Refused(refusal(400, "invalidParameter", f"Invalid value '{kind}'.", location="type"))
    return frozenset(asked)


def _language(params: Params) -> str:
    language = params.one("relevanceLanguage")
    if language and language not in SEARCH_LANGUAGES:
        raise Refused(REFUSALS["language"])
    return language


def _channel_id(params: Params) -> str:
    channel_id = params.one("channelId")
    if channel_id and not _CHANNEL_ID.fullmatch(channel_id):
        raise Refused(REFUSALS["channel_id"])
    return channel_id


def _filters(params: Params, types: frozenset[str]) -> dict[str, str]:
    given = {name: params.one(name) for name in _VIDEO_ONLY if name in params}
    for name, word in given.items():
        allowed = _VIDEO_ONLY[name]
        if allowed is not None:
            params.choice(name, allowed, word)
    if given and types != {"video"}:
        raise Refused(REFUSALS["filter"])
    return given


def _passes(entry: Entry, name: str, word: str) -> bool:
    """Whether a video passes one filter; those that tell nothing apart here let everything pass."""
    if word == "any" or word.endswith("Unspecified"):
        return True
    answers = {
        "eventType": lambda: entry.live == word,
        "videoCaption": lambda: entry.caption == (word == "closedCaption"),
        "videoCategoryId": lambda: entry.category_id == word,
        "videoDefinition": lambda: entry.definition == {"standard": "sd", "high": "hd"}[word],
        "videoDuration": lambda: _length(entry.seconds) == word,
        "videoEmbeddable": lambda: entry.embeddable,
        "videoLicense": lambda: entry.license == word,
        "videoPaidProductPlacement": lambda: bool(entry.paid_placement),
        "videoDimension": lambda: word == "2d",
    }
    return answers[name]() if name in answers else True


def _length(seconds: int) -> str:
    if seconds < SHORT_SECONDS:
        return "short"
    return "medium" if seconds <= LONG_SECONDS else "long"
