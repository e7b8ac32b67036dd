"""Talks to the YouTube Data API v3 through Google's own client, which is imported at the first call."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from http.client import HTTPException
from ssl import SSLCertVerificationError
from typing import Any, TypeVar

from pydantic import ValidationError

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.answers import (
    CHANNEL_FIELDS,
    CHANNEL_PARTS,
    PLAYLIST_FIELDS,
    PLAYLIST_PARTS,
    SEARCH_FIELDS,
    STATS_FIELDS,
    STATS_PARTS,
    VIDEO_FIELDS,
    VIDEO_PARTS,
    Answer,
    BatchGetStatsResponse,
    Channel,
    ChannelListResponse,
    PlaylistItemListResponse,
    SearchListResponse,
    Video,
    VideoListResponse,
    VideoStat,
)
from prismq_youtube_shorts.connections import Connections
from prismq_youtube_shorts.errors import DayQuotaUsedUp, Misconfigured, YouTubeTrouble, from_answer
from prismq_youtube_shorts.query import PAGE_SIZE, SearchQuery
from prismq_youtube_shorts.quota_day import Bucket
from prismq_youtube_shorts.refusal import without_nulls
from prismq_youtube_shorts.secrecy import guard_client_logs, scrub
from prismq_youtube_shorts.state.ledger import Ledger

__all__ = ["CALL_TIMEOUT", "GOOGLE", "YouTubeClient"]

GOOGLE = "https://youtube.googleapis.com/"
CALL_TIMEOUT = 15.0
"""Seconds that one call may take as a whole; the API needs less than two."""
PLAYER_HEIGHT = 1920
"""Any height makes the API tell the player's size at the true ratio; this is a Short's usual one."""

AnswerT = TypeVar("AnswerT", bound=Answer)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class YouTubeClient:
    """The calls of the API that this plugin makes, each counted before it is made; safe to share between threads.

    Args:
        key: The API key; it appears in no error and no log.
        endpoint: Where the API is, without `/youtube/v3`.
        ledger: Counts each call and refuses it when nothing is left; None counts nothing.
        now: Gives the instant now, with time zone, to tell when a day's quota is given again.
    """

    def __init__(
        self,
        key: str,
        endpoint: str = GOOGLE,
        *,
        ledger: Ledger | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._key = key
        self._endpoint = endpoint
        self._ledger = ledger
        self._now = now
        self._connections = Connections(endpoint)
        self._service: Any = None
        self._lock = threading.Lock()

    def search(
        self, query: SearchQuery, *, page_token: str | None = None, timeout: float = CALL_TIMEOUT
    ) -> SearchListResponse:
        """One page of up to 50 videos shorter than four minutes; costs one search call of 100 a day.

        Args:
            page_token: From the page before, None for the first.
            timeout: Seconds until the answer is there, whole.

        Raises:
            HandlerSignal: One of the errors of `prismq_youtube_shorts.errors`; so do the other calls.
        """
        asked = {**query.parameters(), "pageToken": page_token, "fields": SEARCH_FIELDS}
        request = self._api().search().list(**asked)
        return self._ask(Bucket.SEARCH, "search.list", request, SearchListResponse, timeout)

    def videos(self, ids: Sequence[str], *, timeout: float = CALL_TIMEOUT) -> dict[str, Video]:
        """Up to 50 videos by id, deleted ones missing; costs one unit of 10,000 a day."""
        wanted = {"id": ",".join(ids), "maxHeight": PLAYER_HEIGHT, "fields": VIDEO_FIELDS}
        request = self._api().videos().list(part=VIDEO_PARTS, **wanted)
        answer = self._ask(Bucket.UNITS, "videos.list", request, VideoListResponse, timeout)
        return {video.id: video for video in answer.items}

    def chart(
        self,
        *,
        region: str | None = None,
        category_id: str | None = None,
        page_token: str | None = None,
        timeout: float = CALL_TIMEOUT,
    ) -> VideoListResponse:
        """A page of the most popular videos: since 2025-07-21 of music, films and games only; costs one unit."""
        asked = {
            "chart": "mostPopular",
            "regionCode": region,
            "videoCategoryId": category_id,
            "maxResults": PAGE_SIZE,
            "maxHeight": PLAYER_HEIGHT,
            "pageToken": page_token,
            "fields": VIDEO_FIELDS,
        }
        request = self._api().videos().list(part=VIDEO_PARTS, **asked)
        return self._ask(Bucket.UNITS, "videos.list", request, VideoListResponse, timeout)

    def stats(self, ids: Sequence[str], *, timeout: float = CALL_TIMEOUT) -> dict[str, VideoStat]:
        """The statistics of up to 50 videos; costs one call of the 10,000 a day of its own."""
        wanted = {"id": ",".join(ids), "fields": STATS_FIELDS}
        request = self._api().videos().batchGetStats(part=STATS_PARTS, **wanted)
        answer = self._ask(Bucket.STATS, "videos.batchGetStats", request, BatchGetStatsResponse, timeout)
        return {stat.id: stat for stat in answer.items}

    def channels(self, ids: Sequence[str], *, timeout: float = CALL_TIMEOUT) -> dict[str, Channel]:
        """Up to 50 channels by id; costs one unit."""
        wanted = {"id": ",".join(ids), "maxResults": PAGE_SIZE, "fields": CHANNEL_FIELDS}
        request = self._api().channels().list(part=CHANNEL_PARTS, **wanted)
        answer = self._ask(Bucket.UNITS, "channels.list", request, ChannelListResponse, timeout)
        return {channel.id: channel for channel in answer.items}

    def playlist(
        self, playlist_id: str, *, page_token: str | None = None, timeout: float = CALL_TIMEOUT
    ) -> PlaylistItemListResponse:
        """A page of a playlist, the newest first where it is a channel's; costs one unit."""
        asked = {
            "playlistId": playlist_id,
            "maxResults": PAGE_SIZE,
            "pageToken": page_token,
            "fields": PLAYLIST_FIELDS,
        }
        request = self._api().playlistItems().list(part=PLAYLIST_PARTS, **asked)
        return self._ask(Bucket.UNITS, "playlistItems.list", request, PlaylistItemListResponse, timeout)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._connections.close()

    def _ask(self, bucket: Bucket, call: str, request: Any, model: type[AnswerT], timeout: float) -> AnswerT:
        if self._ledger is not None:
            self._ledger.spend(bucket)
        answer = self._perform(call, request, timeout)
        if self._ledger is not None:
            if isinstance(answer, DayQuotaUsedUp):
                self._ledger.block(answer.bucket)
            if not getattr(answer, "paid", True):
                self._ledger.give_back(bucket)
        # Raised outside of any except block: an error of Google's client must not hang on as the context.
        if isinstance(answer, HandlerSignal):
            raise answer
        if not isinstance(answer, dict):
            raise YouTubeTrouble(f"{call} got no JSON object; a proxy or a login page may be in between")
        try:
            return model.model_validate_json(
                json.dumps(without_nulls(answer), ensure_ascii=False).encode("utf-8", "replace")
            )
        except ValidationError as error:
            places = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:3])
        except RecursionError:
            places = "its depth"
        raise YouTubeTrouble(f"YouTube's answer to {call} cannot be read, look at: {places}")

    def _perform(self, call: str, request: Any, timeout: float) -> object:
        """The decoded body, or the error to raise."""
        from googleapiclient.errors import Error, HttpError  # noqa: PLC0415 - see _api
        from httplib2 import HttpLib2Error, ProxiesUnavailableError  # noqa: PLC0415

        http: Any = None
        try:
            with self._connections.within(timeout) as http:
                return request.execute(http=http, num_retries=0)
        except HttpError as error:
            body = scrub(error.content.decode("utf-8", "replace"), self._key)
            return from_answer(call, error.resp.status, body, now=self._now())
        except ProxiesUnavailableError:
            return Misconfigured(
                f"{call} needs PySocks for the proxy of the environment: pip install PySocks", paid=False
            )
        except Misconfigured as trouble:
            return trouble
        except SSLCertVerificationError as error:
            return Misconfigured(
                f"the certificate at {self._endpoint} is not trusted ({error.verify_message}); look at "
                "YOUTUBE_API_ENDPOINT, and where a proxy of your own signs for it, name the file of its CA in "
                "REQUESTS_CA_BUNDLE or SSL_CERT_FILE",
                paid=False,
            )
        except TimeoutError:
            return YouTubeTrouble(
                f"YouTube had not answered {call} after {timeout:.3g} s", paid=getattr(http, "sent", False)
            )
        except (OSError, HTTPException, HttpLib2Error, Error, UnicodeDecodeError, RecursionError) as error:
            reason = scrub(f"{type(error).__name__}: {error}", self._key)
            return YouTubeTrouble(
                f"no usable answer from YouTube to {call} ({reason})", paid=getattr(http, "sent", False)
            )

    def _api(self) -> Any:
        """The service object, built once from the description that Google's client brings along."""
        with self._lock:
            if self._service is None:
                try:
                    import httplib2  # noqa: PLC0415 - these two take 0.3 s and 30 MB: at first use only
                except RuntimeError as error:  # its own variable for certificates names no file
                    raise Misconfigured(str(error), paid=False) from None
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
