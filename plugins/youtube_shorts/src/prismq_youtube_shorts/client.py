"""The YouTube Data API v3 with what is kept about it, and how one task calls it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from prismq_worker_sdk import TaskContext
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts import resources
from prismq_youtube_shorts.cache import Cache
from prismq_youtube_shorts.errors import (
    CREDENTIALS_PAGE,
    LIBRARY_PAGE,
    DayQuotaUsedUp,
    MinuteLimitReached,
    Misconfigured,
    YouTubeTrouble,
    uncharged,
)
from prismq_youtube_shorts.ledger import BUDGET_SETTINGS, Ledger
from prismq_youtube_shorts.quota import PACE, Bucket, Clock, limit_of, utc_now
from prismq_youtube_shorts.resources import Channel, Endpoint, ItemT, Listing, Video
from prismq_youtube_shorts.settings import GOOGLE, YouTubeSettings
from prismq_youtube_shorts.state_file import StateFile

if TYPE_CHECKING:
    from prismq_youtube_shorts.transport import GoogleTransport

NamedT = TypeVar("NamedT", Video, Channel)

NO_KEY = (
    "set YOUTUBE_API_KEY (or YOUTUBE_API_KEY_FILE) to a key of the YouTube Data API v3: enable that API in a Google "
    f"project at {LIBRARY_PAGE}, then create an API key at {CREDENTIALS_PAGE}"
)
MAX_TIMEOUT = 15.0
"""Seconds that one call may take as a whole; the API needs less than two."""
MIN_TIMEOUT = 1.0
PAGE_SIZE = 50
"""The most that a page or a list of ids holds; it costs the same whatever its size."""
PLAYER_HEIGHT = 1920
"""Any height makes the API tell the player's size at the true ratio; this is a Short's usual one."""


class YouTube:
    """The API through Google's own client, opened at the first call, and what is kept about it; for any thread.

    Raises:
        Misconfigured: There is no key.
    """

    def __init__(self, settings: YouTubeSettings, *, now: Clock = utc_now) -> None:
        if settings.youtube_api_key is None:
            raise Misconfigured(NO_KEY)
        self._key = settings.youtube_api_key.get_secret_value()
        self._transport: GoogleTransport | None = None
        self._lock = threading.Lock()
        self.settings = settings
        self.endpoint = settings.youtube_api_endpoint
        self.now = now
        self.file = StateFile(settings.youtube_state_dir)
        project = settings.youtube_project
        if not project:  # a digest from which the key cannot be read
            project = hashlib.sha256(f"{self.endpoint} {self._key}".encode()).hexdigest()[:16]
        elif self.endpoint != GOOGLE:
            project = f"{project} at {self.endpoint}"
        budgets = {bucket: getattr(settings, BUDGET_SETTINGS[bucket].lower()) for bucket in Bucket}
        self.ledger = Ledger(self.file, project, budgets, now)
        self.cache = Cache(self.file, settings.youtube_cache_lifetime, now)

    def call(self, endpoint: Endpoint[ItemT], params: dict[str, Any], *, timeout: float) -> Listing[ItemT]:
        """What the API answers; the call is counted before it is made, and refused when nothing is left.

        Args:
            params: In Google's words; those that are None are left out.
            timeout: Seconds until the answer is there, whole.

        Raises:
            HandlerSignal: One of the errors of `prismq_youtube_shorts.errors`.
        """
        asked = {"part": endpoint.part, "fields": endpoint.fields, **params}
        given = {name: value for name, value in asked.items() if value is not None}
        transport = self._google()
        self.ledger.spend(endpoint.bucket)
        answer = transport.call(endpoint.name, given, timeout=timeout, now=self.now())
        if isinstance(answer, DayQuotaUsedUp):
            self.ledger.block(answer.bucket)
        if not getattr(answer, "charged", True):
            self.ledger.give_back(endpoint.bucket)
        if isinstance(answer, HandlerSignal):
            raise answer
        return _parsed(endpoint, answer)

    def close(self) -> None:
        """Closes connections and the state file; a later call opens them again."""
        with self._lock:
            self._transport = None
        self.file.close()

    def _google(self) -> GoogleTransport:
        with self._lock:
            if self._transport is None:
                try:
                    from prismq_youtube_shorts.transport import GoogleTransport  # noqa: PLC0415 - see there
                except RuntimeError as error:  # httplib2's own variable for certificates names no file
                    raise uncharged(Misconfigured(str(error))) from None
                self._transport = GoogleTransport(self._key, self.endpoint)
            return self._transport


class Calls:
    """The calls of one task: between two of them it may be cancelled, none outlasts it, and each is counted for it.

    Attributes:
        spent: Calls that YouTube may have seen, by bucket; those that failed too.
    """

    def __init__(self, youtube: YouTube, ctx: TaskContext) -> None:
        self.youtube = youtube
        self.ctx = ctx
        self.spent: Counter[Bucket] = Counter()

    def search(self, params: dict[str, Any], page_token: str | None) -> Listing[resources.SearchResult]:
        """A page of results; a search call of 100 a day."""
        return self._call(resources.SEARCH, **params, pageToken=page_token)

    def videos(self, ids: Sequence[str]) -> dict[str, Video]:
        """Videos by id, deleted ones missing; a unit for 50."""
        return self._by_id(resources.VIDEOS, ids, maxHeight=PLAYER_HEIGHT)

    def stats(self, ids: Sequence[str]) -> dict[str, Video]:
        """Videos by id with their counts alone; a call of batchGetStats for 50."""
        return self._by_id(resources.STATS, ids)

    def channels(self, ids: Sequence[str]) -> dict[str, Channel]:
        """Channels by id; a unit for 50."""
        return self._by_id(resources.CHANNELS, ids, maxResults=PAGE_SIZE)

    def chart(self, region: str | None, category_id: str | None, page_token: str | None) -> Listing[Video]:
        """A page of the most popular videos: since 2025-07-21 of music, films and games only; a unit."""
        asked = {"chart": "mostPopular", "maxResults": PAGE_SIZE, "maxHeight": PLAYER_HEIGHT}
        of_whom = {"regionCode": region, "videoCategoryId": category_id, "pageToken": page_token}
        return self._call(resources.VIDEOS, **asked, **of_whom)

    def playlist(self, playlist_id: str) -> Listing[resources.PlaylistItem]:
        """The first page of a playlist, the newest first where it is a channel's; a unit."""
        return self._call(resources.PLAYLIST_ITEMS, playlistId=playlist_id, maxResults=PAGE_SIZE)

    def _by_id(self, endpoint: Endpoint[NamedT], ids: Sequence[str], **params: Any) -> dict[str, NamedT]:
        some = (ids[start : start + PAGE_SIZE] for start in range(0, len(ids), PAGE_SIZE))
        found = (item for part in some for item in self._call(endpoint, id=",".join(part), **params).items)
        return {item.id: item for item in found}

    def _call(self, endpoint: Endpoint[ItemT], **params: Any) -> Listing[ItemT]:
        self.ctx.check()
        timeout = max(MIN_TIMEOUT, min(MAX_TIMEOUT, self.ctx.time_left))
        try:
            answer = self.youtube.call(endpoint, params, timeout=timeout)
        except HandlerSignal as trouble:
            self.spent[endpoint.bucket] += getattr(trouble, "charged", True)
            self._tell_the_fleet(trouble)
            self.ctx.check()  # a task that was told to end meanwhile goes back, whatever came of its call
            raise
        self.spent[endpoint.bucket] += 1
        return answer

    def _tell_the_fleet(self, trouble: HandlerSignal) -> None:
        """What YouTube itself said holds for every worker of the project."""
        match trouble:
            case DayQuotaUsedUp(bucket=bucket, charged=True, retry_in=seconds):
                self.ctx.pause_limit(limit_of(bucket), seconds, reason=str(trouble))
            case MinuteLimitReached(retry_in=float() as seconds):
                self.ctx.pause_limit(PACE, seconds, reason=str(trouble))


def _parsed(endpoint: Endpoint[ItemT], answer: object) -> Listing[ItemT]:
    if not isinstance(answer, dict):
        raise YouTubeTrouble(f"{endpoint.name} got no JSON object; a proxy or a login page may be in between")
    try:
        text = json.dumps(_without_nulls(answer), ensure_ascii=False)
        return endpoint.answer.model_validate_json(text.encode("utf-8", "replace"))
    except ValidationError as error:
        places = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:3])
    except RecursionError:
        places = "its depth"
    raise YouTubeTrouble(f"YouTube's answer to {endpoint.name} cannot be read, look at: {places}")


def _without_nulls(value: Any) -> Any:
    """Decoded JSON without what is null: a null is what is absent, and spoils nothing around it."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value
