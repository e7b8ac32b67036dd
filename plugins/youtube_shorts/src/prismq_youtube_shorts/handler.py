"""What the handlers of this plugin have in common: the key, the quota, and one YouTube for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from prismq_worker_sdk import Quota, TaskHandler, TaskParams
from prismq_worker_sdk.model.retry import RetryPolicy
from prismq_youtube_shorts.errors import RequestRefused
from prismq_youtube_shorts.quota_day import Bucket
from prismq_youtube_shorts.settings import YouTubeSettings
from prismq_youtube_shorts.youtube import NO_KEY, SharedYouTube, YouTube

__all__ = ["YouTubeHandler", "naming"]

SUBJECTS = ("search_query", "video_ids", "channels")
DETAILS = (
    "language",
    "region_code",
    "order",
    "published_after",
    "published_before",
    "safe_search",
    "channel_id",
    "category_id",
)
"""What YouTube is told of a task, beside its subject."""
LONGEST_VALUE = 80


class YouTubeHandler(TaskHandler):
    """A handler that asks YouTube.

    One more try inside a claim after trouble on the way: what was paid for is in the checkpoint by then.

    Attributes:
        needs: Buckets without which no task of this type can begin.
    """

    time_limit = "2m"
    retry = RetryPolicy(max_attempts=2, initial=2.0)
    needs: ClassVar[tuple[Bucket, ...]]
    settings: YouTubeSettings | None = None

    def __init__(self, shared: SharedYouTube | None = None) -> None:
        self._shared = shared or SharedYouTube()

    def ready(self) -> str | None:
        """None with a key and quota, else which variable to set, or until when there is no quota."""
        told = self._told()
        if told.youtube_api_key is None:
            return NO_KEY
        youtube = self._shared.of(told)
        youtube.pages.purge()
        return next((why for bucket in self.needs if (why := youtube.ledger.used_up(bucket))), None)

    def quotas(self) -> Sequence[Quota]:
        """What is left of the project's day, as far as this machine knows."""
        told = self._told()
        return self._shared.of(told).ledger.quotas() if told.youtube_api_key is not None else ()

    def teardown(self) -> None:
        """Closes connections and files."""
        self._shared.close()

    @property
    def youtube(self) -> YouTube:
        """The API, with what is kept about it.

        Raises:
            Misconfigured: There is no key.
        """
        return self._shared.of(self._told())

    def _told(self) -> YouTubeSettings:
        """The settings given, or, in an embedding program that gave none, those of the environment."""
        return self.settings or YouTubeSettings()


@contextmanager
def naming(params: TaskParams) -> Iterator[None]:
    """Names what this task asked for where YouTube refuses it and does not say which parameter it means.

    Raises:
        RequestRefused: As it came, with the parameters that the task set.
    """
    try:
        yield
    except RequestRefused as refused:
        told = [name for name in DETAILS if name in params.model_fields_set]
        told = told or [name for name in SUBJECTS if name in params.model_fields_set]
        if refused.parameter is not None or not told:
            raise
        values = ", ".join(f"{name}={getattr(params, name)}"[:LONGEST_VALUE] for name in told)
        raise type(refused)(str(refused), parameter=values) from None
