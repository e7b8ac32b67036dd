"""The calls of one task: between two of them it may be cancelled, none outlasts it, and each is counted for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from prismq_worker_sdk import TaskContext
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.answers import (
    Channel,
    PlaylistItemListResponse,
    SearchListResponse,
    Video,
    VideoListResponse,
    VideoStat,
)
from prismq_youtube_shorts.client import CALL_TIMEOUT
from prismq_youtube_shorts.query import PAGE_SIZE, SearchQuery
from prismq_youtube_shorts.quota_day import Bucket
from prismq_youtube_shorts.youtube import YouTube

__all__ = ["Calls"]

SHORTEST_TIMEOUT = 1.0
T = TypeVar("T")


class Calls:
    """The API as one task asks it.

    Attributes:
        spent: Calls that YouTube may have seen, by bucket; those that failed too.
    """

    def __init__(self, youtube: YouTube, ctx: TaskContext) -> None:
        self.spent: Counter[Bucket] = Counter()
        self._youtube = youtube
        self._ctx = ctx

    def search(self, query: SearchQuery, page_token: str | None) -> SearchListResponse:
        """A page of a search."""
        client = self._youtube.client
        return self._made(
            Bucket.SEARCH, lambda left: client.search(query, page_token=page_token, timeout=left)
        )

    def videos(self, ids: Sequence[str]) -> dict[str, Video]:
        """Videos by id, as many calls as they take."""
        client = self._youtube.client
        return self._by_id(Bucket.UNITS, ids, lambda some, left: client.videos(some, timeout=left))

    def stats(self, ids: Sequence[str]) -> dict[str, VideoStat]:
        """Statistics by id, as many calls as they take."""
        client = self._youtube.client
        return self._by_id(Bucket.STATS, ids, lambda some, left: client.stats(some, timeout=left))

    def channels(self, ids: Sequence[str]) -> dict[str, Channel]:
        """Channels by id, as many calls as they take."""
        client = self._youtube.client
        return self._by_id(Bucket.UNITS, ids, lambda some, left: client.channels(some, timeout=left))

    def chart(self, region: str | None, category_id: str | None, page_token: str | None) -> VideoListResponse:
        """A page of the most popular videos."""
        client = self._youtube.client
        return self._made(
            Bucket.UNITS,
            lambda left: client.chart(
                region=region, category_id=category_id, page_token=page_token, timeout=left
            ),
        )

    def playlist(self, playlist_id: str) -> PlaylistItemListResponse:
        """The first page of a playlist."""
        client = self._youtube.client
        return self._made(Bucket.UNITS, lambda left: client.playlist(playlist_id, timeout=left))

    def _by_id(
        self, bucket: Bucket, ids: Sequence[str], call: Callable[[Sequence[str], float], dict[str, T]]
    ) -> dict[str, T]:
        found: dict[str, T] = {}
        for start in range(0, len(ids), PAGE_SIZE):
            some = ids[start : start + PAGE_SIZE]
            found |= self._made(bucket, lambda left, some=some: call(some, left))  # type: ignore[misc]
        return found

    def _made(self, bucket: Bucket, call: Callable[[float], T]) -> T:
        self._ctx.check()
        left = max(SHORTEST_TIMEOUT, min(CALL_TIMEOUT, self._ctx.time_left))
        try:
            answer = call(left)
        except HandlerSignal as trouble:
            self.spent[bucket] += getattr(trouble, "paid", True)
            self._ctx.check()  # a task that was told to end meanwhile goes back, whatever came of its call
            raise
        self.spent[bucket] += 1
        return answer
