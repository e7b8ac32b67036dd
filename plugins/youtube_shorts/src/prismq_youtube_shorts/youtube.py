"""The API together with what is kept about it on disk: all that the handlers of the plugin share."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.client import GOOGLE, YouTubeClient
from prismq_youtube_shorts.errors import CREDENTIALS_PAGE, LIBRARY_PAGE, Misconfigured
from prismq_youtube_shorts.flights import Flights
from prismq_youtube_shorts.quota_day import Bucket
from prismq_youtube_shorts.settings import YouTubeSettings
from prismq_youtube_shorts.state.file import StateFile
from prismq_youtube_shorts.state.ledger import Ledger
from prismq_youtube_shorts.state.looks import Looks
from prismq_youtube_shorts.state.pages import Pages

__all__ = ["NO_KEY", "SharedYouTube", "YouTube"]

NO_KEY = (
    "set YOUTUBE_API_KEY (or YOUTUBE_API_KEY_FILE) to a key of the YouTube Data API v3: enable that API in a Google "
    f"project at {LIBRARY_PAGE}, then create an API key at {CREDENTIALS_PAGE}"
)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class YouTube:
    """The API and what is kept about it; nothing is opened or imported before the first call.

    Args:
        now: Gives the instant now, with time zone.

    Raises:
        Misconfigured: There is no key.
    """

    def __init__(self, settings: YouTubeSettings, *, now: Callable[[], datetime] = _utc_now) -> None:
        if settings.youtube_api_key is None:
            raise Misconfigured(NO_KEY)
        key, endpoint = settings.youtube_api_key.get_secret_value(), settings.youtube_api_endpoint
        budgets = {
            Bucket.SEARCH: settings.youtube_daily_search_budget,
            Bucket.UNITS: settings.youtube_daily_unit_budget,
            Bucket.STATS: settings.youtube_daily_stats_budget,
        }
        self.settings = settings
        self.endpoint = endpoint
        self.now = now
        self.file = StateFile(settings.youtube_state_dir)
        self.ledger = Ledger(self.file, _project(settings.youtube_project, key, endpoint), budgets, now)
        self.pages = Pages(self.file, settings.youtube_cache_lifetime, now)
        self.looks = Looks(self.file, now)
        self.flights = Flights()
        self.client = YouTubeClient(key, endpoint, ledger=self.ledger, now=now)

    def close(self) -> None:
        """Closes connections and the state file; a later call opens them again."""
        self.client.close()
        self.file.close()


class SharedYouTube:
    """One YouTube for all handlers that have the same settings; may be used from any thread.

    Settings change with a key that is changed in its file; tasks that run go on with what they began with.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: list[YouTube] = []

    def of(self, settings: YouTubeSettings) -> YouTube:
        """The YouTube of these settings.

        Raises:
            Misconfigured: There is no key.
        """
        with self._lock:
            if not self._made or self._made[-1].settings != settings:
                self._made.append(YouTube(settings))
            return self._made[-1]

    def close(self) -> None:
        """Closes whatever was made."""
        with self._lock:
            for youtube in self._made:
                youtube.close()


def _project(name: str, key: str, endpoint: str) -> str:
    """What the ledger calls a project; where nobody named it, a digest from which the key cannot be read."""
    if name:
        return name if endpoint == GOOGLE else f"{name} at {endpoint}"
    return hashlib.sha256(f"{endpoint} {key}".encode()).hexdigest()[:16]
