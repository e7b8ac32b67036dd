"""The stand-in itself: a catalogue, a quota, a plan of faults and a log behind an address on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType

from prismq_worker_sdk.compat import UTC, Self
from prismq_youtube_shorts.sandbox.api import Api, Quota
from prismq_youtube_shorts.sandbox.asked import Asked
from prismq_youtube_shorts.sandbox.calls import DEFAULT_BUCKET
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.channel import Channel
from prismq_youtube_shorts.sandbox.entry import Entry
from prismq_youtube_shorts.sandbox.faults import FaultPlan
from prismq_youtube_shorts.sandbox.invent import invent
from prismq_youtube_shorts.sandbox.wire import Server

__all__ = ["SANDBOX_KEY", "Sandbox"]

SANDBOX_KEY = "stand-in-key-that-google-does-not-know"
HOST = "127.0.0.1"
POLL_SECONDS = 0.02


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """The stand-in of the YouTube Data API; a context manager that serves while it is open.

    Args:
        catalogue: The videos; an invented 400, the newest of this hour, unless given.
        channels: Those that are not to be derived from the catalogue.
        port: 0 for any free one.
        key: The only key that is taken.
        search_quota: Calls of search.list in a day.
        unit_quota: Units in a day for everything but searches and batchGetStats.
        stats_quota: Calls of videos.batchGetStats in a day.
        on_request: Told of every request.
        now: Its clock, with time zone: days of quota and growing views go by it.
        trickle_seconds: The pause after each byte of an answer that meets the fault `trickle`.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each thing to order
        self,
        catalogue: Sequence[Entry] | None = None,
        *,
        channels: Sequence[Channel] = (),
        port: int = 0,
        key: str = SANDBOX_KEY,
        search_quota: int = 100,
        unit_quota: int = 10_000,
        stats_quota: int = 10_000,
        on_request: Callable[[Asked], None] | None = None,
        now: Callable[[], datetime] | None = None,
        trickle_seconds: float = 0.05,
    ) -> None:
        clock = now or _utc_now
        videos = invent(until=clock()) if catalogue is None else catalogue
        self.key = key
        self.faults = FaultPlan()
        self.requests: list[Asked] = []
        self._listener = on_request
        self._quota = Quota({"search": search_quota, "stats": stats_quota, DEFAULT_BUCKET: unit_quota}, clock)
        api = Api(Catalogue(videos, channels=channels, now=clock), self._quota, key=key)
        self._server = Server((HOST, port), api, self.faults, self._note, trickle_seconds=trickle_seconds)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """What YOUTUBE_API_ENDPOINT is set to."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def calls(self, call: str) -> int:
        """How many requests came for a call: `search`, `videos`, `batchGetStats`, `channels`, …."""
        return sum(asked.call == call for asked in self.requests)

    def quota_left(self, bucket: str) -> int:
        """What is left of today's `search`, `stats` or `default`."""
        return self._quota.left(bucket)

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return self._server.connections

    def start(self) -> Self:
        """Begin to serve, in a thread."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End all connections and the server."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, asked: Asked) -> None:
        self.requests.append(asked)
        if self._listener is not None:
            self._listener(asked)
