"""Reads the pages of a search, each verified by one videos.list, and pays for none of them twice.

A page comes from what is kept on this machine, from the checkpoint of an earlier attempt, or from YouTube; a
search call is a hundredth of the project's day, a unit a ten thousandth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from prismq_worker_sdk import TaskContext
from prismq_youtube_shorts.answers import Video
from prismq_youtube_shorts.calls import Calls
from prismq_youtube_shorts.errors import LanguageRefused, PageTokenRefused
from prismq_youtube_shorts.query import SearchQuery
from prismq_youtube_shorts.state.pages import Page
from prismq_youtube_shorts.youtube import YouTube

__all__ = ["ReadPage", "Search"]

PAID_FOR = timedelta(days=3)
"""How long the pages of a checkpoint go on: longer than any pause until the next day's quota."""


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page whose videos are known.

    Attributes:
        number: From 1.
        fresh: Its ids that no page before had, in YouTube's order.
        videos: What is known of them; deleted ones are missing.
        kept: Whether it cost nothing.
    """

    number: int
    page: Page
    fresh: tuple[str, ...]
    videos: dict[str, Video]
    kept: bool


@dataclass(frozen=True, slots=True)
class _Paid:
    """What an earlier attempt paid for: the checkpoint.

    Attributes:
        language: As it was asked.
        pages: By number, from 1.
    """

    language: str | None = None
    pages: dict[int, Page] = field(default_factory=dict)


_PAID = TypeAdapter(_Paid)


@dataclass(slots=True)
class Search:
    """A search under way.

    Attributes:
        query: As YouTube is asked; without the language where it does not know that.
        most_pages: Pages that may be read.
    """

    youtube: YouTube
    calls: Calls
    ctx: TaskContext
    query: SearchQuery
    most_pages: int
    _paid: dict[int, Page] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def pages(self) -> Iterator[ReadPage]:
        """One page after the other, to the last one or to the most that may be read.

        Raises:
            PageTokenRefused: YouTube does not go on from here.
            HandlerSignal: Another error of `prismq_youtube_shorts.errors`.
        """
        self._go_on()
        token: str | None = None
        for number in range(1, self.most_pages + 1):
            with self._alone():
                read = self._read(number, token)
            yield read
            token = read.page.next_token
            if token is None:
                return

    def _go_on(self) -> None:
        """Takes up what an earlier attempt paid for, in the language that it was asked in."""
        paid = _stored(self.ctx.last_checkpoint, self.youtube.now() - PAID_FOR)
        if paid.pages and paid.language is None:
            self.query = replace(self.query, language=None)
        self._paid = dict(paid.pages)

    def _alone(self) -> AbstractContextManager[None]:
        """Equal searches of this process read a page one after the other: the second finds it kept."""
        if not self.youtube.pages.keeps:
            return nullcontext()
        return self.youtube.flights.only_one(self._name, self.ctx.check)

    def _read(self, number: int, token: str | None) -> ReadPage:
        page, kept = self._page(number, token)
        fresh = tuple(video_id for video_id in dict.fromkeys(page.ids) if video_id not in self._seen)
        self._seen.update(fresh)
        if page.videos is None:
            videos = self.calls.videos(fresh) if fresh else {}
            page = replace(page, videos=tuple(videos.values()), looked_at=self.youtube.now())
            self.youtube.pages.put(self._name, number, page)
        return ReadPage(number, page, fresh, {video.id: video for video in page.videos or ()}, kept)

    @property
    def _name(self) -> str:
        return self.query.digest(self.youtube.endpoint)

    def _page(self, number: int, token: str | None) -> tuple[Page, bool]:
        """A page, and whether it cost nothing."""
        language = self.query.language
        if language is not None and self.youtube.pages.refused_language(language):
            self.query = replace(self.query, language=None)
        kept = self.youtube.pages.get(self._name, number)
        if kept is not None and kept.token == token:
            return kept, True
        paid = self._paid.get(number)
        if paid is not None and paid.token == token:
            return paid, False
        page = self._bought(token)
        if page is None:
            return self._page(number, token)
        return self._stored_as(number, page), False

    def _bought(self, token: str | None) -> Page | None:
        """A page of YouTube's; None where it does not know the language, and is to be asked without."""
        try:
            answer = self.calls.search(self.query, token)
        except PageTokenRefused:
            self.youtube.pages.drop(self._name)  # or the next task would ask for the same dead page
            raise
        except LanguageRefused as refused:
            if self.query.language is None:
                raise
            self.ctx.log.warning("the search goes on without the language", reason=str(refused))
            self.youtube.pages.refuse_language(self.query.language)
            self.query = replace(self.query, language=None)
            return None
        return Page(
            ids=tuple(answer.video_ids),
            next_token=answer.next_page_token or None,
            estimate=answer.page_info.total_results,
            read_at=self.youtube.now(),
            token=token,
        )

    def _stored_as(self, number: int, page: Page) -> Page:
        """The page, once its ids are in the checkpoint: nobody pays for it again."""
        self._paid[number] = page
        self.ctx.checkpoint(_PAID.dump_python(_Paid(self.query.language, self._paid), mode="json"))
        return page


def _stored(checkpoint: object, since: datetime) -> _Paid:
    """What an earlier attempt paid for; nothing where that is of another version, or too old to go on with."""
    try:
        paid = _PAID.validate_json(json.dumps(checkpoint or {}))
    except ValidationError:
        return _Paid()
    return _Paid() if any(page.read_at < since for page in paid.pages.values()) else paid
