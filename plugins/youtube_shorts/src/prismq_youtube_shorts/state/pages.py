"""Read pages: what a search found, and what its videos are, for as long as the policy and the settings allow.

YouTube API Services Developer Policies III.E.4.d: data that came by an API key is stored for 30 days at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from prismq_youtube_shorts.answers import Video
from prismq_youtube_shorts.state.file import StateFile

__all__ = ["LONGEST_SECONDS", "Page", "Pages"]

LONGEST_SECONDS = 30 * 86_400.0
PURGE_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search.

    Attributes:
        ids: Of its videos, in YouTube's order.
        next_token: None on the last page.
        token: By which it was asked, None for the first page: it follows only the page that gave this token.
        estimate: YouTube's estimate of all results.
        read_at: When its oldest part was read, with time zone.
        videos: What videos.list said of them; None while nobody has asked.
        looked_at: When their statistics were read.
    """

    ids: tuple[str, ...]
    next_token: str | None
    estimate: int | None
    read_at: datetime
    videos: tuple[Video, ...] | None = None
    looked_at: datetime | None = None
    token: str | None = None


_PAGE = TypeAdapter(Page)


class Pages:
    """Read pages on disk; may be used from any thread and by several processes.

    Args:
        lifetime: Seconds; 0 keeps nothing.
        now: Gives the instant now, with time zone.
    """

    def __init__(self, file: StateFile, lifetime: float, now: Callable[[], datetime]) -> None:
        self._file = file
        self._lifetime = min(lifetime, LONGEST_SECONDS)
        self._now = now
        self._purged_at = 0.0

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return self._lifetime > 0

    def get(self, search: str, number: int) -> Page | None:
        """A page that is kept and fresh enough; all pages of a search are as old as its first."""
        if not self._lifetime:
            return None
        since = self._now().timestamp() - self._lifetime

        def read(db: sqlite3.Connection) -> str | None:
            found = db.execute(
                "SELECT body FROM pages WHERE search = ? AND number = ? AND EXISTS"
                " (SELECT 1 FROM pages WHERE search = ? AND number = 1 AND read_at > ?)",
                (search, number, search, since),
            ).fetchone()
            return found[0] if found else None

        body = self._file.look(read, None)
        try:
            return None if body is None else _PAGE.validate_json(body)
        except ValidationError:
            return None  # written by another version: it is read anew

    def put(self, search: str, number: int, page: Page) -> None:
        """Keeps a page whose videos are known; a new first page replaces all pages of its search."""
        if not self._lifetime:
            return
        row = (search, number, _PAGE.dump_json(page, by_alias=True).decode(), page.read_at.timestamp())

        def write(db: sqlite3.Connection) -> None:
            if number == 1:
                db.execute("DELETE FROM pages WHERE search = ?", (search,))
            db.execute("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)", row)

        self._file.run(write, None)

    def drop(self, search: str) -> None:
        """Forgets the pages of a search that YouTube does not go on with."""
        self._file.look(lambda db: db.execute("DELETE FROM pages WHERE search = ?", (search,)), None)

    def refuse_language(self, language: str) -> None:
        """YouTube does not know this language: nobody pays to be told so again, for as long as anything is kept."""
        row = (language, self._now().timestamp())
        self._file.run(lambda db: db.execute("INSERT OR REPLACE INTO languages VALUES (?, ?)", row), None)

    def refused_language(self, language: str) -> bool:
        """Whether YouTube said that it does not know a language."""

        def read(db: sqlite3.Connection) -> bool:
            row = (language, self._now().timestamp() - LONGEST_SECONDS)
            found = db.execute("SELECT 1 FROM languages WHERE language = ? AND refused_at > ?", row)
            return found.fetchone() is not None

        return self._file.look(read, otherwise=False)

    def purge(self) -> None:
        """Forgets everything that is past its time, whatever it is kept for; at most once an hour."""
        now = self._now().timestamp()
        if abs(now - self._purged_at) < PURGE_SECONDS:
            return
        self._purged_at = now

        def forget(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM pages WHERE read_at <= ?", (now - self._lifetime,))
            db.execute("DELETE FROM videos WHERE read_at <= ?", (now - LONGEST_SECONDS,))
            db.execute("DELETE FROM looks WHERE at <= ?", (now - LONGEST_SECONDS,))
            db.execute("DELETE FROM languages WHERE refused_at <= ?", (now - LONGEST_SECONDS,))

        self._file.look(forget, None)
