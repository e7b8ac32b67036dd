"""What was read of YouTube: pages of searches, videos, and how many views a video had when.

Developer Policies III.E.4.d: data that came by an API key is stored for 30 days at most.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TypeVar
from weakref import WeakValueDictionary

from pydantic import TypeAdapter, ValidationError

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.quota import Clock
from prismq_youtube_shorts.resources import VIDEOS, Video
from prismq_youtube_shorts.state_file import StateFile

T = TypeVar("T")

MAX_SECONDS = 30 * 86_400.0
PURGE_SECONDS = 3_600.0
CHECK_SECONDS = 0.1
KEPT = {"videos": "read_at", "looks": "at", "languages": "refused_at"}
"""For 30 days, from the instant in this column."""
MAX_PER_VIDEO = 100
"""Snapshots of one video that are kept; the newest."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of videos, in YouTube's order.

    Attributes:
        estimate: YouTube's, of all results.
        read_at: When its oldest part was read, with time zone; `looked_at`: when its statistics were.
        videos: What videos.list said of them; None while nobody has asked.
        token: By which it was asked, None for the first page: it follows only the page that gave this token.
    """

    ids: tuple[str, ...]
    next_token: str | None
    estimate: int | None
    read_at: datetime
    videos: tuple[Video, ...] | None = None
    looked_at: datetime | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The views that a look at `at` (with time zone) saw."""

    video_id: str
    at: datetime
    views: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A video, and what was asked of it: one of which another version asked for less is asked for anew."""

    video: Video
    fields: str = VIDEOS.fields


@cache
def adapter(kind: type[T]) -> TypeAdapter[T]:
    """Reads and writes the JSON of these values; made when the first one is, which takes a start some time."""
    return TypeAdapter(kind)


class Cache:
    """What was read, on disk, for any thread and several processes; pages for so many seconds, all else for 30 days."""

    def __init__(self, file: StateFile, lifetime: float, now: Clock) -> None:
        self._file = file
        self._lifetime = min(lifetime, MAX_SECONDS)
        self._now = now
        self._purged_at = 0.0
        self._lock = threading.Lock()
        self._under_way: WeakValueDictionary[str, threading.Semaphore] = WeakValueDictionary()

    @contextmanager
    def reading(self, search: str, check: Callable[[], None]) -> Iterator[None]:
        """Lets equal searches of this process read one after the other: the second finds the page kept.

        Args:
            check: Called while somebody else reads; raises when the wait must end.
        """
        if not self._lifetime:
            yield
            return
        with self._lock:
            turn = self._under_way.setdefault(search, threading.Semaphore())
        while not turn.acquire(timeout=CHECK_SECONDS):
            check()
        try:
            yield
        finally:
            turn.release()

    def page(self, search: str, number: int) -> Page | None:
        """A page that is kept and fresh enough; all pages of a search are as old as its first."""
        if not self._lifetime:
            return None
        found = self._file.read(
            "SELECT body FROM pages WHERE search = ? AND number = ? AND EXISTS"
            " (SELECT 1 FROM pages WHERE search = ? AND number = 1 AND read_at > ?)",
            (search, number, search, self._before(self._lifetime)),
        )
        try:
            return adapter(Page).validate_json(found[0][0]) if found else None
        except ValidationError:
            return None  # written by another version: it is read anew

    def keep_page(self, search: str, number: int, page: Page) -> None:
        """Keeps a page whose videos are known; a new first page replaces all pages of its search."""
        if not self._lifetime:
            return
        row = (search, number, adapter(Page).dump_json(page).decode(), page.read_at.timestamp())

        def write(db: sqlite3.Connection) -> None:
            if number == 1:
                db.execute("DELETE FROM pages WHERE search = ?", (search,))
            db.execute("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)", row)

        self._file.run(write, None)

    def drop_pages(self, search: str) -> None:
        """Forgets the pages of a search that YouTube does not go on with."""
        if self._file.exists():
            self._file.write("DELETE FROM pages WHERE search = ?", (search,))

    def refuse_language(self, language: str) -> None:
        """YouTube does not know this language: nobody pays to be told so again, for as long as anything is kept."""
        self._file.write("INSERT OR REPLACE INTO languages VALUES (?, ?)", (language, self._before(0)))

    def refused_language(self, language: str) -> bool:
        """Whether YouTube said that it does not know a language."""
        row = (language, self._before(MAX_SECONDS))
        return bool(self._file.read("SELECT 1 FROM languages WHERE language = ? AND refused_at > ?", row))

    def purge(self) -> None:
        """Forgets everything that is past its time, whatever it is kept for; at most once an hour."""
        now = self._before(0)
        if abs(now - self._purged_at) < PURGE_SECONDS or not self._file.exists():
            return
        self._purged_at = now
        self._file.write("DELETE FROM pages WHERE read_at <= ?", (now - self._lifetime,))
        for table, column in KEPT.items():
            self._file.write(f"DELETE FROM {table} WHERE {column} <= ?", (now - MAX_SECONDS,))  # noqa: S608

    def videos(self, ids: Iterable[str]) -> dict[str, tuple[Video, datetime]]:
        """What is known of videos from the last 30 days, and since when."""
        wanted = list(ids)
        marks = ", ".join("?" * len(wanted))
        statement = f"SELECT body, read_at FROM videos WHERE read_at > ? AND video_id IN ({marks})"  # noqa: S608
        known = {}
        for body, read_at in self._file.read(statement, (self._before(MAX_SECONDS), *wanted)):
            try:
                found = adapter(_Known).validate_json(body)
            except ValidationError:
                continue
            if found.fields == VIDEOS.fields:
                known[found.video.id] = (found.video, datetime.fromtimestamp(read_at, UTC))
        return known

    def keep_videos(self, videos: Iterable[tuple[Video, datetime]]) -> None:
        """Keeps what videos.list said and when, for later looks at statistics alone."""
        rows = [
            (video.id, adapter(_Known).dump_json(_Known(video)).decode(), at.timestamp())
            for video, at in videos
        ]
        self._file.write("INSERT OR REPLACE INTO videos VALUES (?, ?, ?)", *rows)

    def snapshot_before(self, video_id: str, moment: datetime) -> Snapshot | None:
        """The latest snapshot of a video that was made until then."""
        found = self._file.read(
            "SELECT at, views FROM looks WHERE video_id = ? AND at > ? AND at <= ? ORDER BY at DESC LIMIT 1",
            (video_id, self._before(MAX_SECONDS), moment.timestamp()),
        )
        return Snapshot(video_id, datetime.fromtimestamp(found[0][0], UTC), found[0][1]) if found else None

    def keep_snapshots(self, snapshots: Iterable[Snapshot]) -> None:
        """Keeps snapshots, the newest of each video."""
        rows = [(one.video_id, one.at.timestamp(), one.views) for one in snapshots]
        self._file.write("INSERT OR REPLACE INTO looks VALUES (?, ?, ?)", *rows)
        self._file.write(
            "DELETE FROM looks WHERE video_id = ? AND at NOT IN"
            " (SELECT at FROM looks WHERE video_id = ? ORDER BY at DESC LIMIT ?)",
            *((video_id, video_id, MAX_PER_VIDEO) for video_id, _at, _views in rows),
        )

    def _before(self, seconds: float) -> float:
        """The instant that many seconds ago."""
        return self._now().timestamp() - seconds
