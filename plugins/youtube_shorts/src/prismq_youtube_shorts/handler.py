"""What the handlers of this plugin share: one YouTube, the quota without which they rest, and a word on refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from prismq_worker_sdk import Quota, TaskHandler, TaskParams
from prismq_worker_sdk.model.retry import RetryPolicy
from prismq_youtube_shorts.client import YouTube
from prismq_youtube_shorts.errors import Misconfigured, RequestRefused
from prismq_youtube_shorts.quota import Bucket
from prismq_youtube_shorts.settings import YouTubeSettings

SUBJECTS = {"search_query", "video_ids", "channels"}
OURS = {
    "source",
    "max_results",
    "published_within_days",
    "include_unverified",
    "include_channels",
    "outliers",
}
"""What YouTube is not told of a task."""
MAX_VALUE_CHARS = 80


class SharedYouTube:
    """One YouTube for all handlers, from any thread; another one where settings, the key in its file, have changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._youtube: YouTube | None = None

    def of(self, settings: YouTubeSettings) -> YouTube:
        """The YouTube of these settings."""
        with self._lock:
            if self._youtube is None or self._youtube.settings != settings:
                self._youtube = YouTube(settings)
            return self._youtube

    def close(self) -> None:
        """Closes its connections; a later call opens them again."""
        with self._lock:
            if self._youtube is not None:
                self._youtube.close()


class YouTubeHandler(TaskHandler):
    """A handler that asks YouTube; `needs` are the buckets without which no task of this type can begin.

    One more try inside a claim after trouble on the way: what was paid for is in the checkpoint by then.
    """

    time_limit = "2m"
    retry = RetryPolicy(max_attempts=2, initial=2.0)
    needs: ClassVar[tuple[Bucket, ...]]
    settings: YouTubeSettings | None = None

    def __init__(self, shared: SharedYouTube | None = None) -> None:
        self._shared = shared or SharedYouTube()

    @property
    def youtube(self) -> YouTube:
        """The API by the settings given; in an embedding program that gave none, by those of the environment.

        Raises:
            Misconfigured: There is no key.
        """
        return self._shared.of(self.settings or YouTubeSettings())

    def ready(self) -> str | None:
        """None with a key and quota, else which variable to set, or until when there is no quota."""
        try:
            youtube = self.youtube
        except Misconfigured as error:
            return str(error)
        youtube.cache.purge()
        return next((why for bucket in self.needs if (why := youtube.ledger.used_up(bucket))), None)

    def quotas(self) -> Sequence[Quota]:
        """What is left of the project's day, as far as this machine knows."""
        try:
            return self.youtube.ledger.quotas()
        except Misconfigured:
            return ()

    def teardown(self) -> None:
        """Closes connections."""
        self._shared.close()


@contextmanager
def naming_parameters(params: TaskParams) -> Iterator[None]:
    """Names what this task asked for where YouTube refuses it and does not say which parameter it means."""
    try:
        yield
    except RequestRefused as refused:
        asked = [name for name in type(params).model_fields if name in params.model_fields_set - OURS]
        names = [name for name in asked if name not in SUBJECTS] or asked
        if refused.parameter is not None or not names:
            raise
        values = ", ".join(f"{name}={getattr(params, name)}"[:MAX_VALUE_CHARS] for name in names)
        raise type(refused)(str(refused), parameter=values) from None
