"""Reads the pages of a search, each verified by one videos.list, and pays for none of them twice.

A page comes from what is kept on this machine, from the checkpoint of an earlier attempt, or from YouTube; a
search call is a hundredth of the project's day, a unit a ten thousandth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

from prismq_worker_sdk import TaskContext
from prismq_youtube_shorts.answers import Video
from prismq_youtube_shorts.calls import Calls
from prismq_youtube_shorts.errors import LanguageRefused
from prismq_youtube_shorts.query import SearchQuery
from prismq_youtube_shorts.state.pages import Page
from prismq_youtube_shorts.youtube import YouTube

__all__ = ["ReadPage", "Search"]

_PAGES = TypeAdapter(dict[int, Page])


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
        self._paid = _stored(self.ctx.last_checkpoint)
        token: str | None = None
        for number in range(1, self.most_pages + 1):
            page, kept = self._page(number, token)
            fresh = tuple(video_id for video_id in dict.fromkeys(page.ids) if video_id not in self._seen)
            self._seen.update(fresh)
            if page.videos is None:
                videos = self.calls.videos(fresh) if fresh else {}
                page = replace(page, videos=tuple(videos.values()), looked_at=self.youtube.now())
                self.youtube.pages.put(self._name, number, page)
            by_id = {video.id: video for video in page.videos or ()}
            yield ReadPage(number, page, fresh, by_id, kept)
            token = page.next_token
            if token is None:
                return

    @property
    def _name(self) -> str:
        return self.query.digest(self.youtube.endpoint)

    def _page(self, number: int, token: str | None) -> tuple[Page, bool]:
        """A page, and whether it cost nothing."""
        kept = self.youtube.pages.get(self._name, number)
        if kept is not None:
            return kept, True
        if number in self._paid:
            return self._paid[number], False
        try:
            answer = self.calls.search(self.query, token)
        except LanguageRefused as refused:
            if self.query.language is None:
                raise
            self.ctx.log.warning("the search goes on without the language", reason=str(refused))
            self.query = replace(self.query, language=None)
            return self._page(number, token)
        estimate = answer.page_info.total_results
        page = Page(tuple(answer.video_ids), answer.next_page_token, estimate, self.youtube.now())
        self._paid[number] = page
        self.ctx.checkpoint(_PAGES.dump_python(self._paid, mode="json"))
        return page, False


def _stored(checkpoint: object) -> dict[int, Page]:
    """The pages that an earlier attempt paid for; nothing where the checkpoint is of another version."""
    try:
        return _PAGES.validate_json(json.dumps(checkpoint or {}))
    except ValidationError:
        return {}
