"""Reads the pages of a search, each verified by one videos.list, and pays for none of them twice.

A page comes from what is kept on this machine, from the checkpoint of an earlier attempt, or from YouTube; a
search call is a hundredth of the project's day, a unit a ten thousandth.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from prismq_worker_sdk import Permanent
from prismq_youtube_shorts.cache import Page, adapter
from prismq_youtube_shorts.client import PAGE_SIZE, Calls
from prismq_youtube_shorts.errors import LanguageRefused, PageTokenRefused
from prismq_youtube_shorts.resources import VIDEOS

Order = Literal["relevance", "date", "viewCount", "rating", "title"]
SafeSearch = Literal["moderate", "none", "strict"]
Language = Annotated[str, Field(pattern="^[a-z]{2}$")]
Region = Annotated[str, Field(pattern="^[A-Z]{2}$")]
ChannelId = Annotated[str, Field(pattern="^UC[0-9A-Za-z_-]{22}$")]

LANGUAGES = {"zh": "zh-Hans"}
"""YouTube takes two-letter codes, except for Chinese, where it asks for the script."""
PAID_FOR = timedelta(days=3)
"""How long the pages of a checkpoint go on: longer than any pause until the next day's quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What is searched for, whatever task asks it; instants are RFC 3339 in UTC.

    Raises:
        Permanent: The words are blank.
    """

    words: str
    language: str | None = None
    region: str | None = None
    order: Order = "relevance"
    published_after: str | None = None
    published_before: str | None = None
    safe_search: SafeSearch = "moderate"
    channel_id: str | None = None
    category_id: str | None = None

    def __post_init__(self) -> None:
        if not self.words.strip():
            raise Permanent("search_query is blank; give at least one word")

    def parameters(self) -> dict[str, Any]:
        """As search.list takes them; those that are not given are None."""
        return {
            "q": self.words.strip(),
            "type": "video",
            "videoDuration": "short",
            "maxResults": PAGE_SIZE,
            "order": self.order,
            "safeSearch": self.safe_search,
            "relevanceLanguage": LANGUAGES.get(self.language or "", self.language),
            "regionCode": self.region,
            "publishedAfter": self.published_after,
            "publishedBefore": self.published_before,
            "channelId": self.channel_id,
            "videoCategoryId": self.category_id,
        }

    def digest(self, endpoint: str) -> str:
        """The name under which this endpoint's pages are kept: the same for words that YouTube does not tell apart.

        Another one where another version asked for other parts of the videos.
        """
        words = " ".join(unicodedata.normalize("NFC", self.words).casefold().split())
        asked = {**asdict(self), "words": words, "endpoint": endpoint, "fields": VIDEOS.fields}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """What an earlier attempt paid for: pages by number, from 1, and the language as it was asked."""

    language: str | None = None
    pages: dict[int, Page] = field(default_factory=dict)


@dataclass(slots=True)
class Search:
    """A search under way; `query` loses its language where YouTube does not know that."""

    calls: Calls
    query: SearchQuery
    most_pages: int
    _paid: dict[int, Page] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def pages(self) -> Iterator[Page]:
        """One page after the other, to the last one or to the most that may be read.

        Raises:
            HandlerSignal: One of the errors of `prismq_youtube_shorts.errors`.
        """
        checkpoint = _read_checkpoint(self.calls.ctx.last_checkpoint, self.calls.youtube.now() - PAID_FOR)
        if checkpoint.pages and checkpoint.language is None:
            self.query = replace(self.query, language=None)
        self._paid = dict(checkpoint.pages)
        token: str | None = None
        for number in range(1, self.most_pages + 1):
            with self.calls.youtube.cache.reading(self._name, self.calls.ctx.check):
                page = self._read(number, token)
            yield page
            token = page.next_token
            if token is None:
                return

    def _read(self, number: int, token: str | None) -> Page:
        """A page whose videos are known: those that no page before had, deleted ones missing."""
        youtube, page = self.calls.youtube, self._page(number, token)
        fresh = [video_id for video_id in dict.fromkeys(page.ids) if video_id not in self._seen]
        self._seen.update(fresh)
        if page.videos is None:
            videos = tuple(self.calls.videos(fresh).values())
            page = replace(page, videos=videos, looked_at=youtube.now())
            youtube.cache.keep_page(self._name, number, page)
        return page

    @property
    def _name(self) -> str:
        return self.query.digest(self.calls.youtube.endpoint)

    def _page(self, number: int, token: str | None) -> Page:
        """A page that is kept, or was paid for by an earlier attempt, or is bought now."""
        language, cache = self.query.language, self.calls.youtube.cache
        if language is not None and cache.refused_language(language):
            self.query = replace(self.query, language=None)
        for page in (cache.page(self._name, number), self._paid.get(number)):
            if page is not None and page.token == token:
                return page
        page = self._bought(token)
        if page is None:
            return self._page(number, token)
        self._paid[number] = page  # once its ids are in the checkpoint, nobody pays for it again
        checkpoint = _Checkpoint(self.query.language, self._paid)
        self.calls.ctx.checkpoint(adapter(_Checkpoint).dump_python(checkpoint, mode="json"))
        return page

    def _bought(self, token: str | None) -> Page | None:
        """A page of YouTube's; None where it does not know the language, and is to be asked without."""
        cache = self.calls.youtube.cache
        try:
            answer = self.calls.search(self.query.parameters(), token)
        except PageTokenRefused:
            cache.drop_pages(self._name)  # or the next task would ask for the same dead page
            raise
        except LanguageRefused as refused:
            if self.query.language is None:
                raise
            self.calls.ctx.log.warning("the search goes on without the language", reason=str(refused))
            cache.refuse_language(self.query.language)
            self.query = replace(self.query, language=None)
            return None
        return Page(
            ids=tuple(item.video_id for item in answer.items if item.video_id),
            next_token=answer.next_page_token or None,
            estimate=answer.total_results,
            read_at=self.calls.youtube.now(),
            token=token,
        )


def _read_checkpoint(checkpoint: object, since: datetime) -> _Checkpoint:
    """What an earlier attempt paid for; nothing where that is of another version, or too old to go on with."""
    try:
        found = adapter(_Checkpoint).validate_json(json.dumps(checkpoint or {}))
    except ValidationError:
        return _Checkpoint()
    return _Checkpoint() if any(page.read_at < since for page in found.pages.values()) else found
