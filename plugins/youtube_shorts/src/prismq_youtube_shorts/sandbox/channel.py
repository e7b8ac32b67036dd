"""A channel: given by whoever makes the catalogue, or derived from its videos."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from prismq_youtube_shorts.sandbox.entry import Entry

__all__ = ["Channel", "derive"]

COUNTRIES = ("US", "DE", "CZ", "IN", "BR", "")
HIDDEN_EVERY = 5
"""Every so many channels one hides its subscribers."""
MOST_SUBSCRIBERS = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel.

    Attributes:
        id: `UC` and 22 more.
        handle: With its `@`; "" for none.
        country: Two letters; "" when the channel does not tell.
        subscribers: None when they are hidden; the API tells three digits of them and zeros.
        video_count: All public videos.
        views: Of all its videos together.
    """

    id: str
    title: str
    handle: str = ""
    description: str = "Invented by the stand-in; there is no such channel."
    country: str = ""
    published_at: str = "2020-02-02T02:02:02Z"
    subscribers: int | None = None
    video_count: int = 0
    views: int = 0

    def playlist(self, kind: str) -> str:
        """The id of a list that YouTube keeps of its videos: `UU` for all of them, `UUSH` for Shorts."""
        return f"{kind}{self.id[2:]}"


def derive(channel_id: str, entries: Sequence[Entry]) -> Channel:
    """The channel that has these videos; the same one each time."""
    dice = zlib.crc32(channel_id.encode())
    title = entries[0].channel
    listed = [entry for entry in entries if entry.listed]
    return Channel(
        id=channel_id,
        title=title,
        handle="@" + "".join(letter for letter in title.casefold() if letter.isalnum()),
        country=COUNTRIES[dice % len(COUNTRIES)],
        subscribers=None if dice % HIDDEN_EVERY == 0 else dice % MOST_SUBSCRIBERS,
        video_count=len(listed),
        views=sum(int(entry.statistics.get("viewCount", "0")) for entry in listed),
    )
