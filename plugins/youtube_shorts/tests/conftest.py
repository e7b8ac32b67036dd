"""A stand-in and a client for each test that asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from prismq_youtube_shorts.client import YouTubeClient
from prismq_youtube_shorts.sandbox import Entry, Sandbox

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


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


@pytest.fixture
def make_client() -> Iterator[Callable[..., YouTubeClient]]:
    opened: list[YouTubeClient] = []

    def make(sandbox: Sandbox, key: str | None = None) -> YouTubeClient:
        opened.append(YouTubeClient(sandbox.key if key is None else key, sandbox.url, now=lambda: NOW))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(sandbox: Sandbox, make_client: Callable[..., YouTubeClient]) -> YouTubeClient:
    return make_client(sandbox)


@pytest.fixture
def shorts() -> Callable[..., list[Entry]]:
    """Makes so many Shorts, vid0000000 and on, that differ from the usual as told."""

    def make(count: int, **traits: Any) -> list[Entry]:
        return [Entry(video_id=f"vid{number:08d}", **traits) for number in range(count)]

    return make
