"""Looks at statistics: how many views a video had when, so that two looks give its real velocity.

Kept for 30 days at most (YouTube API Services Developer Policies III.E.4.d), as are the videos themselves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.answers import VIDEO_FIELDS, Video
from prismq_youtube_shorts.state.file import StateFile
from prismq_youtube_shorts.state.pages import LONGEST_SECONDS
from prismq_youtube_shorts.trends.metrics import MIN_HOURS_BETWEEN, Measured, Snapshot

__all__ = ["Looks"]

MOST_OF_A_VIDEO = 100
"""Looks at one video that are kept; the newest."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A video, and what was asked of it: one of which another version asked for less is asked for anew."""

    video: Video
    fields: str = VIDEO_FIELDS


_KEPT = TypeAdapter(_Kept)


class Looks:
    """Known videos and earlier looks at them; may be used from any thread and by several processes.

    Args:
        now: Gives the instant now, with time zone.
    """

    def __init__(self, file: StateFile, now: Callable[[], datetime]) -> None:
        self._file = file
        self._now = now

    def videos(self, ids: Iterable[str]) -> dict[str, tuple[Video, datetime]]:
        """What is known of videos from the last 30 days, and since when."""
        since = self._now().timestamp() - LONGEST_SECONDS
        wanted = list(ids)

        def read(db: sqlite3.Connection) -> list[tuple[str, float]]:
            marks = ", ".join("?" * len(wanted))
            return db.execute(
                f"SELECT body, read_at FROM videos WHERE read_at > ? AND video_id IN ({marks})",  # noqa: S608 - marks only
                (since, *wanted),
            ).fetchall()

        known = {}
        for body, read_at in self._file.look(read, []):
            try:
                kept = _KEPT.validate_json(body)
            except ValidationError:
                continue
            if kept.fields == VIDEO_FIELDS:
                known[kept.video.id] = (kept.video, datetime.fromtimestamp(read_at, UTC))
        return known

    def remember(self, videos: Iterable[tuple[Video, datetime]]) -> None:
        """Keeps what videos.list said and when, for later looks at statistics alone."""
        rows = [
            (video.id, _KEPT.dump_json(_Kept(video), by_alias=True).decode(), read_at.timestamp())
            for video, read_at in videos
        ]
        self._file.run(
            lambda db: db.executemany("INSERT OR REPLACE INTO videos VALUES (?, ?, ?)", rows), None
        )

    def earlier(self, seen: Iterable[Measured]) -> dict[str, Snapshot]:
        """The latest look at each video that is old enough to tell a velocity by, seen from this one."""
        since = self._now().timestamp() - LONGEST_SECONDS

        def read(db: sqlite3.Connection) -> list[tuple[str, float, int]]:
            found = []
            for one in seen:
                until = one.measured_at.timestamp() - MIN_HOURS_BETWEEN * 3600
                row = db.execute(
                    "SELECT video_id, at, views FROM looks WHERE video_id = ? AND at > ? AND at <= ?"
                    " ORDER BY at DESC LIMIT 1",
                    (one.video_id, since, until),
                ).fetchone()
                found += [row] if row else []
            return found

        return {
            video_id: Snapshot(video_id, datetime.fromtimestamp(at, UTC), views)
            for video_id, at, views in self._file.look(read, [])
        }

    def note(self, looks: Iterable[Snapshot]) -> None:
        """Keeps looks, the newest of each video."""
        rows = [(look.video_id, look.at.timestamp(), look.views) for look in looks]

        def write(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO looks VALUES (?, ?, ?)", rows)
            db.executemany(
                "DELETE FROM looks WHERE video_id = ? AND at NOT IN"
                " (SELECT at FROM looks WHERE video_id = ? ORDER BY at DESC LIMIT ?)",
                [(video_id, video_id, MOST_OF_A_VIDEO) for video_id, _at, _views in rows],
            )

        self._file.run(write, None)
