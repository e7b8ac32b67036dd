"""A stand-in and a client for each test that asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from plugins.youtube_shorts.tests.entries import entry
from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.client import Calls, YouTube
from prismq_youtube_shorts.handler import SharedYouTube, YouTubeHandler
from prismq_youtube_shorts.sandbox import Entry, Sandbox
from prismq_youtube_shorts.search import SearchQuery
from prismq_youtube_shorts.settings import YouTubeSettings

CA_VARIABLES = ("HTTPLIB2_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


class Clock:
    """The instant that a test says it is."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("YOUTUBE_") or name in CA_VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("YOUTUBE_STATE_DIR", str(tmp_path / "youtube"))
    # a busy machine lets threads rest for longer than connections may in earnest
    monkeypatch.setattr("prismq_youtube_shorts.transport.MAX_IDLE", 600.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_youtube(clock: Clock) -> Iterator[Callable[..., YouTube]]:
    """Makes the whole of what the handlers share, for a stand-in; settings without `youtube_` in front."""
    opened: list[YouTube] = []

    def make(sandbox: Sandbox, key: str | None = None, **settings: Any) -> YouTube:
        told = YouTubeSettings(
            youtube_api_key=SecretStr(key or sandbox.key),
            youtube_api_endpoint=sandbox.url,
            **{f"youtube_{name}": value for name, value in settings.items()},
        )
        opened.append(YouTube(told, now=clock))
        return opened[-1]

    yield make
    for youtube in opened:
        youtube.close()


class _Shared(SharedYouTube):
    """One YouTube whatever the settings, that no handler closes."""

    def __init__(self, youtube: YouTube) -> None:
        self._youtube = youtube

    def of(self, _settings: YouTubeSettings) -> YouTube:
        return self._youtube

    def close(self) -> None:
        pass


@pytest.fixture
def handler_of() -> Callable[[type[YouTubeHandler], YouTube], YouTubeHandler]:
    """A handler that works with this very YouTube."""

    def make(cls: type[YouTubeHandler], youtube: YouTube) -> YouTubeHandler:
        handler = cls(_Shared(youtube))
        handler.settings = youtube.settings
        return handler

    return make


@pytest.fixture
def make_sandbox() -> Iterator[Callable[..., Sandbox]]:
    opened: list[Sandbox] = []

    def make(*args: Any, **options: Any) -> Sandbox:
        opened.append(Sandbox(*args, **options).start())
        return opened[-1]

    yield make
    for sandbox in opened:
        sandbox.close()


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox()


class Client(Calls):
    """The calls of a task that has as much time as a test says."""

    def __init__(self, youtube: YouTube) -> None:
        super().__init__(
            youtube,
            SimpleNamespace(check=lambda: None, time_left=60.0, pause_limit=lambda *_said, **_more: None),
        )

    def find(self, words: str = "cooking", *, timeout: float = 60.0, **query: Any) -> list[str | None]:
        """The ids of a first page."""
        self.ctx.time_left = timeout
        found = self.search(SearchQuery(words=words, **query).parameters(), None)
        return [item.video_id for item in found.items]


@pytest.fixture
def make_client(
    make_youtube: Callable[..., YouTube], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Client]:
    monkeypatch.setattr("prismq_youtube_shorts.client.MIN_TIMEOUT", 0.05)
    budgets = dict.fromkeys(("daily_search_budget", "daily_unit_budget"), 10**6)
    return lambda sandbox, **options: Client(make_youtube(sandbox, **{**budgets, **options}))


@pytest.fixture
def client(sandbox: Sandbox, make_client: Callable[..., Client]) -> Client:
    return make_client(sandbox)


@pytest.fixture
def shorts() -> Callable[..., list[Entry]]:
    """Makes so many Shorts, vid0000000 and on, that differ from the usual as told."""

    def make(count: int, **traits: Any) -> list[Entry]:
        return [entry(f"vid{number:08d}", **traits) for number in range(count)]

    return make
