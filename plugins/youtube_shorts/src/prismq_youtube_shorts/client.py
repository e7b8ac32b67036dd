"""Talks to the YouTube Data API v3 through Google's own client, which is imported at the first call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.answers import (
    SEARCH_FIELDS,
    VIDEO_FIELDS,
    VIDEO_PARTS,
    Answer,
    SearchListResponse,
    Video,
    VideoListResponse,
)
from prismq_youtube_shorts.errors import Misconfigured, YouTubeTrouble, from_answer
from prismq_youtube_shorts.secrecy import guard_client_logs, scrub

__all__ = ["CALL_TIMEOUT", "GOOGLE", "PAGE_SIZE", "YouTubeClient"]

GOOGLE = "https://youtube.googleapis.com/"
PAGE_SIZE = 50
"""The most that search.list and videos.list give in one call; a page costs the same whatever its size."""
CALL_TIMEOUT = 20.0
"""Seconds that one call may be silent."""
PLAYER_HEIGHT = 1920
"""Any height makes the API tell the player's size at the true ratio; this is a Short's usual one."""
LANGUAGES = {"zh": "zh-Hans"}
"""YouTube takes two-letter codes, except for Chinese, where it asks for the script."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}

AnswerT = TypeVar("AnswerT", bound=Answer)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class YouTubeClient:
    """The two calls that finding Shorts needs; safe to share between threads.

    A connection serves one call at a time: two threads in one httplib2.Http get each other's answers.

    Args:
        key: The API key; it appears in no error and no log.
        endpoint: Where the API is, without `/youtube/v3`.
        now: Gives the instant now, with time zone, to tell when a day's quota is given again.
    """

    def __init__(self, key: str, endpoint: str = GOOGLE, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._key = key
        self._endpoint = endpoint
        self._now = now
        self._idle: list[Any] = []
        self._service: Any = None
        self._lock = threading.Lock()

    def search(
        self,
        query: str,
        *,
        language: str | None = None,
        page_token: str | None = None,
        timeout: float = CALL_TIMEOUT,
    ) -> SearchListResponse:
        """One page of up to 50 videos shorter than four minutes; costs one search call of 100 a day.

        Args:
            query: The words; YouTube reads `|` as or and a leading `-` as not.
            language: Two letters; a soft hint, videos in other languages come too.
            page_token: From the page before, None for the first.
            timeout: Seconds of silence that are borne.

        Raises:
            HandlerSignal: One of the errors of `prismq_youtube_shorts.errors`.
        """
        resource = self._api().search()
        request = resource.list(
            part="snippet",
            q=query,
            type="video",
            videoDuration="short",
            maxResults=PAGE_SIZE,
            relevanceLanguage=LANGUAGES.get(language or "", language),
            pageToken=page_token,
            fields=SEARCH_FIELDS,
        )
        return self._ask("search.list", request, SearchListResponse, timeout)

    def videos(self, ids: Sequence[str], *, timeout: float = CALL_TIMEOUT) -> dict[str, Video]:
        """Up to 50 videos by id, deleted ones missing; costs one unit of 10 000 a day.

        Raises:
            HandlerSignal: One of the errors of `prismq_youtube_shorts.errors`.
        """
        resource = self._api().videos()
        request = resource.list(
            part=VIDEO_PARTS, id=",".join(ids), maxHeight=PLAYER_HEIGHT, fields=VIDEO_FIELDS
        )
        answer = self._ask("videos.list", request, VideoListResponse, timeout)
        return {video.id: video for video in answer.items}

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _ask(self, call: str, request: Any, model: type[AnswerT], timeout: float) -> AnswerT:
        answer = self._perform(call, request, timeout)
        # Raised outside of any except block: an error of Google's client must not hang on as the context.
        if isinstance(answer, HandlerSignal):
            raise answer
        if not isinstance(answer, dict):
            raise YouTubeTrouble(f"{call} got no JSON object; a proxy or a login page may be in between")
        try:
            return model.model_validate(answer)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:3])
        raise YouTubeTrouble(f"YouTube's answer to {call} cannot be read, look at: {places}")

    def _perform(self, call: str, request: Any, timeout: float) -> object:
        """The decoded body, or the error to raise."""
        from googleapiclient.errors import Error, HttpError  # noqa: PLC0415 - see _api
        from httplib2 import HttpLib2Error, ProxiesUnavailableError  # noqa: PLC0415

        try:
            with self._connection(timeout) as http:
                return request.execute(http=http, num_retries=0)
        except HttpError as error:
            body = scrub(error.content.decode("utf-8", "replace"), self._key)
            return from_answer(call, error.resp.status, body, now=self._now())
        except ProxiesUnavailableError:
            return Misconfigured(
                f"{call} needs PySocks for the proxy of the environment: pip install PySocks"
            )
        except TimeoutError:
            return YouTubeTrouble(f"YouTube was silent for {timeout:.3g} s at {call}")
        except (OSError, HTTPException, HttpLib2Error, Error, UnicodeDecodeError) as error:
            reason = scrub(f"{type(error).__name__}: {error}", self._key)
            return YouTubeTrouble(f"no usable answer from YouTube to {call} ({reason})")

    def _api(self) -> Any:
        """The service object, built once from the description that Google's client brings along."""
        with self._lock:
            if self._service is None:
                import httplib2  # noqa: PLC0415 - these two take 0.3 s and 30 MB: at first use only
                from googleapiclient.discovery import build  # noqa: PLC0415

                guard_client_logs()
                self._service = build(
                    "youtube",
                    "v3",
                    developerKey=self._key,
                    http=httplib2.Http(),  # never used: each call brings its own
                    static_discovery=True,
                    cache_discovery=False,
                    client_options={"api_endpoint": self._endpoint},
                )
            return self._service

    @contextmanager
    def _connection(self, timeout: float) -> Iterator[Any]:
        """A connection for this call alone, set to bear so many seconds of silence."""
        with self._lock:
            http = self._idle.pop() if self._idle else self._new_connection()
        http.timeout = timeout
        for connection in http.connections.values():
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
        try:
            yield http
        finally:
            with self._lock:
                self._idle.append(http)

    def _new_connection(self) -> Any:
        import httplib2  # noqa: PLC0415 - see _api

        here = urlsplit(self._endpoint).hostname in LOOPBACK
        http = httplib2.Http(proxy_info=None if here else httplib2.proxy_info_from_environment)
        http.follow_redirects = False
        return http
