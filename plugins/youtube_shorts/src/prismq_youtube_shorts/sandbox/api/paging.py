"""Page tokens: opaque, and good only for the question that they were given out for."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.refusals import REFUSALS, Body, Refused

__all__ = ["Place", "sheet"]

_OF_A_PAGE = {"pageToken", "maxResults", "part", "fields", "key", "alt", "prettyPrint", "quotaUser"}
_HINTS = {"hl", "relevanceLanguage"}
"""What may change from page to page; all the rest is the question."""
DEFAULT_SIZE, MOST = 5, 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a list of results a request is.

    Attributes:
        start: What comes before it was on earlier pages.
        size: The most that a page holds.
        question: What the tokens are good for.
    """

    start: int
    size: int
    question: int

    @classmethod
    def read(cls, params: Params, *, least: int = 0) -> Place:
        """The place that `pageToken` and `maxResults` name.

        Raises:
            Refused: The token is not one of this question, or the size is out of range.
        """
        size = params.number("maxResults", DEFAULT_SIZE, least=least, most=MOST)
        asked = sorted(
            (name, *values)
            for name, values in params.given.items()
            if name not in _OF_A_PAGE | _HINTS and any(values)
        )
        question = zlib.crc32(repr(asked).encode())
        start = _start(params.one("pageToken"), question)
        if start is None:
            raise Refused(REFUSALS["page_token"])
        return cls(start, size, question)

    def tokens(self, end: int, *, more: bool) -> Body:
        """The tokens that lead on and back from a page that ends here."""
        tokens: Body = {}
        if more and self.size:
            tokens["nextPageToken"] = _token(end, self.question)
        if self.start:
            tokens["prevPageToken"] = _token(max(0, self.start - self.size), self.question)
        return tokens


def sheet(params: Params, found: Sequence[T], *, least: int = 0) -> tuple[Sequence[T], Body]:
    """One page of a list that is as it seems, and the tokens and the count that go with it."""
    place = Place.read(params, least=least)
    end = min(place.start + place.size, len(found))
    body = place.tokens(end, more=end < len(found))
    body["pageInfo"] = {"totalResults": len(found), "resultsPerPage": place.size}
    return found[place.start : end], body


def _token(offset: int, question: int) -> str:
    text = f"standin:{question:08x}:{offset}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _start(token: str, question: int) -> int | None:
    """Where the page begins; None for a token that was not given out for this question."""
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        start = int(text.rpartition(":")[2])
    except ValueError:
        return None
    return start if start >= 0 and _token(start, question) == token else None
