"""How the tests of the stand-in ask it: over plain HTTP, or with Google's own client; no tests in here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import httplib2
from googleapiclient.discovery import build

ROOT = "/youtube/v3/"


def raw(sandbox, path: str, method: str = "GET", body: str | None = None, **headers: str):
    """Status, headers and content of any answer; a header's `_` stands for `-`."""
    address = urlsplit(sandbox.url)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection(address.hostname, address.port, timeout=10)) as connection:
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def query(sandbox, **params: Any) -> str:
    return urlencode({"key": sandbox.key, "part": "snippet", **params}, doseq=True)


def get(sandbox, call: str, **params: Any) -> tuple[int, dict]:
    status, _, content = raw(sandbox, f"{ROOT}{call}?{query(sandbox, **params)}")
    return status, json.loads(content)


def good(sandbox, call: str, **params: Any) -> dict:
    status, body = get(sandbox, call, **params)
    assert status == 200, body
    return body


def search(sandbox, **params: Any) -> dict:
    return good(sandbox, "search", **{"type": "video", "maxResults": 50, **params})


def refused(sandbox, call: str, **params: Any) -> tuple[int, str, str]:
    """Status, reason and place of an answer that is none."""
    status, body = get(sandbox, call, **params)
    (error,) = body["error"]["errors"]
    return status, error["reason"], error.get("location", "")


def reason(body: dict) -> str:
    return body["error"]["errors"][0]["reason"]


def found(body: dict) -> list[str]:
    """The ids of videos in a page of any list."""
    named = (
        item["contentDetails"] if "contentDetails" in item and "Item" in item["kind"] else item["id"]
        for item in body["items"]
    )
    return [item if isinstance(item, str) else item["videoId"] for item in named]


def every_page(sandbox, call: str, **params: Any) -> Iterator[dict]:
    token = ""
    while True:
        page = good(sandbox, call, pageToken=token, **params)
        yield page
        token = page.get("nextPageToken", "")
        if not token:
            return


def google(sandbox, **options: Any):
    """Google's own client, pointed at the stand-in."""
    return build(
        "youtube",
        "v3",
        developerKey=sandbox.key,
        http=httplib2.Http(proxy_info=None, **options),
        static_discovery=True,
        cache_discovery=False,
        client_options={"api_endpoint": sandbox.url},
    )


class Clock:
    """A clock that stands until a test turns it."""

    def __init__(self, text: str) -> None:
        self.now = datetime.fromisoformat(text)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **time: float) -> None:
        self.now += timedelta(**time)
